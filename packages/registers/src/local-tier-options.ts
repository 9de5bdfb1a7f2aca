/** What the in-process tier is made of, with its bounds and their defaults. */

import { type Complete, wholeNumberOption } from '@kerp/core'
import type { PositionOrder } from './position.js'

/** Options of the in-process tier of `Registers`. */
export interface LocalTierOptions {
  /** The outbox that the relay reads: it knows which of two positions is the later one. */
  readonly positions: PositionOrder
  /**
   * Nothing older than this is answered from a cache, this tier's or Redis's, in ms; the database answers instead.
   * @defaultValue 1_000
   */
  readonly maxStalenessMs?: number | undefined
  /** Rows held; beyond them those go first that were not read lately. @defaultValue 100_000 */
  readonly entriesMax?: number | undefined
  /** Memory held, estimated, in bytes. @defaultValue 67_108_864 */
  readonly bytesMax?: number | undefined
  /** Companies listened to; the reads of others are answered by Redis. @defaultValue 1_000 */
  readonly companiesMax?: number | undefined
  /** A company that nobody read for so long is no longer listened to, in ms. @defaultValue 600_000 */
  readonly idleMs?: number | undefined
}

/** The options with every choice made. */
export type ResolvedLocalTierOptions = Readonly<Complete<LocalTierOptions>>

/**
 * Checks the options; no I/O.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function resolveLocalTierOptions(options: LocalTierOptions): ResolvedLocalTierOptions {
  const whole = (name: keyof LocalTierOptions, fallback: number, min: number, max: number): number =>
    wholeNumberOption('Registers.localTier', name, options[name], { min, max, fallback })
  return Object.freeze({
    positions: options.positions,
    maxStalenessMs: whole('maxStalenessMs', 1_000, 50, 3_600_000),
    entriesMax: whole('entriesMax', 100_000, 1, 100_000_000),
    bytesMax: whole('bytesMax', 67_108_864, 1_024, 2 ** 40),
    companiesMax: whole('companiesMax', 1_000, 1, 1_000_000),
    idleMs: whole('idleMs', 600_000, 1_000, 86_400_000),
  })
}
