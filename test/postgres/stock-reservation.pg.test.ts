/** Reservations: all lines or none, one end, by the database's clock. */

import type { StockReservation } from '@kerp/core'
import { byBytes } from '@kerp/core/testing'
import type { StockLedger } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { FaultyPool } from './faulty-pool.js'
import { adjustment, codeOf, imagesOf, type OwnStock, ownStock, stocked } from './own-stock.js'

let database: OwnStock
let stock: StockLedger

beforeAll(async () => {
  database = await ownStock(inject('databaseUrl'))
  stock = database.stock()
})

afterAll(() => database.close())

function reservation(companyId: string, reservationId: string, ...quantities: bigint[]): StockReservation {
  const lines = quantities.map((quantity) => ({ item: 'A', warehouse: 'W1', quantity }))
  return { companyId, reservationId, lines, ttlMs: 600_000 }
}

/** Moves the end of a reservation into the past, as time would. */
async function letExpire(companyId: string, reservationId: string): Promise<void> {
  await database.pool.query(
    `UPDATE kerp.reservation SET expires_at = clock_timestamp() - interval '1 ms' WHERE company = $1 AND id = $2`,
    [companyId, reservationId],
  )
}

test('a reservation keeps goods that nobody else can take, and confirming it takes them', async () => {
  const companyId = await stocked(stock, 10_000n)
  const held = await stock.reserve(reservation(companyId, 'r1', 7_000n))
  expect(held).toMatchObject({ state: 'held', replayed: false })
  expect(imagesOf(held)).toEqual([['A', 'W1', '10000', '7000', 2]])
  const short = stock.adjust(adjustment(companyId, 'out', -3_001n))
  await expect(short).rejects.toMatchObject({
    code: 'INSUFFICIENT_STOCK',
    shortages: [{ available: 3_000n, onHand: 10_000n, reserved: 7_000n }],
  })
  const confirmed = await stock.confirm({ companyId, reservationId: 'r1' })
  expect(confirmed).toMatchObject({ state: 'confirmed', replayed: false, expiresAt: held.expiresAt })
  expect(imagesOf(confirmed)).toEqual([['A', 'W1', '3000', '0', 3]])
})

test('cancelling gives the goods back', async () => {
  const companyId = await stocked(stock, 10_000n)
  await stock.reserve(reservation(companyId, 'r1', 10_000n))
  expect(imagesOf(await stock.cancel({ companyId, reservationId: 'r1' }))).toEqual([
    ['A', 'W1', '10000', '0', 3],
  ])
})

test('lines of the same item and warehouse are summed before they are judged', async () => {
  const companyId = await stocked(stock, 10_000n)
  const twice = reservation(companyId, 'r1', 6_000n, 6_000n)
  await expect(stock.reserve(twice)).rejects.toMatchObject({
    code: 'INSUFFICIENT_STOCK',
    shortages: [{ requested: 12_000n, available: 10_000n }],
  })
  const held = await stock.reserve(reservation(companyId, 'r1', 4_000n, 6_000n))
  expect(imagesOf(held)).toEqual([['A', 'W1', '10000', '10000', 2]])
})

test('of several lines all are kept or none, and every short one is named', async () => {
  const companyId = await stocked(stock, 5_000n)
  await stock.adjust(adjustment(companyId, 'b', 1_000n, { item: 'B' }))
  await stock.adjust(adjustment(companyId, 'c', 1_000n, { item: 'C', warehouse: 'W2' }))
  const lines = [
    { item: 'A', warehouse: 'W1', quantity: 5_000n },
    { item: 'B', warehouse: 'W1', quantity: 1_001n },
    { item: 'C', warehouse: 'W2', quantity: 2_000n },
  ]
  const refused = stock.reserve({ companyId, reservationId: 'r1', lines, ttlMs: 1_000 })
  await expect(refused).rejects.toMatchObject({ shortages: [{ item: 'B' }, { item: 'C' }] })
  expect(await database.row(companyId, 'A', 'W1')).toEqual([5_000n, 0n, 1])
  const kept = await database.one('SELECT count(*)::int FROM kerp.reservation WHERE company = $1', [
    companyId,
  ])
  expect(kept).toBe(0)
})

test('each step again gets the same answer, also after the reservation has ended', async () => {
  const companyId = await stocked(stock, 1_000n)
  const wanted = reservation(companyId, 'r1', 1_000n)
  const held = await stock.reserve(wanted)
  const confirmed = await stock.confirm({ companyId, reservationId: 'r1' })
  expect(await stock.reserve(wanted)).toEqual({ ...held, replayed: true })
  expect(await stock.confirm({ companyId, reservationId: 'r1' })).toEqual({ ...confirmed, replayed: true })
  const other = database.stock()
  expect(await other.confirm({ companyId, reservationId: 'r1' })).toEqual({ ...confirmed, replayed: true })
  expect(await database.row(companyId)).toEqual([0n, 0n, 3])
})

