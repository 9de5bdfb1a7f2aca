/** Whether everything is in use again after a fault. */

import type { BalanceCache } from '@kerp/balance-cache'
import type { OutboxRelay } from '@kerp/registers'
import { COMPANIES } from './companies.js'

const RELAYED_MS = 1_000
/** A balance of each company that is read nearly always. */
const LOOKED_AT = { account: '11210', fiscalYear: 2_026 } as const

/**
 * What was committed is relayed, and no read falls back to the database; a row that was never written is not cached.
 *
 * @throws what the relay and the reads throw while something is still broken.
 */
export async function isServedFromCache(parts: {
  readonly relay: OutboxRelay
  readonly balances: BalanceCache
}): Promise<boolean> {
  await parts.relay.caughtUp({ deadlineMs: RELAYED_MS })
  const found = await parts.balances.getMany(
    COMPANIES.map(({ id: companyId }) => ({ companyId, ...LOOKED_AT })),
  )
  return found.every(({ source, version }) => version === 0 || source !== 'database')
}
