/** Walks through everything that the app can do for a company, for tests that look at what it counts and traces. */

import { expect } from 'vitest'
import { type CompanyClient, type ErpProcess, fieldOf } from './erp-process.js'
import { saleOf } from './vouchers.js'

const PATIENCE = { timeout: 60_000, interval: 200 }

/** What stands in what `useEveryRoute` sends, and may be in no metric and no trace. */
export const GIVEN = { account: '41010', amount: '98765432', item: 'widget-77', memo: 'customer 17' } as const

/** Three vouchers are posted, all goods are moved, payroll, report and audit are done. */
export async function useEveryRoute(erp: Pick<ErpProcess, 'send' | 'as'>): Promise<CompanyClient> {
  const won = await erp.as('c1')
  const sent = async (path: string, body: unknown): Promise<void> => {
    const answer = await won.post(path, body)
    expect([path, answer.status < 300, answer.text]).toStrictEqual([path, true, answer.text])
  }
  await sent('/vouchers', saleOf('one', GIVEN.amount))
  await sent('/vouchers', saleOf('two', '1100', { vat: '100' }))
  await sent('/vouchers/one/approve', {})
  await sent('/vouchers/one/reverse', { id: 'back' })
  await sent('/stock/adjust', { movementId: 'm1', item: GIVEN.item, warehouse: 'W1', quantity: '9' })
  const way = { item: GIVEN.item, from: 'W1', to: 'W2', quantity: '2' }
  await sent('/stock/transfer', { movementId: 'm2', ...way })
  const lines = [{ item: GIVEN.item, warehouse: 'W1', quantity: '1' }]
  for (const [reservationId, end] of [
    ['r1', 'confirm'],
    ['r2', 'cancel'],
  ] as const) {
    await sent('/stock/reserve', { reservationId, lines, ttlSeconds: 60 })
    await sent(`/stock/${end}`, { reservationId })
  }
  await sent('/reports/financial', { from: '2026-01-01', to: '2026-03-31' })
  await sent('/payroll', { month: '2026-06' })
  await expect
    .poll(async () => fieldOf((await won.get('/payroll/2026-06')).body, 'state'), PATIENCE)
    .toBe('done')
  await readAll(won)
  await erp.send('/readyz')
  return won
}

async function readAll(won: CompanyClient): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    for (const path of [
      `/balances?accounts=${GIVEN.account},11210&fiscalYear=2026`,
      '/trial-balance?fiscalYear=2026',
      `/accounts/${GIVEN.account}/ledger?fiscalYear=2026`,
      `/stock?item=${GIVEN.item}`,
      '/dashboard?fiscalYear=2026',
      '/events?limit=1000',
      '/vouchers/one',
      '/audit',
    ]) {
      expect([path, (await won.get(path)).status]).toStrictEqual([path, 200])
    }
  }
}