test('an id of another reservation is refused, and a longer time is another reservation', async () => {
  const companyId = await stocked(stock, 5_000n)
  await stock.reserve(reservation(companyId, 'r1', 1_000n))
  expect(await codeOf(stock.reserve(reservation(companyId, 'r1', 2_000n)))).toBe('MOVEMENT_CONFLICT')
  const longer = { ...reservation(companyId, 'r1', 1_000n), ttlMs: 600_001 }
  expect(await codeOf(stock.reserve(longer))).toBe('MOVEMENT_CONFLICT')
  expect(await database.row(companyId)).toEqual([5_000n, 1_000n, 2])
})

test('ids of movements and of reservations are apart', async () => {
  const companyId = await stocked(stock, 5_000n)
  expect(await codeOf(stock.reserve(reservation(companyId, 'opening', 1_000n)))).toBe('resolved')
})

test('a reservation ends once: what comes later hears how it ended', async () => {
  const companyId = await stocked(stock, 3_000n)
  for (const id of ['confirmed', 'cancelled', 'expired'])
    await stock.reserve(reservation(companyId, id, 1_000n))
  await stock.confirm({ companyId, reservationId: 'confirmed' })
  await stock.cancel({ companyId, reservationId: 'cancelled' })
  await letExpire(companyId, 'expired')
  await stock.expire({ limit: 100 })
  const end = (how: 'confirm' | 'cancel', reservationId: string): Promise<unknown> =>
    stock[how]({ companyId, reservationId }).then(
      ({ state }) => state,
      (error: unknown) => error,
    )
  expect(await end('cancel', 'confirmed')).toMatchObject({ code: 'RESERVATION_SETTLED', state: 'confirmed' })
  expect(await end('confirm', 'cancelled')).toMatchObject({ code: 'RESERVATION_SETTLED', state: 'cancelled' })
  expect(await end('confirm', 'expired')).toMatchObject({ code: 'RESERVATION_EXPIRED' })
  expect(await end('cancel', 'expired')).toBe('expired')
  expect(await end('confirm', 'never')).toMatchObject({ code: 'RESERVATION_NOT_FOUND' })
  expect(await database.row(companyId)).toEqual([2_000n, 0n, 7])
})

test('confirmed and cancelled at once from two processes ends one way, told alike to both', async () => {
  const companyId = await stocked(stock, 100_000n)
  const [left, right] = [database.stock(), database.stock()]
  for (let round = 0; round < 20; round += 1) {
    const reservationId = `r${round}`
    await stock.reserve(reservation(companyId, reservationId, 1_000n))
    const codes = await Promise.all([
      codeOf(left.confirm({ companyId, reservationId })),
      codeOf(right.cancel({ companyId, reservationId })),
    ])
    expect(codes.sort()).toEqual(['RESERVATION_SETTLED', 'resolved'])
  }
  expect(await stock.audit(companyId)).toMatchObject({ ok: true, reserved: 0n, heldReservations: 0 })
})

test('a confirmation that comes after the time is up is refused, although no sweep has passed', async () => {
  const companyId = await stocked(stock, 1_000n)
  await stock.reserve(reservation(companyId, 'r1', 1_000n))
  await letExpire(companyId, 'r1')
  expect(await codeOf(stock.confirm({ companyId, reservationId: 'r1' }))).toBe('RESERVATION_EXPIRED')
  expect(await database.row(companyId)).toEqual([1_000n, 0n, 3])
})

test('a confirmation that waited for a row past its time is judged when it gets the row, not when it came', async () => {
  const companyId = await stocked(stock, 1_000n)
  const wanted = { ...reservation(companyId, 'r1', 1_000n), ttlMs: 400 }
  await stock.reserve(wanted)
  const holder = await database.pool.connect()
  await holder.query('BEGIN')
  await holder.query('SELECT 1 FROM kerp.stock WHERE company = $1 FOR UPDATE', [companyId])
  const confirming = codeOf(stock.confirm({ companyId, reservationId: 'r1' }))
  await holder.query('SELECT pg_sleep(0.6)')
  await holder.query('COMMIT')
  holder.release()
  expect(await confirming).toBe('RESERVATION_EXPIRED')
  expect(await database.row(companyId)).toEqual([1_000n, 0n, 3])
})

