/** The double of the stock ledger, where it does more than the judge that it shares with it. */

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
