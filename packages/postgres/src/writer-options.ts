/** What ledgers that write in batches have in common, with its bounds: postings and movements of stock. */

import {
  type Clock,
  observerOfPart,
  currentTraceparent,
  type EventTracing,
  type Observer,
  oneOfOption,
  type RandomSource,
  systemClock,
  systemRandom,
  wholeNumberOption,
} from '@kerp/core'
import type { BatchBounds } from './batch-queue.js'
import { Database } from './database.js'
import type { DatabasePool } from './database-pool.js'
import { resolveSchema } from './identifiers.js'
import { PreparedStatements } from './prepared-statements.js'

/** What every ledger takes. */
export interface WriterOptions {
  /** A `pg.Pool`, with room for `batchesInFlightMax` + 1 connections beside the host's own use. Never closed here. */
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string | undefined
  readonly observer?: Observer | undefined
  /**
   * Gives the events of what is written the trace of the call that wrote it, as it is when it is called: whoever shares
   * its transaction keeps its own. `eventTracing()` of `@kerp/core/tracing` is one. @defaultValue no traces
   */
  readonly tracing?: Pick<EventTracing, 'traceparent'> | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** How long one voucher or movement may take in all, in ms. @defaultValue 10_000 */
  readonly deadlineMs?: number | undefined
  /** How long a read may take, in ms; an audit may take twelve times as long. @defaultValue 5_000 */
  readonly readDeadlineMs?: number | undefined
  /** How long a database that refuses connections is tried, in ms. @defaultValue 1_000 */
  readonly outageMs?: number | undefined
  /** How long a transaction waits for one row, in ms; then what needs it waits apart from the others. @defaultValue 1_000 */
  readonly lockTimeoutMs?: number | undefined
  /** Calls that wait for their answer; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly queueMax?: number | undefined
  /** Vouchers or movements of one transaction. @defaultValue 500 */
  readonly batchMax?: number | undefined
  /** Transactions at once. @defaultValue 2 */
  readonly batchesInFlightMax?: number | undefined
  /** The least time between two hints to relays, in ms. @defaultValue 5 */
  readonly wakeEveryMs?: number | undefined
  /**
   * `off` for a pooler that gives each transaction another connection and knows no prepared statements. With `on` this
   * is found out by the first statement that fails for it, which is repeated: nothing is prepared on this pool from then
   * on, which is observed once as `backgroundError`. @defaultValue 'on'
   */
  readonly prepare?: 'on' | 'off' | undefined
}

/** The options with their defaults. */
export interface ResolvedWriterOptions {
  readonly database: Database
  readonly schema: string
  readonly observer: Observer
  readonly clock: Clock
  readonly random: RandomSource
  readonly readDeadlineMs: number
  readonly wakeEveryMs: number
  readonly prepared: PreparedStatements
  /** Those of the queue, save how large a batch may be in rows. */
  readonly bounds: Omit<BatchBounds, 'batchRowsMax'>
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveWriterOptions(owner: string, options: WriterOptions): ResolvedWriterOptions {
  const database = Database.of(owner, options)
  const whole = (
    option: keyof WriterOptions,
    bounds: { readonly min: number; readonly max: number; readonly fallback: number },
  ): number => wholeNumberOption(owner, option, options[option], bounds)
  const schema = resolveSchema(owner, options.schema)
  const observer = observerOfPart(options.observer)
  const isPrepared = oneOfOption(owner, 'prepare', options.prepare, ['on', 'off'], 'on') === 'on'
  return {
    database,
    schema,
    observer,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    readDeadlineMs: whole('readDeadlineMs', { min: 10, max: 600_000, fallback: 5_000 }),
    wakeEveryMs: whole('wakeEveryMs', { min: 1, max: 60_000, fallback: 5 }),
    prepared: isPrepared ? PreparedStatements.of(options.pool, observer) : PreparedStatements.none,
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

/** Gives a work the trace of its caller: here and now, and not where its transaction begins, which many callers share. */
export function withTrace<W extends { readonly traceparent?: string | undefined }>(
  work: W,
  tracing: WriterOptions['tracing'],
): W {
  const traceparent = currentTraceparent(tracing)
  return traceparent === undefined ? work : { ...work, traceparent }
}
