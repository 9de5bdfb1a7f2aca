/** Writes in a database whose host has its own settings, rules and triggers: durable, done as a whole, or refused. */

import {
  Accounts,
  anyAccount,
  anyWarehouse,
  ChunkLedger,
  type DatabasePool,
  effectOnce,
  EventLog,
  Ledger,
  Outbox,
  type Queryable,
  raiseFence,
  StockLedger,
  Warehouses,
} from '@kerp/postgres'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { FaultyPool } from './faulty-pool.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

/** Every call that answers only after its write is kept, once. */
async function everyWrite(pool: DatabasePool): Promise<void> {
  const companyId = freshCompany()
  const ledger = new Ledger({ pool, accounts: anyAccount })
  const stock = new StockLedger({ pool, warehouses: anyWarehouse })
  const log = new EventLog({ pool })
  const outbox = new Outbox({ pool })
  await new Accounts({ pool }).define(companyId, [{ code: '1101', name: 'Cash' }])
  await new Warehouses({ pool }).define(companyId, [{ code: 'W1', name: 'Seoul' }])
  await ledger.post(twoLines(companyId, 'v1'))
  await ledger.reverse(companyId, 'v1', { id: 'r1' })
  await ledger.approve(companyId, 'v1')
  const goods = { companyId, item: 'A', warehouse: 'W1' }
  await stock.adjust({ ...goods, movementId: 'm1', quantity: 5n })
  await stock.reserve({ companyId, reservationId: 'h1', ttlMs: 60_000, lines: [{ ...goods, quantity: 2n }] })
  await stock.confirm({ companyId, reservationId: 'h1' })
  await log.append({ companyId, type: 'events:notification', payload: {} })
  await log.advance({ limit: 100 })
  await log.reached('reader', [{ companyId, position: '1' }])
  await log.forgetSink('reader')
  await log.trim({ olderThanMs: 0 })
  await outbox.invalidateAll(companyId)
  await outbox.trim({ olderThanMs: 0 })
  await runBatch(new ChunkLedger({ pool }), companyId)
  await Promise.all([ledger.close(), stock.close()])
}

async function runBatch(chunks: ChunkLedger, companyId: string): Promise<void> {
  const ref = { companyId, runId: 'r1' }
  const limits = { chunkItems: 2, failuresMax: 9, stopAfterFailures: 9 }
  await chunks.open({ ...ref, batch: 'payroll', params: '{}', ...limits })
  expect(await chunks.plan(ref, { after: undefined, itemIds: ['a', 'b', 'c'], isLast: true })).toBe('planned')
  const chunk = await chunks.claim(ref, { leaseMs: 60_000 })
  if (chunk === undefined) expect.unreachable('a chunk is free')
  expect(await chunks.extend([chunk], 60_000)).toHaveLength(1)
  await chunks.release([chunk])
  const failed = chunk.itemIds.map((itemId) => ({ itemId, code: 'NO', message: 'no' }))
  expect(await chunks.commit(chunk, { done: [], failed }, () => Promise.resolve())).toBe('committed')
  await chunks.cancel(ref)
  await chunks.resume(ref, { retryFailed: true })
  await chunks.fail(ref, 'ENOUGH')
}

/** What a host writes in its own transaction with the help of this library. */
function withinHost(companyId: string): readonly ((tx: Queryable) => Promise<unknown>)[] {
  const [log, outbox] = [new EventLog({ pool: database.pool }), new Outbox({ pool: database.pool })]
  const stock = new StockLedger({ pool: database.pool, warehouses: anyWarehouse })
  const table = 'kerp.stock'
  const key = { company: companyId, item: 'A', warehouse: 'W1' }
  return [
    (tx) => log.appendWithin(tx, { companyId, type: 'events:notification', payload: {} }),
    (tx) => outbox.invalidateWithin(tx, { companyId }),
    (tx) => effectOnce(tx, { group: 'g', companyId, eventId: '1' }, () => Promise.resolve()),
    (tx) => stock.raiseFence(tx, { companyId, item: 'A', warehouse: 'W1' }, '7'),
    (tx) => raiseFence(tx, { table, key, fence: '8' }),
  ]
}

