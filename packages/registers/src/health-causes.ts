/** What is wrong with how fresh cached rows are. */

import type { HealthCause } from '@kerp/core'
import type { ForeignDatabaseError } from './errors.js'
import type { Freshness } from './local-tier.js'

/** A relay that is further behind, and caches that nobody vouched for during so long, are worth a look, in ms. */
const BEHIND_MS_MAX = 5_000

/** Of the relay of this process. */
export function relayHealthCauses({
  lagMs,
  foreign,
}: {
  readonly lagMs: number
  readonly foreign?: ForeignDatabaseError | undefined
}): readonly HealthCause[] {
  if (foreign !== undefined) return [foreignCause(foreign)]
  if (lagMs <= BEHIND_MS_MAX) return []
  return [
    {
      level: 'degraded',
      cause: `the relay is ${Math.round(lagMs / 1_000)} s behind`,
      fix: 'Look at its background errors, at long transactions and at Redis.',
    },
  ]
}

/** Of the trust in what this process has cached. */
export function trustHealthCauses(registers: {
  freshness(): Pick<Freshness, 'untrustedMs'> | undefined
  readonly foreign?: (() => ForeignDatabaseError | undefined) | undefined
}): readonly HealthCause[] {
  const foreign = registers.foreign?.()
  if (foreign !== undefined) return [foreignCause(foreign)]
  const untrustedMs = registers.freshness()?.untrustedMs ?? 0
  if (untrustedMs <= BEHIND_MS_MAX) return []
  return [
    {
      level: 'degraded',
      cause: `no heartbeat of a relay for ${Math.round(untrustedMs / 1_000)} s: the database answers all reads`,
      fix: 'Start a relay, or look at why its heartbeats do not arrive.',
    },
  ]
}

function foreignCause({ companyId }: ForeignDatabaseError): HealthCause {
  return {
    level: 'degraded',
    cause: `another database has its rows of company ${companyId} in this Redis: the database answers`,
    fix: 'Give each database a namespace of its own: createKeys({ namespace }).',
  }
}
