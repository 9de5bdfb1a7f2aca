/** Moving stock when the database misbehaves: nobody hears "done" that is not, nothing moves twice, all hear in time. */

import { recordingObserver } from '@kerp/core/testing'
import type { Statement, StockLedger } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { FaultyPool, serverError } from './faulty-pool.js'
import { adjustment, codeOf, imagesOf, type OwnStock, ownStock, stocked } from './own-stock.js'

let database: OwnStock
let good: StockLedger

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
  good = database.stock()
})

afterAll(() => database.close())

/** Makes the first `times` statements that match fail, or vanish after they were run. */
function failing(
  matches: (statement: Statement) => boolean,
  fault: (run: () => Promise<unknown>) => Promise<never>,
  times = 1,
): FaultyPool {
  const pool = new FaultyPool(database.pool)
  let left = times
  pool.intercept = (statement, run) => {
    if (left === 0 || !matches(statement)) return run()
    left -= 1
    return fault(run)
  }
  return pool
}

const isCommit = ({ text }: Statement): boolean => text === 'COMMIT'
const isWrite = ({ text }: Statement): boolean => text.includes('stock_movement (')

test('a COMMIT that answers ROLLBACK is not done: it is done again, once', async () => {
  const companyId = await stocked(good, 10_000n)
  const pool = new FaultyPool(database.pool)
  let left = 1
  pool.intercept = async (statement, run) => {
    if (!isCommit(statement) || left === 0) return run()
    left -= 1
    await run({ text: 'SELECT 1 / 0' }).catch(() => undefined)
    return run()
  }
  const stock = database.stock({ pool })
  const moved = await stock.adjust(adjustment(companyId, 'm1', -1_000n))
  expect(left).toBe(0)
  expect(moved.replayed).toBe(false)
  expect(await database.row(companyId)).toEqual([9_000n, 0n, 2])
})

test('an answer to COMMIT that is lost is resolved by the same id, with the figures of the first time', async () => {
  const companyId = await stocked(good, 10_000n)
  const pool = failing(isCommit, async (run) => {
    await run()
    throw Object.assign(new Error('connection lost'), { code: 'ECONNRESET' })
  })
  const stock = database.stock({ pool })
  const moved = await stock.adjust(adjustment(companyId, 'm1', -10_000n))
  expect(moved.replayed).toBe(false)
  expect(imagesOf(moved)).toEqual([['A', 'W1', '0', '0', 2]])
  expect(await database.row(companyId)).toEqual([0n, 0n, 2])
})

test('when nobody knows until the deadline, the caller hears that, and learns it with the same id later', async () => {
  const companyId = await stocked(good, 10_000n)
  const pool = failing(isCommit, async (run) => {
    await run()
    pool.intercept = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNRESET' }))
    throw Object.assign(new Error('gone'), { code: 'ECONNRESET' })
  })
  const stock = database.stock({ pool, deadlineMs: 300 })
  const out = adjustment(companyId, 'm1', -10_000n)
  await expect(stock.adjust(out)).rejects.toMatchObject({ code: 'MOVEMENT_UNKNOWN', retryable: true })
  expect(await good.adjust(out)).toMatchObject({ replayed: true })
})

test('a refusal that was judged in a transaction which was not committed is judged again', async () => {
  const companyId = await stocked(good, 1_000n)
  const pool = failing(isCommit, () => Promise.reject(serverError('40001')))
  const stock = database.stock({ pool })
  const [first, second] = await Promise.all([
    codeOf(stock.adjust(adjustment(companyId, 'm1', -1_000n))),
    codeOf(stock.adjust(adjustment(companyId, 'm2', -1_000n))),
  ])
  expect([first, second]).toEqual(['resolved', 'INSUFFICIENT_STOCK'])
  expect(await database.row(companyId)).toEqual([0n, 0n, 2])
})

test.each(['40P01', '40001'])('a deadlock or serialization failure (%s) is tried again', async (state) => {
  const companyId = await stocked(good, 1_000n)
  const observer = recordingObserver()
  const pool = failing(isWrite, () => Promise.reject(serverError(state)), 3)
  const stock = database.stock({ pool, observer })
  expect(await codeOf(stock.adjust(adjustment(companyId, 'm1', -1_000n)))).toBe('resolved')
  expect(observer.of('stockBatch').map(({ result }) => result)).toEqual([
    'retried',
    'retried',
    'retried',
    'committed',
  ])
})