describe('a role with synchronous_commit off', () => {
  const options = '-c synchronous_commit=off'

  test('does not reach any write that is acknowledged', async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 6, options })
    const faulty = new FaultyPool(pool)
    const commits: unknown[] = []
    const alone: string[] = []
    let open = 0
    faulty.intercept = async (statement, run) => {
      if (statement.text.startsWith('BEGIN')) open += 1
      else if (open === 0 && /\b(?:INSERT|UPDATE|DELETE)\b/.test(statement.text)) alone.push(statement.text)
      if (statement.text !== 'COMMIT') return run()
      open -= 1
      commits.push((await run({ text: 'SHOW synchronous_commit' })).rows[0])
      return run()
    }
    await everyWrite(faulty)
    await pool.end()
    expect(alone).toEqual([])
    expect(commits.length).toBeGreaterThan(20)
    expect(commits).toEqual(commits.map(() => ({ synchronous_commit: 'on' })))
  })

  test('does not reach a transaction of the host in which this library wrote something', async () => {
    const companyId = freshCompany()
    const client = new pg.Client({ connectionString: database.url, options })
    await client.connect()
    const found: unknown[] = []
    for (const write of withinHost(companyId)) {
      await client.query('BEGIN')
      await write(client)
      found.push((await client.query('SHOW synchronous_commit')).rows[0])
      await client.query('COMMIT')
    }
    await client.end()
    expect(found).toEqual(Array.from({ length: 5 }, () => ({ synchronous_commit: 'on' })))
  })
})

test('a role whose transactions only read by default can do everything', async () => {
  const options = '-c default_transaction_read_only=on'
  const pool = new pg.Pool({ connectionString: database.url, max: 6, options })
  await everyWrite(pool)
  await pool.end()
})

describe('where a trigger of the host drops rows', () => {
  async function dropping<T>(table: string, companyId: string, work: () => Promise<T>): Promise<T> {
    await database.pool.query(`
CREATE FUNCTION public.drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER drop_row BEFORE INSERT ON kerp.${table} FOR EACH ROW WHEN (NEW.company = '${companyId}')
EXECUTE FUNCTION public.drop_row()`)
    try {
      return await work()
    } finally {
      await database.pool.query('DROP FUNCTION public.drop_row() CASCADE')
    }
  }

  test('of the outbox, an approval, an event and an invalidation are refused, and nothing of them is kept', async () => {
    const companyId = freshCompany()
    const { pool } = database
    const ledger = database.ledger()
    const [log, outbox] = [new EventLog({ pool }), new Outbox({ pool })]
    const event = { companyId, type: 'events:notification', payload: {} }
    await ledger.post(twoLines(companyId, 'v1'))
    await dropping('outbox', companyId, async () => {
      for (const call of [
        () => ledger.approve(companyId, 'v1'),
        () => log.append(event),
        () => log.appendWithin(pool, event),
        () => outbox.invalidateAll(companyId),
        () => outbox.invalidateWithin(pool, { companyId }),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'DATABASE_UNSUITABLE', retryable: false })
      }
    })
    expect((await ledger.voucher(companyId, 'v1')).state).toBe('posted')
    expect((await ledger.approve(companyId, 'v1')).changed).toBe(true)
  })

  test('of the chunks, the planning of a run is refused, and its cursor stays', async () => {
    const ref = { companyId: freshCompany(), runId: 'r1' }
    const chunks = new ChunkLedger({ pool: database.pool })
    const limits = { chunkItems: 2, failuresMax: 0, stopAfterFailures: 0 }
    await chunks.open({ ...ref, batch: 'payroll', params: '{}', ...limits })
    const plan = { after: undefined, itemIds: ['a', 'b', 'c'], isLast: true }
    await dropping('batch_chunk', ref.companyId, async () => {
      await expect(chunks.plan(ref, plan)).rejects.toMatchObject({ code: 'DATABASE_UNSUITABLE' })
    })
    expect(await chunks.read(ref)).toMatchObject({ items: 0, chunks: 0, cursor: undefined })
    expect(await chunks.plan(ref, plan)).toBe('planned')
  })
})
