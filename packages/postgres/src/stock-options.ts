/** What a stock ledger is made of, with its bounds. */

import { wholeNumberOption } from '@kerp/core'
import type { BatchBounds } from './batch-queue.js'
import type { WarehouseCatalog } from './warehouses.js'
import { type ResolvedWriterOptions, resolveWriterOptions, type WriterOptions } from './writer-options.js'

/** What a stock ledger is made of. */
export interface StockLedgerOptions extends WriterOptions {
  /** Which warehouses have stock. @defaultValue the table of warehouses of the same schema (`Warehouses`) */
  readonly warehouses?: WarehouseCatalog | undefined
  /** Changes of rows in one transaction, save a single larger movement. @defaultValue 5_000 */
  readonly batchRowsMax?: number | undefined
  /** How long a warehouse is remembered as existing, in ms; at most 100,000 of them are. @defaultValue 10_000 */
  readonly warehousesTtlMs?: number | undefined
}

/** The options with their defaults. */
export interface ResolvedStockOptions extends ResolvedWriterOptions {
  readonly warehousesTtlMs: number
  readonly bounds: BatchBounds
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveStockOptions(options: StockLedgerOptions): ResolvedStockOptions {
  const common = resolveWriterOptions('StockLedger', options)
  const whole = (
    option: keyof StockLedgerOptions,
    bounds: { readonly min: number; readonly max?: number | undefined; readonly fallback: number },
  ): number => wholeNumberOption('StockLedger', option, options[option], bounds)
  return Object.freeze({
    ...common,
    warehousesTtlMs: whole('warehousesTtlMs', { min: 0, fallback: 10_000 }),
    bounds: Object.freeze({
      ...common.bounds,
      batchRowsMax: whole('batchRowsMax', { min: 2, max: 100_000, fallback: 5_000 }),
    }),
  })
}
