/** Warehouses: where goods may lie. */

import { EventLog, type Queryable, StockLedger, Warehouses } from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { adjustment, codeOf, type OwnStock, ownStock } from './own-stock.js'

let database: OwnStock

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
})

afterAll(() => database.close())

describe('a warehouse', () => {
  test('that the company does not have takes no goods', async () => {
    const companyId = freshCompany()
    const own = new StockLedger({ pool: database.pool })
    await new Warehouses({ pool: database.pool }).define(companyId, [{ code: 'W1', name: '본사 창고' }])
    await own.adjust(adjustment(companyId, 'm1', 1_000n))
    const unknown = own.adjust(adjustment(companyId, 'm2', 1_000n, { warehouse: 'W9' }))
    await expect(unknown).rejects.toMatchObject({ code: 'MOVEMENT_INVALID', field: 'warehouse' })
    const transfer = { companyId, movementId: 'm3', item: 'A', from: 'W1', to: 'W9', quantity: 1n }
    expect(await codeOf(own.transfer(transfer))).toBe('MOVEMENT_INVALID')
    expect(await database.row(companyId)).toEqual([1_000n, 0n, 1])
    await own.close()
  })

  test('is listed by code, renamed by a second definition, and refused with a hostile name', async () => {
    const companyId = freshCompany()
    const warehouses = new Warehouses({ pool: database.pool })
    await warehouses.define(companyId, [
      { code: 'W2', name: 'two' },
      { code: 'W1', name: 'one' },
    ])
    await warehouses.define(companyId, [{ code: 'W2', name: 'deux' }])
    expect(await warehouses.list(companyId)).toEqual([
      { code: 'W1', name: 'one' },
      { code: 'W2', name: 'deux' },
    ])
    expect(await codeOf(warehouses.define(companyId, [{ code: 'W:3', name: 'x' }]))).toBe('MOVEMENT_INVALID')
    expect(await codeOf(warehouses.define(companyId, [{ code: 'W3', name: 'a\0b' }]))).toBe(
      'MOVEMENT_INVALID',
    )
  })

  test('that is added or renamed is told in the same transaction, and one that stays as it is is not', async () => {
    const companyId = freshCompany()
    const warehouses = new Warehouses({ pool: database.pool })
    const log = new EventLog({ pool: database.pool })
    const told = async (name: string, fails = false): Promise<number> => {
      const event = { companyId, type: 'events:notification', payload: { level: 'info', message: name } }
      const whenChanged = async (queryable: Queryable): Promise<void> => {
        await log.appendWithin(queryable, event)
        if (fails) throw new RangeError('undone')
      }
      await warehouses.define(companyId, [{ code: 'W1', name }], { whenChanged }).catch(() => undefined)
      while ((await log.advance({ limit: 1_000 })).isMore);
      return (await log.read({ companyId, after: '0', limit: 10 })).events.length
    }
    expect(await told('one', true)).toBe(0)
    expect(await warehouses.list(companyId)).toEqual([])
    expect([await told('one'), await told('one'), await told('eins')]).toEqual([1, 1, 2])
    expect(await warehouses.list(companyId)).toEqual([{ code: 'W1', name: 'eins' }])
  })
})
