/** The double of the stock ledger, where it does more than the judge that it shares with it. */

import type { RegisterImage } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { MemoryStock } from '@kerp/postgres/testing'
import { MemoryDatabase } from '@kerp/registers/testing'
import { expect, test } from 'vitest'

test('a movement under the id of a reservation leaves the reservation as it is', async () => {
  const stock = new MemoryStock(new MemoryDatabase(), manualClock())
  const place = { companyId: 'c1', item: 'A', warehouse: 'W1' }
  const reservation = { companyId: 'c1', reservationId: 'x' }
  await stock.adjust({ ...place, movementId: 'opening', quantity: 10n })
  const lines = [{ item: 'A', warehouse: 'W1', quantity: 4n }]
  await stock.reserve({ ...reservation, lines, ttlMs: 1_000 })
  await stock.adjust({ ...place, movementId: 'x', quantity: 1n })
  const { state, images } = await stock.confirm(reservation)
  expect([state, images[0]?.fields]).toEqual(['confirmed', ['7', '0']])
})

test('reservations whose time is up end in the order of the database: by expiry, then by the bytes of their names', async () => {
  const clock = manualClock()
  const stock = new MemoryStock(new MemoryDatabase(), clock)
  const line = { item: 'A', warehouse: 'W1' }
  await stock.adjust({ companyId: 'c1', ...line, movementId: 'opening', quantity: 9n })
  for (const [reservationId, ttlMs] of [
    ['late', 9],
    ['𠮷', 5],
    ['Ａ', 5],
    ['9', 5],
    ['10', 5],
  ] as const) {
    await stock.reserve({ companyId: 'c1', reservationId, ttlMs, lines: [{ ...line, quantity: 1n }] })
  }
  await clock.advance(10)
  const ended: string[] = []
  for (let isMore = true; isMore; ) {
    const sweep = await stock.expire({ limit: 2 })
    ended.push(...sweep.expired.map(({ reservationId }) => reservationId))
    isMore = sweep.isMore
  }
  expect(ended).toEqual(['10', '9', 'Ａ', '𠮷', 'late'])
})

test('rows of the double are listed as the database lists them: names by bytes, fiscal years as numbers', async () => {
  const database = new MemoryDatabase()
  for (const account of ['𠮷', 'Ａ', '9', '10']) database.commit('c1', { [account]: [1n, 0n] })
  database.commit('c1', { 9: [1n, 0n] }, 2025)
  const listed = async (limit: number): Promise<readonly string[]> => {
    const found: RegisterImage[] = []
    for (;;) {
      const after = found.at(-1)?.ref
      const { images } = await database.list({ companyId: 'c1', family: 'balance', after, limit })
      found.push(...images)
      if (images.length < limit) return found.map(({ ref }) => ref.parts.join('/'))
    }
  }
  for (const limit of [1, 2, 10]) {
    expect(await listed(limit)).toEqual(['10/2026', '9/2025', '9/2026', 'Ａ/2026', '𠮷/2026'])
  }
})
