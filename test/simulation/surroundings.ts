/** What relays and processes find around them. */

import type { Dice } from './dice.js'
import type { Evidence } from './evidence.js'
import type { LoadEvidence } from './load-evidence.js'
import type { TwinProbes } from './probe-twin.js'
import type { Profile } from './profiles.js'
import type { Rules } from './rules.js'
import type { Scheduler } from './scheduler.js'
import type { TwinEntry, TwinRedis } from './script-twins.js'
import type { SimChange, SimDatabase } from './sim-database.js'
import type { SimHeartbeat } from './sim-tier.js'

export const ACCOUNTS = ['A', 'B', 'C'] as const

/** What travels from Redis to whoever listens. */
export type SimMessage = { readonly push: string } | { readonly heartbeat: SimHeartbeat }

export interface Surroundings {
  readonly rules: Rules
  readonly dice: Dice
  readonly chances: Profile
  readonly scheduler: Scheduler
  readonly evidence: Evidence
  readonly loads: LoadEvidence
  readonly watermarkKey: string
  readonly ttlMs: number
  /** The server that is the master now; another after a failover. */
  readonly redis: { readonly server: TwinRedis; readonly probes: TwinProbes }
  /** The primary; another after a failover. */
  readonly database: SimDatabase
  /** How long a message takes, in ms. */
  hop(): number
  keyOf(account: string): string
  entriesOf(changes: readonly SimChange[]): TwinEntry[]
  newGeneration(current: string | undefined): string
  publish(message: SimMessage): void
}
