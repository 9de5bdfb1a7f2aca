/** Whoever's call did the work is never told that it was done before, whatever had to be repeated inside. */

import { anyAccount, anyWarehouse, ChunkLedger, type DatabasePool, Ledger, StockLedger } from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { FaultyPool, serverError } from './faulty-pool.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

/** The answer to the next statement of this text is lost, after it was done. */
function losing(text: string): FaultyPool {
  const pool = new FaultyPool(database.pool)
  let left = 1
  pool.intercept = async (statement, run) => {
    if (left === 0 || !statement.text.includes(text)) return run()
    left -= 1
    await run()
    throw Object.assign(new Error('connection lost'), { code: 'ECONNRESET' })
  }
  return pool
}

const openLedger = (pool: DatabasePool): Ledger => new Ledger({ pool, accounts: anyAccount })
const openStock = (pool: DatabasePool): StockLedger => new StockLedger({ pool, warehouses: anyWarehouse })

describe('after a COMMIT whose answer was lost, its own caller hears of', () => {
  const place = { item: 'A', warehouse: 'W' }

  test('a voucher, and of one that reverses it, as posted by this call; another call as posted before', async () => {
    const companyId = freshCompany()
    const voucher = twoLines(companyId, 'v1')
    expect(await openLedger(losing('COMMIT')).post(voucher)).toMatchObject({ replayed: false })
    expect(await openLedger(losing('COMMIT')).post(voucher)).toMatchObject({ replayed: true })
    const reversing = openLedger(losing('COMMIT'))
    expect(await reversing.reverse(companyId, 'v1', { id: 'r1' })).toMatchObject({ replayed: false })
    expect(await reversing.reverse(companyId, 'v1', { id: 'r1' })).toMatchObject({ replayed: true })
  })

  test('a hundred vouchers of one batch, of which the first ten were posted before', async () => {
    const companyId = freshCompany()
    const early = openLedger(database.pool)
    await Promise.all(Array.from({ length: 10 }, (_, n) => early.post(twoLines(companyId, `v${n}`))))
    const ledger = openLedger(losing('COMMIT'))
    const posted = await Promise.all(
      Array.from({ length: 100 }, (_, n) => ledger.post(twoLines(companyId, `v${n}`))),
    )
    expect(posted.map(({ replayed }) => replayed)).toEqual(posted.map((_, n) => n < 10))
  })

  test('goods as moved, reserved, confirmed, cancelled and expired by this call', async () => {
    const companyId = freshCompany()
    const hold = (reservationId: string, ttlMs = 60_000) => ({
      companyId,
      reservationId,
      ttlMs,
      lines: [{ ...place, quantity: 1_000n }],
    })
    const next = (): StockLedger => openStock(losing('COMMIT'))
    const move = { companyId, movementId: 'm1', ...place, quantity: 9_000n }
    expect(await next().adjust(move)).toMatchObject({ replayed: false })
    expect(await next().adjust(move)).toMatchObject({ replayed: true })
    for (const id of ['r1', 'r2']) expect(await next().reserve(hold(id))).toMatchObject({ replayed: false })
    const [one, two] = [
      { companyId, reservationId: 'r1' },
      { companyId, reservationId: 'r2' },
    ]
    expect(await next().confirm(one)).toMatchObject({ replayed: false, state: 'confirmed' })
    expect(await next().confirm(one)).toMatchObject({ replayed: true, state: 'confirmed' })
    expect(await next().cancel(two)).toMatchObject({ replayed: false, state: 'cancelled' })
    await openStock(database.pool).reserve(hold('r3', 1))
    await expect
      .poll(async () =>
        (await next().expire({ limit: 10 })).expired.map(({ reservationId }) => reservationId),
      )
      .toEqual(['r3'])
  })

  test('an approval as its own', async () => {
    const companyId = freshCompany()
    const ledger = openLedger(losing('COMMIT'))
    await openLedger(database.pool).post(twoLines(companyId, 'v1'))
    expect(await ledger.approve(companyId, 'v1')).toMatchObject({ changed: true })
    expect(await ledger.approve(companyId, 'v1')).toMatchObject({ changed: false })
  })

  test('a run of a batch as opened by this call', async () => {
    const opening = {
      companyId: freshCompany(),
      runId: 'payroll',
      batch: 'pay',
      params: '{}',
      chunkItems: 10,
      failuresMax: 0,
      stopAfterFailures: 10,
    }
    const lost = new ChunkLedger({ pool: losing('INSERT INTO kerp.batch_run') })
    expect(await lost.open(opening)).toMatchObject({ isNew: true })
    const lostCommit = new ChunkLedger({ pool: losing('COMMIT') })
    expect(await lostCommit.open({ ...opening, runId: 'bonus' })).toMatchObject({ isNew: true })
    expect(await lostCommit.open({ ...opening, runId: 'bonus' })).toMatchObject({ isNew: false })
  })
})

test('a voucher that another process posts after our COMMIT was lost on its way is told as posted before', async () => {
  const companyId = freshCompany()
  const voucher = twoLines(companyId, 'v1')
  const pool = new FaultyPool(database.pool)
  let left = 1
  pool.intercept = async (statement, run) => {
    if (statement.text !== 'COMMIT' || left === 0) return run()
    left -= 1
    await run({ text: 'ROLLBACK' })
    expect(await openLedger(database.pool).post(voucher)).toMatchObject({ replayed: false })
    throw Object.assign(new Error('connection lost'), { code: 'ECONNRESET' })
  }
  expect(await openLedger(pool).post(voucher)).toMatchObject({ replayed: true })
})

test('a batch that is halved after a lost COMMIT still tells each caller the truth', async () => {
  const companyId = freshCompany()
  const pool = new FaultyPool(database.pool)
  let commits = 0
  let refusals = 1
  pool.intercept = async (statement, run) => {
    if (statement.text === 'COMMIT' && commits === 0) {
      commits += 1
      await run()
      throw Object.assign(new Error('connection lost'), { code: 'ECONNRESET' })
    }
    if (commits === 1 && refusals > 0 && statement.name?.endsWith('readPosted') === true) {
      refusals -= 1
      throw serverError('23514')
    }
    return run()
  }
  const ledger = openLedger(pool)
  const posted = await Promise.all(
    Array.from({ length: 8 }, (_, n) => ledger.post(twoLines(companyId, `v${n}`))),
  )
  expect(refusals).toBe(0)
  expect(posted.map(({ replayed }) => replayed)).toEqual(posted.map(() => false))
})
