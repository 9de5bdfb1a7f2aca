/** What bounds a ledger: the chart of accounts, its queue, its options, and the host's own type parsers. */

import { Accounts, Ledger } from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'
import { fieldsOf, rowOf } from './posted.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

describe('what the ledger refuses', () => {
  test('accounts outside the chart, and groups, by the table of accounts', async () => {
    const company = freshCompany()
    await new Accounts({ pool: database.pool }).define(company, [
      { code: '11', name: '유동자산' },
      { code: '1101', name: '현금', parent: '11' },
      { code: '4101', name: '매출' },
    ])
    const ledger = new Ledger({ pool: database.pool })
    await expect(ledger.post(twoLines(company, 'v1', 1n, { debit: '11' }))).rejects.toMatchObject({
      code: 'VOUCHER_INVALID',
      field: 'lines[0].account',
      expected: 'an account without accounts under it',
    })
    await expect(ledger.post(twoLines(company, 'v1', 1n, { credit: '4102' }))).rejects.toMatchObject({
      field: 'lines[1].account',
    })
    expect((await ledger.post(twoLines(company, 'v1', 1n))).replayed).toBe(false)
    await ledger.close()
  })

  test('calls beyond its queue, and all calls after it was closed', async () => {
    const company = freshCompany()
    const ledger = database.ledger({ queueMax: 2 })
    const [a, b, c] = await Promise.allSettled([1, 2, 3].map((n) => ledger.post(twoLines(company, `v${n}`))))
    expect([a?.status, b?.status]).toEqual(['fulfilled', 'fulfilled'])
    expect(c).toMatchObject({ status: 'rejected', reason: { code: 'OVERLOADED', retryable: true } })
    const last = ledger.post(twoLines(company, 'v4'))
    await Promise.resolve()
    await ledger.close()
    expect((await last).replayed).toBe(false)
    await expect(ledger.post(twoLines(company, 'v5'))).rejects.toMatchObject({ code: 'CLOSED' })
    expect(await rowOf(database, company, '1101')).toBe('3 3000 0')
  })

  test.each<[string, object]>([
    ['queueMax', { queueMax: 0 }],
    ['batchMax', { batchMax: 1.5 }],
    ['deadlineMs', { deadlineMs: -1 }],
    ['schema', { schema: 'Kerp"; DROP' }],
    ['prepare', { prepare: 'maybe' }],
  ])('a wrong option %s', (option, options) => {
    expect(() => new Ledger({ pool: database.pool, ...options })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option }),
    )
  })
})

test('a host that parses numbers its own way changes nothing', async () => {
  const company = freshCompany()
  const { default: pg } = await import('pg')
  const numbers = new pg.Pool({
    connectionString: database.url,
    max: 3,
    types: {
      getTypeParser: (oid: number) => (text: string) => (oid === 25 ? text : Number.parseFloat(text)),
    },
  })
  const ledger = database.ledger({ pool: numbers })
  await ledger.post(twoLines(company, 'v1', 2n ** 53n + 1n))
  const again = await ledger.post(twoLines(company, 'v1', 2n ** 53n + 1n))
  expect(fieldsOf(again, '1101')).toEqual([1, '9007199254740993', '0'])
  expect((await ledger.audit(company)).ok).toBe(true)
  await ledger.close()
  await numbers.end()
})