test('a confirmation whose time runs out after it was judged, and before it is written, is refused', async () => {
  const companyId = await stocked(stock, 1_000n)
  await stock.reserve(reservation(companyId, 'r1', 1_000n))
  const pool = new FaultyPool(database.pool)
  const slow = database.stock({ pool })
  const timeIsUp = {
    text: `UPDATE kerp.reservation SET expires_at = clock_timestamp() - interval '1 ms' WHERE company = $1 AND id = 'r1'`,
    values: [companyId],
  }
  let writes = 0
  pool.intercept = async (statement, run) => {
    // What the first transaction sees, and what is so for everybody when it has been rolled back.
    if (writes === 1 && statement.text.startsWith('BEGIN')) await database.pool.query(timeIsUp)
    if (!statement.text.includes('ends AS (')) return run()
    writes += 1
    await run(timeIsUp)
    return run()
  }
  expect(await codeOf(slow.confirm({ companyId, reservationId: 'r1' }))).toBe('RESERVATION_EXPIRED')
  expect(writes).toBeGreaterThan(0)
  expect(await database.row(companyId)).toEqual([1_000n, 0n, 3])
})

test('reservations that expire in the same moment end in the order of the bytes of their names', async () => {
  const companyId = await stocked(stock, 100_000n)
  await stock.expire({ limit: 1_000 })
  const names = ['𠮷', 'Ａ', '9', '10']
  for (const name of names) await stock.reserve(reservation(companyId, name, 1_000n))
  await database.pool.query('UPDATE kerp.reservation SET expires_at = $1 WHERE company = $2', [
    new Date(0),
    companyId,
  ])
  const ended: string[] = []
  for (const limit of [1, 2, 9]) {
    ended.push(...(await stock.expire({ limit })).expired.map(({ reservationId }) => reservationId))
  }
  expect(ended).toEqual([...names].sort(byBytes))
})

test('a sweep ends what is due, at most as many as it may, and nothing else', async () => {
  const companyId = await stocked(stock, 100_000n)
  await stock.expire({ limit: 1_000 })
  for (let n = 0; n < 7; n += 1) await stock.reserve(reservation(companyId, `r${n}`, 1_000n))
  for (let n = 0; n < 5; n += 1) await letExpire(companyId, `r${n}`)
  const first = await stock.expire({ limit: 3 })
  expect([first.expired.length, first.isMore]).toEqual([3, true])
  expect(first.expired.map(({ state, replayed }) => [state, replayed])).toEqual(
    Array.from({ length: 3 }, () => ['expired', false]),
  )
  const second = await stock.expire({ limit: 3 })
  expect([second.expired.length, second.isMore]).toEqual([2, false])
  expect(await database.row(companyId)).toEqual([100_000n, 2_000n, 13])
  expect(await stock.audit(companyId)).toMatchObject({ ok: true, heldReservations: 2 })
})

test('sweeps of several processes at once end each reservation once', async () => {
  const companyId = await stocked(stock, 100_000n)
  const sweepers = [database.stock(), database.stock(), database.stock()]
  for (let n = 0; n < 30; n += 1) await stock.reserve(reservation(companyId, `r${n}`, 1_000n))
  for (let n = 0; n < 30; n += 1) await letExpire(companyId, `r${n}`)
  const swept = await Promise.all(sweepers.map((sweeper) => sweeper.expire({ limit: 100 })))
  const ids = swept.flatMap(({ expired }) => expired.map(({ reservationId }) => reservationId))
  expect(ids).toHaveLength(30)
  expect(new Set(ids).size).toBe(30)
  expect(await database.row(companyId)).toEqual([100_000n, 0n, 61])
})

test('goods whose reservation has expired can be reserved again', async () => {
  const companyId = await stocked(stock, 1_000n)
  await stock.reserve(reservation(companyId, 'r1', 1_000n))
  await letExpire(companyId, 'r1')
  expect(await codeOf(stock.reserve(reservation(companyId, 'r2', 1_000n)))).toBe('INSUFFICIENT_STOCK')
  await stock.expire({ limit: 100 })
  expect(await codeOf(stock.reserve(reservation(companyId, 'r2', 1_000n)))).toBe('resolved')
})

test('an end that was sent before its reservation was there is refused, also beside a retry of the reservation', async () => {
  const companyId = await stocked(stock, 5_000n)
  const wanted = reservation(companyId, 'r1', 1_000n)
  const pool = new FaultyPool(database.pool)
  const late = database.stock({ pool })
  // It knows its warehouse, so that the two calls below share a transaction.
  await late.adjust(adjustment(companyId, 'm1', 1_000n))
  // Another process makes the reservation just after this one has looked for it.
  let isMade = false
  pool.intercept = async (statement, run) => {
    const answer = await run()
    if (!isMade && statement.text.includes('FOR UPDATE OF r')) {
      isMade = true
      await stock.reserve(wanted)
    }
    return answer
  }
  const [again, confirmed] = await Promise.all([
    late.reserve(wanted),
    codeOf(late.confirm({ companyId, reservationId: 'r1' })),
  ])
  expect([isMade, again.replayed, confirmed]).toEqual([true, true, 'RESERVATION_NOT_FOUND'])
  expect(await database.row(companyId)).toEqual([6_000n, 1_000n, 3])
  expect(await stock.audit(companyId)).toMatchObject({ ok: true, heldReservations: 1 })
})
