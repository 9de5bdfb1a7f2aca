/** What `Batches` is made of, with its bounds. */

import {
  type BatchLedger,
  type Clock,
  InvalidOptionError,
  type Observer,
  wholeNumberOption,
  objectOptions,
} from '@kerp/core'
import type { RunnableBatch } from './batch.js'
import type { BatchDriver } from './batch-driver.js'

/** What `Batches` is made of. */
export interface BatchesOptions<Tx> {
  /** `ChunkLedger` of `@kerp/postgres`, or the host's own. */
  readonly ledger: BatchLedger<Tx>
  /** The batches that this process can work on. */
  readonly batches: readonly RunnableBatch<Tx>[]
  /** `inProcess()`, or `bullmqDriver()` of `@kerp/worker-pool/bullmq`. @defaultValue `inProcess()` */
  readonly driver?: BatchDriver | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** For how long a chunk is a worker's before others take it over, in ms; renewed at a third. @defaultValue 2_000 */
  readonly leaseMs?: number | undefined
  /** Items that one run may have. @defaultValue 1_000_000 */
  readonly itemsMax?: number | undefined
  /** Ids that are listed at once when a run is planned. @defaultValue 2_000 */
  readonly pageItems?: number | undefined
  /** Open runs that are looked at in one turn. @defaultValue 100 */
  readonly runsMax?: number | undefined
}

/** The bounds with their defaults. */
export interface ResolvedBatchesOptions {
  readonly leaseMs: number
  readonly itemsMax: number
  readonly pageItems: number
  readonly runsMax: number
}

/** @throws {InvalidOptionError} `INVALID_OPTION`. */
export function resolveBatchesOptions<Tx>(options: BatchesOptions<Tx>): ResolvedBatchesOptions {
  objectOptions('Batches', options)
  const isList: boolean = Array.isArray(options.batches)
  if (!isList) throw new InvalidOptionError('Batches', 'batches', 'a list', options.batches)
  const names = new Set(options.batches.map(({ name }) => name))
  if (names.size < options.batches.length) {
    throw new InvalidOptionError(
      'Batches',
      'batches',
      'a list in which each name stands once',
      options.batches,
    )
  }
  const whole = (
    option: 'leaseMs' | 'itemsMax' | 'pageItems' | 'runsMax',
    range: { readonly min: number; readonly max: number; readonly fallback: number },
  ): number => wholeNumberOption('Batches', option, options[option], range)
  return Object.freeze({
    leaseMs: whole('leaseMs', { min: 50, max: 3_600_000, fallback: 2_000 }),
    itemsMax: whole('itemsMax', { min: 1, max: 100_000_000, fallback: 1_000_000 }),
    pageItems: whole('pageItems', { min: 1, max: 100_000, fallback: 2_000 }),
    runsMax: whole('runsMax', { min: 1, max: 10_000, fallback: 100 }),
  })
}