test('a row that somebody holds for long keeps only its own movements waiting', async () => {
  const companyId = await stocked(good, 10_000n)
  const stock = database.stock({ lockTimeoutMs: 60, deadlineMs: 5_000 })
  await stock.adjust(adjustment(companyId, 'b', 10_000n, { item: 'B' }))
  await stock.reserve({
    companyId,
    reservationId: 'free',
    lines: [{ item: 'B', warehouse: 'W1', quantity: 1n }],
    ttlMs: 60_000,
  })
  const holder = await database.pool.connect()
  await holder.query('BEGIN')
  await holder.query(`SELECT 1 FROM kerp.stock WHERE company = $1 AND item = 'A' FOR UPDATE`, [companyId])
  let isHeldDone = false
  const held = stock.adjust(adjustment(companyId, 'held', -1n)).then(() => (isHeldDone = true))
  await Promise.all([
    stock.confirm({ companyId, reservationId: 'free' }),
    ...Array.from({ length: 20 }, (_, n) => stock.adjust(adjustment(companyId, `f${n}`, -1n, { item: 'B' }))),
  ])
  expect(isHeldDone).toBe(false)
  await holder.query('COMMIT')
  holder.release()
  await held
  expect(await stock.audit(companyId)).toMatchObject({ ok: true, onHand: 19_978n })
})

test('a database that cannot be reached is said within the time of an outage, and nothing was done', async () => {
  const companyId = await stocked(good, 10_000n)
  const pool = new FaultyPool(database.pool)
  pool.intercept = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }))
  const stock = database.stock({ pool, outageMs: 50 })
  const out = stock.adjust(adjustment(companyId, 'm1', -1n))
  await expect(out).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
  expect(await database.row(companyId)).toEqual([10_000n, 0n, 1])
})

test('a full queue refuses more, and a closed one everything, after it has answered all', async () => {
  const companyId = await stocked(good, 10_000n)
  const stock = database.stock({ queueMax: 3 })
  const calls = Array.from({ length: 5 }, (_, n) => codeOf(stock.adjust(adjustment(companyId, `m${n}`, -1n))))
  await new Promise((resolve) => setImmediate(resolve))
  const closing = stock.close()
  expect(await Promise.all(calls)).toEqual(['resolved', 'resolved', 'resolved', 'OVERLOADED', 'OVERLOADED'])
  await closing
  expect(await codeOf(stock.adjust(adjustment(companyId, 'late', -1n)))).toBe('CLOSED')
})

test('a batch in which nothing was accepted writes nothing and waits for no disk', async () => {
  const companyId = await stocked(good, 1_000n)
  const texts: string[] = []
  const pool = new FaultyPool(database.pool)
  pool.intercept = (statement, run) => {
    texts.push(statement.text)
    return run()
  }
  const stock = database.stock({ pool })
  expect(await codeOf(stock.adjust(adjustment(companyId, 'm1', -2_000n)))).toBe('INSUFFICIENT_STOCK')
  expect(texts.at(-1)).toBe('ROLLBACK')
  expect(texts.some((text) => text === 'COMMIT' || text.includes('stock_movement ('))).toBe(false)
})

test('observers hear every movement once, with how it ended', async () => {
  const observer = recordingObserver()
  const stock = database.stock({ observer })
  const companyId = await stocked(stock, 1_000n)
  await codeOf(stock.adjust(adjustment(companyId, 'm1', -2_000n)))
  await codeOf(stock.adjust(adjustment(companyId, 'opening', 2_000n)))
  await stock.adjust(adjustment(companyId, 'opening', 1_000n))
  await codeOf(stock.confirm({ companyId, reservationId: 'none' }))
  expect(observer.of('stockMove').map(({ kind, result }) => `${String(kind)} ${String(result)}`)).toEqual([
    'adjust done',
    'adjust insufficient',
    'adjust conflict',
    'adjust replayed',
    'confirm settled',
  ])
  expect(new Set(observer.of('step').map(({ name }) => name))).toEqual(
    new Set([
      'stock.queued',
      'stock.begun',
      'stock.rowsLocked',
      'stock.judged',
      'stock.written',
      'stock.committing',
      'stock.committed',
    ]),
  )
})
