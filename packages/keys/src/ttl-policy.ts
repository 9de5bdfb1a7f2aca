/**
 * How long each family of keys is kept. A TTL frees memory and bounds staleness of what is allowed to be stale;
 * no register and no lock is correct because of it.
 */

import { type RandomSource, systemRandom, wholeNumberOption } from '@kerp/core'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** The TTL of each family that was not overridden, in ms. */
export const DEFAULT_TTL_MS = Object.freeze({
  balance: 5 * MINUTE_MS,
  inventory: 5 * MINUTE_MS,
  session: 30 * MINUTE_MS,
  refresh_token: 7 * DAY_MS,
  dashboard: 30 * SECOND_MS,
  report: 5 * MINUTE_MS,
  statistics: 10 * MINUTE_MS,
  master_data: HOUR_MS,
  code_table: DAY_MS,
  company_info: HOUR_MS,
  lock: 30 * SECOND_MS,
  /** Everything that has no row of its own. */
  other: 5 * MINUTE_MS,
})

/** A family with a row in the table. */
export type TtlFamily = keyof typeof DEFAULT_TTL_MS

/** TTLs by family, in ms: of the table, or of the host's own families. */
export type TtlOverrides = Readonly<Partial<Record<TtlFamily, number>> & Record<string, number>>

/** Answers for how long a value is kept. */
export interface TtlPolicy {
  /** The TTL of a family in ms; a family without a row has that of `other`. */
  ttlMs(family: string): number
  /**
   * The TTL within ±10 %, a whole number of ms, so that values written together do not expire together.
   * Not for locks and sessions, whose holders count on the exact time.
   */
  jitteredTtlMs(family: string, random?: RandomSource): number
}

const TTL_MS_MAX = 365 * DAY_MS
const JITTER = 0.1

/**
 * The table with the host's changes.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for a TTL that is not a whole number of ms from 1 to a year.
 * @example
 * ttlPolicy({ report: 60_000 }).ttlMs('report') // 60000
 */
export function ttlPolicy(overrides: TtlOverrides = {}): TtlPolicy {
  const table = new Map<string, number>(Object.entries(DEFAULT_TTL_MS))
  for (const [family, ttlMs] of Object.entries(overrides)) {
    const fallback = table.get(family) ?? DEFAULT_TTL_MS.other
    table.set(family, wholeNumberOption('ttlPolicy', family, ttlMs, { min: 1, max: TTL_MS_MAX, fallback }))
  }
  const otherMs = table.get('other') ?? DEFAULT_TTL_MS.other
  const ttlMs = (family: string): number => table.get(family) ?? otherMs
  return {
    ttlMs,
    jitteredTtlMs(family, random = systemRandom) {
      const factor = 1 - JITTER + 2 * JITTER * random.fraction()
      return Math.round(ttlMs(family) * factor)
    },
  }
}
