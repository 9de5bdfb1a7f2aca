/** What a ledger is made of, with its bounds. */

import { wholeNumberOption } from '@kerp/core'
import type { AccountCatalog } from './account-catalog.js'
import type { BatchBounds } from './batch-queue.js'
import type { FiscalYearOf } from './voucher.js'
import { type ResolvedWriterOptions, resolveWriterOptions, type WriterOptions } from './writer-options.js'

/** What a ledger is made of. */
export interface LedgerOptions extends WriterOptions {
  /** Which accounts may be posted to. @defaultValue the table of accounts of the same schema (`Accounts`) */
  readonly accounts?: AccountCatalog | undefined
  /** Refuses a voucher whose `fiscalYear` is not that of its `date`. @defaultValue every year is taken with every date */
  readonly fiscalYearOf?: FiscalYearOf | undefined
  /** Lines of one transaction, save a single larger voucher. @defaultValue 10_000 */
  readonly batchLinesMax?: number | undefined
  /** How long an account is remembered as existing, in ms. @defaultValue 10_000 */
  readonly accountsTtlMs?: number | undefined
  /** Accounts remembered, over all companies. @defaultValue 100_000 */
  readonly accountsMax?: number | undefined
}

/** The options with their defaults. */
export interface ResolvedLedgerOptions extends ResolvedWriterOptions {
  readonly accountsTtlMs: number
  readonly accountsMax: number
  readonly bounds: BatchBounds
}

/** @throws {InvalidOptionError} `INVALID_OPTION`. */
export function resolveLedgerOptions(options: LedgerOptions): ResolvedLedgerOptions {
  const common = resolveWriterOptions('Ledger', options)
  const whole = (
    option: keyof LedgerOptions,
    bounds: { readonly min: number; readonly max?: number | undefined; readonly fallback: number },
  ): number => wholeNumberOption('Ledger', option, options[option], bounds)
  return Object.freeze({
    ...common,
    accountsTtlMs: whole('accountsTtlMs', { min: 0, fallback: 10_000 }),
    accountsMax: whole('accountsMax', { min: 1, max: 10_000_000, fallback: 100_000 }),
    bounds: Object.freeze({
      ...common.bounds,
      batchRowsMax: whole('batchLinesMax', { min: 2, max: 100_000, fallback: 10_000 }),
    }),
  })
}
