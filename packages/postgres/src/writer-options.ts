/** What ledgers that write in batches have in common, with its bounds: postings and movements of stock. */

import {
  type Clock,
  type EventTracing,
  type Observer,
  oneOfOption,
  type RandomSource,
  wholeNumberOption,
} from '@kerp/core'
import type { BatchBounds } from './batch-queue.js'
import type { DatabasePool } from './database-pool.js'
import { resolveSchema } from './identifiers.js'

/** What every ledger takes. */
export interface WriterOptions {
  /** A `pg.Pool`, with room for `batchesInFlightMax` + 1 connections beside the host's own use. Never closed here. */
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string
  readonly observer?: Observer
  /**
   * Gives the events of what is written the trace of the call that wrote it, as it is when it is called: whoever shares
   * its transaction keeps its own. `eventTracing()` of `@kerp/core/tracing` is one. @defaultValue no traces
   */
  readonly tracing?: Pick<EventTracing, 'traceparent'>
  readonly clock?: Clock
  readonly random?: RandomSource
  /** How long one voucher or movement may take in all, in ms. @defaultValue 10_000 */
  readonly deadlineMs?: number
  /** How long a read may take, in ms; an audit may take twelve times as long. @defaultValue 5_000 */
  readonly readDeadlineMs?: number
  /** How long a database that refuses connections is tried, in ms. @defaultValue 1_000 */
  readonly outageMs?: number
  /** How long a transaction waits for one row, in ms; then what needs it waits apart from the others. @defaultValue 1_000 */
  readonly lockTimeoutMs?: number
  /** Calls that wait for their answer; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly queueMax?: number
  /** Vouchers or movements of one transaction. @defaultValue 500 */
  readonly batchMax?: number
  /** Transactions at once. @defaultValue 2 */
  readonly batchesInFlightMax?: number
  /** The least time between two hints to relays, in ms. @defaultValue 5 */
  readonly wakeEveryMs?: number
  /** `off` for a pooler that gives each transaction another connection and knows no prepared statements. @defaultValue 'on' */
  readonly prepare?: 'on' | 'off'
}

/** The options with their defaults. */
export interface ResolvedWriterOptions {
  readonly schema: string
  readonly readDeadlineMs: number
  readonly wakeEveryMs: number
  readonly isPrepared: boolean
  /** Those of the queue, save how large a batch may be in rows. */
  readonly bounds: Omit<BatchBounds, 'batchRowsMax'>
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveWriterOptions(owner: string, options: WriterOptions): ResolvedWriterOptions {
  const whole = (
    option: keyof WriterOptions,
    bounds: { readonly min: number; readonly max: number; readonly fallback: number },
  ): number => wholeNumberOption(owner, option, options[option], bounds)
  return {
    schema: resolveSchema(owner, options.schema),
    readDeadlineMs: whole('readDeadlineMs', { min: 10, max: 600_000, fallback: 5_000 }),
    wakeEveryMs: whole('wakeEveryMs', { min: 1, max: 60_000, fallback: 5 }),
    isPrepared: oneOfOption(owner, 'prepare', options.prepare, ['on', 'off'], 'on') === 'on',
    bounds: {
      queueMax: whole('queueMax', { min: 1, max: 1_000_000, fallback: 10_000 }),
      batchMax: whole('batchMax', { min: 1, max: 5_000, fallback: 500 }),
      batchesInFlightMax: whole('batchesInFlightMax', { min: 1, max: 64, fallback: 2 }),
      deadlineMs: whole('deadlineMs', { min: 50, max: 600_000, fallback: 10_000 }),
      lockTimeoutMs: whole('lockTimeoutMs', { min: 50, max: 600_000, fallback: 1_000 }),
      outageMs: whole('outageMs', { min: 0, max: 600_000, fallback: 1_000 }),
    },
  }
}
