/** What a stock ledger is made of, with its bounds. */

import { type Clock, type Observer, oneOfOption, type RandomSource, wholeNumberOption } from '@kerp/core'
import type { BatchBounds } from './batch-queue.js'
import type { DatabasePool } from './database-pool.js'
import { resolveSchema } from './identifiers.js'
import type { WarehouseCatalog } from './warehouses.js'

/** What a stock ledger is made of. */
export interface StockLedgerOptions {
  /** A `pg.Pool`, with room for `batchesInFlightMax` + 1 connections beside the host's own use. Never closed here. */
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string
  /** @defaultValue the table of warehouses of the same schema (`Warehouses`) */
  readonly warehouses?: WarehouseCatalog
  readonly observer?: Observer
  readonly clock?: Clock
  readonly random?: RandomSource
  /** How long a movement may take in all, in ms. @defaultValue 10_000 */
  readonly deadlineMs?: number
  /** How long a read may take, in ms; an audit may take twelve times as long. @defaultValue 5_000 */
  readonly readDeadlineMs?: number
  /** How long a movement is tried on a database that refuses connections, in ms. @defaultValue 1_000 */
  readonly outageMs?: number
  /** How long a transaction waits for one row, in ms; then its movement waits apart from the others. @defaultValue 1_000 */
  readonly lockTimeoutMs?: number
  /** Calls that wait for their answer; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly queueMax?: number
  /** Movements of one transaction. @defaultValue 500 */
  readonly batchMax?: number
  /** Changes of rows in one transaction, save a single larger movement. @defaultValue 5_000 */
  readonly batchRowsMax?: number
  /** Transactions at once. @defaultValue 2 */
  readonly batchesInFlightMax?: number
  /** How long a warehouse is remembered as existing, in ms. @defaultValue 10_000 */
  readonly warehousesTtlMs?: number
  /** The least time between two hints to relays, in ms. @defaultValue 5 */
  readonly wakeEveryMs?: number
  /** `off` for a pooler that gives each transaction another connection and knows no prepared statements. @defaultValue 'on' */
  readonly prepare?: 'on' | 'off'
}

/** The options with their defaults. */
export interface ResolvedStockOptions {
  readonly schema: string
  readonly readDeadlineMs: number
  readonly warehousesTtlMs: number
  readonly wakeEveryMs: number
  readonly isPrepared: boolean
  readonly bounds: BatchBounds
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveStockOptions(options: StockLedgerOptions): ResolvedStockOptions {
  const whole = (
    option: keyof StockLedgerOptions,
    bounds: { readonly min: number; readonly max?: number; readonly fallback: number },
  ): number => wholeNumberOption('StockLedger', option, options[option], bounds)
  return Object.freeze({
    schema: resolveSchema('StockLedger', options.schema),
    readDeadlineMs: whole('readDeadlineMs', { min: 10, max: 600_000, fallback: 5_000 }),
    warehousesTtlMs: whole('warehousesTtlMs', { min: 0, fallback: 10_000 }),
    wakeEveryMs: whole('wakeEveryMs', { min: 1, max: 60_000, fallback: 5 }),
    isPrepared: oneOfOption('StockLedger', 'prepare', options.prepare, ['on', 'off'], 'on') === 'on',
    bounds: Object.freeze({
      queueMax: whole('queueMax', { min: 1, max: 1_000_000, fallback: 10_000 }),
      batchMax: whole('batchMax', { min: 1, max: 5_000, fallback: 500 }),
      batchRowsMax: whole('batchRowsMax', { min: 2, max: 100_000, fallback: 5_000 }),
      batchesInFlightMax: whole('batchesInFlightMax', { min: 1, max: 64, fallback: 2 }),
      deadlineMs: whole('deadlineMs', { min: 50, max: 600_000, fallback: 10_000 }),
      lockTimeoutMs: whole('lockTimeoutMs', { min: 50, max: 600_000, fallback: 1_000 }),
      outageMs: whole('outageMs', { min: 0, max: 600_000, fallback: 1_000 }),
    }),
  })
}
