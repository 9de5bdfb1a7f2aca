import { ReadThrough } from '@kerp/cache'
import { createKeys } from '@kerp/keys'
import { EventLog, Outbox } from '@kerp/postgres'
import { mockRedis } from '@kerp/redis/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { MasterData } from '../../examples/erp/src/master-data.js'
import { freshDatabase } from './erp-database.js'
import { type CompanyClient, type ErpProcess, fieldOf, startErp } from './erp-process.js'

const PATIENCE = { timeout: 20_000, interval: 50 }

let erp: ErpProcess
let c1: CompanyClient
let pool: pg.Pool
/** As another service has it: its cache is its own, so nothing but the event reaches the app. */
let elsewhere: MasterData
beforeAll(async () => {
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await startErp({ DATABASE_URL: databaseUrl })
  c1 = await erp.as('c1')
  pool = new pg.Pool({ connectionString: databaseUrl })
  const cache = new ReadThrough({ redis: mockRedis(), keys: createKeys() })
  elsewhere = new MasterData({ pool, cache, events: new EventLog({ pool }), outbox: new Outbox({ pool }) })
})
afterAll(async () => {
  await erp.stop()
  await pool.end()
})

async function told(): Promise<readonly unknown[]> {
  const { body } = await c1.get('/events?after=0')
  const events = fieldOf(body, 'events') as readonly unknown[]
  return events.flatMap((event) => fieldOf(event, 'payload', 'changed') ?? [])
}

describe('Master data', () => {
  it('is not told when it is defined for the first time', async () => {
    expect(await told()).toEqual([])
  })

  it('is read through the cache, and anew once another service has changed it', async () => {
    const warehouses = async (): Promise<readonly unknown[]> => {
      const { body } = await c1.get('/stock?item=paper')
      return (fieldOf(body, 'stock') as readonly unknown[]).map((level) => fieldOf(level, 'warehouse'))
    }
    const store = (movementId: string, warehouse: string) =>
      c1.post('/stock/adjust', { movementId, item: 'paper', warehouse, quantity: '5' })
    expect((await store('m1', 'W2')).status).toBe(200)
    expect(await warehouses()).toEqual(['W2'])
    expect((await store('m2', 'W4')).status).toBe(422)
    await elsewhere.defineWarehouses('c1', [{ code: 'W4', name: '새 창고' }])
    expect((await store('m3', 'W4')).status).toBe(200)
    await expect.poll(warehouses, PATIENCE).toEqual(['W2', 'W4'])
    expect(await told()).toEqual(['warehouses'])
    // Reads beyond the one that loaded it anew.
    const metrics = async (): Promise<string> => {
      await warehouses()
      return (await erp.send('/metrics')).text
    }
    await expect
      .poll(metrics, PATIENCE)
      .toMatch(/cache_requests_total\{type="master_data",result="hit"\} [1-9]/)
  })

  it('shows a renamed account, and tells of it once', async () => {
    const name = async (): Promise<unknown> => {
      const { body } = await c1.get('/trial-balance?fiscalYear=2026')
      const rows = fieldOf(body, 'balances') as readonly unknown[]
      return fieldOf(
        rows.find((row) => fieldOf(row, 'account') === '11010'),
        'nameKo',
      )
    }
    const before = await name()
    const renamed = { code: '11010', name: '금고의 현금', parent: '11000' }
    await elsewhere.defineAccounts('c1', [renamed])
    await elsewhere.defineAccounts('c1', [renamed])
    await expect.poll(name, PATIENCE).toBe('금고의 현금')
    expect(before).not.toBe('금고의 현금')
    expect(await told()).toEqual(['warehouses', 'accounts'])
  })
})
