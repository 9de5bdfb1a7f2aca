/** Fences: what a late holder of a lock tries to write is refused by the row, whenever it comes. */

import { FencedError } from '@kerp/core'
import { raiseFence, type StockLedger } from '@kerp/postgres'
import type { PoolClient } from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { adjustment, codeOf, imagesOf, type OwnStock, ownStock, stocked } from './own-stock.js'

let database: OwnStock
let stock: StockLedger

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
  stock = database.stock()
  await database.pool.query(
    'CREATE TABLE task (id text PRIMARY KEY, state text, fence bigint NOT NULL DEFAULT 0)',
  )
})

afterAll(() => database.close())

async function inTransaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await database.pool.connect()
  try {
    await client.query('BEGIN')
    const answer = await work(client)
    await client.query('COMMIT')
    return answer
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

test('a movement under a lower fence than the row has seen is refused, one under the same or a higher one is done', async () => {
  const companyId = await stocked(stock, 10_000n)
  await stock.adjust(adjustment(companyId, 'm12', -1_000n, { fence: '12' }))
  const late = stock.adjust(adjustment(companyId, 'm11', -1_000n, { fence: '11' }))
  await expect(late).rejects.toMatchObject({ code: 'FENCED', fence: '11', rowFence: '12' })
  await stock.adjust(adjustment(companyId, 'm12b', -1_000n, { fence: '12' }))
  await stock.adjust(adjustment(companyId, 'm13', -1_000n, { fence: '13' }))
  expect(await database.row(companyId)).toEqual([7_000n, 0n, 4])
})

test('a movement that was done is answered again whatever fence the retry shows', async () => {
  const companyId = await stocked(stock, 10_000n)
  const first = await stock.adjust(adjustment(companyId, 'm1', -1_000n, { fence: '11' }))
  await stock.adjust(adjustment(companyId, 'm2', -1_000n, { fence: '12' }))
  const again = await stock.adjust(adjustment(companyId, 'm1', -1_000n, { fence: '11' }))
  expect(again).toEqual({ ...first, replayed: true })
})

test('movements without a fence pass by: they need no lock', async () => {
  const companyId = await stocked(stock, 10_000n)
  await stock.adjust(adjustment(companyId, 'm1', -1_000n, { fence: '12' }))
  expect(await codeOf(stock.adjust(adjustment(companyId, 'm2', -1_000n)))).toBe('resolved')
})

test('of two holders in one batch the later one is judged last, whichever call came first', async () => {
  const companyId = await stocked(stock, 10_000n)
  const [high, low] = await Promise.all([
    stock.adjust(adjustment(companyId, 'high', -1_000n, { fence: '12' })),
    stock.adjust(adjustment(companyId, 'low', -1_000n, { fence: '11' })),
  ])
  expect([imagesOf(low)[0]?.[4], imagesOf(high)[0]?.[4]]).toEqual([2, 3])
})

test('a transfer and a reservation are refused when one of their rows has seen a higher fence', async () => {
  const companyId = await stocked(stock, 10_000n)
  await stock.adjust(adjustment(companyId, 'b', 1_000n, { warehouse: 'W2', fence: '20' }))
  const transfer = { companyId, movementId: 't', item: 'A', from: 'W1', to: 'W2', quantity: 1n, fence: '19' }
  expect(await codeOf(stock.transfer(transfer))).toBe('FENCED')
  const lines = ['W1', 'W2'].map((warehouse) => ({ item: 'A', warehouse, quantity: 1n }))
  const reserve = { companyId, reservationId: 'r', lines, ttlMs: 1_000, fence: '19' }
  expect(await codeOf(stock.reserve(reserve))).toBe('FENCED')
  expect(await database.row(companyId, 'A', 'W1')).toEqual([10_000n, 0n, 1])
})

test('a late holder cannot write between the new holder’s first look and its write', async () => {
  const companyId = await stocked(stock, 10_000n)
  const ref = { companyId, item: 'A', warehouse: 'W1' }
  const late = await inTransaction(async (client) => {
    const seen = await stock.raiseFence(client, ref, '12')
    // The late holder, who never touched the row, writes now: it waits for the row, and is refused.
    const writing = codeOf(stock.adjust(adjustment(companyId, 'late', -9_000n, { fence: '11' })))
    await client.query('SELECT pg_sleep(0.1)')
    expect(seen).toEqual({ onHand: 10_000n, reserved: 0n, version: 1 })
    const taken = adjustment(companyId, 'new', -seen.onHand, { fence: '12' })
    expect(imagesOf(await stock.adjustWithin(client, taken))).toEqual([['A', 'W1', '0', '0', 2]])
    return { writing }
  })
  expect(await late.writing).toBe('FENCED')
  expect(await database.row(companyId)).toEqual([0n, 0n, 2])
})

test('a fence that was raised in one transaction keeps a late holder out of the next one', async () => {
  const companyId = await stocked(stock, 10_000n)
  const ref = { companyId, item: 'A', warehouse: 'W1' }
  await inTransaction((client) => stock.raiseFence(client, ref, '12'))
  await expect(inTransaction((client) => stock.raiseFence(client, ref, '11'))).rejects.toThrow(FencedError)
  expect(await codeOf(stock.adjust(adjustment(companyId, 'late', -1n, { fence: '11' })))).toBe('FENCED')
  expect(await database.row(companyId)).toEqual([10_000n, 0n, 1])
})

test('a row of stock that was never written keeps a fence, too', async () => {
  const companyId = await stocked(stock, 1n)
  const ref = { companyId, item: 'new', warehouse: 'W1' }
  const seen = await inTransaction((client) => stock.raiseFence(client, ref, '7'))
  expect(seen).toEqual({ onHand: 0n, reserved: 0n, version: 0 })
  const late = adjustment(companyId, 'late', 1n, { item: 'new', fence: '6' })
  expect(await codeOf(stock.adjust(late))).toBe('FENCED')
})

test('a row of the caller’s own table is locked, read and kept from late holders by one statement', async () => {
  await database.pool.query(`INSERT INTO task (id, state) VALUES ('t1', 'open')`)
  const row = { table: 'task', key: { id: 't1' }, returning: ['state'] }
  const seen = await inTransaction(async (client) => {
    const found = await raiseFence(client, { ...row, fence: '12' })
    await client.query(`UPDATE task SET state = 'done' WHERE id = 't1'`)
    return found
  })
  expect(seen).toEqual({ state: 'open' })
  const late = inTransaction((client) => raiseFence(client, { ...row, fence: '11' }))
  await expect(late).rejects.toMatchObject({ code: 'FENCED', fence: '11', rowFence: '12' })
  const missing = inTransaction((client) => raiseFence(client, { ...row, key: { id: 't2' }, fence: '12' }))
  expect(await codeOf(missing)).toBe('FENCED_ROW_MISSING')
})

test('a name or fence that could be SQL is refused before any', async () => {
  const client = { query: () => Promise.reject(new TypeError('no SQL')) }
  const row = { table: 'task', key: { id: 't1' }, fence: '12' }
  expect(await codeOf(raiseFence(client, { ...row, table: 'task; DROP TABLE task' }))).toBe('INVALID_INPUT')
  expect(await codeOf(raiseFence(client, { ...row, key: { 'id = 1 OR id': 'x' } }))).toBe('INVALID_INPUT')
  expect(await codeOf(raiseFence(client, { ...row, key: {} }))).toBe('INVALID_INPUT')
  expect(await codeOf(raiseFence(client, { ...row, fence: '1e3' }))).toBe('INVALID_INPUT')
  expect(await codeOf(raiseFence(client, { ...row, returning: ['*'] }))).toBe('INVALID_INPUT')
})

test('movements in the host’s transaction take effect with it, or not at all', async () => {
  const companyId = await stocked(stock, 10_000n)
  const given = new TypeError('the host gives up')
  await expect(
    inTransaction(async (client) => {
      await stock.adjustWithin(client, adjustment(companyId, 'm1', -4_000n))
      throw given
    }),
  ).rejects.toBe(given)
  expect(await database.row(companyId)).toEqual([10_000n, 0n, 1])
  const [moved, held, confirmed] = await inTransaction(async (client) => [
    await stock.transferWithin(client, {
      companyId,
      movementId: 't',
      item: 'A',
      from: 'W1',
      to: 'W2',
      quantity: 4_000n,
    }),
    await stock.reserveWithin(client, {
      companyId,
      reservationId: 'r',
      lines: [{ item: 'A', warehouse: 'W2', quantity: 3_000n }],
      ttlMs: 60_000,
    }),
    await stock.confirmWithin(client, { companyId, reservationId: 'r' }),
  ])
  expect([moved, held, confirmed].map((answer) => imagesOf(answer).at(-1))).toEqual([
    ['A', 'W2', '4000', '0', 1],
    ['A', 'W2', '4000', '3000', 2],
    ['A', 'W2', '1000', '0', 3],
  ])
  expect(await stock.audit(companyId)).toMatchObject({ ok: true, onHand: 7_000n })
})

test('a movement within needs an open transaction, and says so before it writes', async () => {
  const companyId = await stocked(stock, 10_000n)
  const alone = stock.adjustWithin(database.pool, adjustment(companyId, 'm1', -1n))
  expect(await codeOf(alone)).toBe('TRANSACTION_REQUIRED')
  expect(await database.row(companyId)).toEqual([10_000n, 0n, 1])
})
