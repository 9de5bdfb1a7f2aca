/** The bounds of a batch and the options of those who work on batches, with their defaults. */

import { type Complete, InvalidOptionError, textOption, wholeNumberOption } from '@kerp/core'
import type { BatchBounds } from './batch-definition.js'

/** Bounds with their defaults. */
export type ResolvedBatchBounds = Readonly<Complete<BatchBounds>>

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/

const TOTAL_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,39}$/
const TOTALS_MAX = 32

/** @throws {InvalidOptionError} `INVALID_OPTION`. */
export function checkTotals(totals: unknown): void {
  if (totals === undefined) return
  const isGood = ([name, part]: readonly [string, unknown]): boolean =>
    TOTAL_NAME.test(name) && typeof part === 'function'
  const parts = typeof totals === 'object' && totals !== null ? Object.entries(totals) : undefined
  if (parts !== undefined && parts.length <= TOTALS_MAX && parts.every(isGood)) return
  const rule = `at most ${TOTALS_MAX} functions, each by a name of up to 40 of A-Z a-z 0-9 _ - starting with a letter`
  throw new InvalidOptionError('defineBatch', 'totals', rule, totals)
}

/** @throws {InvalidOptionError} `INVALID_OPTION`. */
export function resolveBatchBounds(name: unknown, bounds: BatchBounds): ResolvedBatchBounds {
  if (name === undefined) throw new InvalidOptionError('defineBatch', 'name', 'a name', name)
  textOption('defineBatch', 'name', name, {
    pattern: NAME,
    words: 'up to 40 of A-Z a-z 0-9 _ - starting with a letter or digit',
    fallback: '',
  })
  const whole = (
    option: keyof BatchBounds,
    range: { readonly min: number; readonly max?: number | undefined; readonly fallback: number },
  ): number => wholeNumberOption('defineBatch', option, bounds[option], range)
  return Object.freeze({
    chunkItems: whole('chunkItems', { min: 1, max: 10_000, fallback: 200 }),
    failuresMax: whole('failuresMax', { min: 0, max: 1_000_000, fallback: 0 }),
    stopAfterFailures: whole('stopAfterFailures', { min: 0, max: 1_000_000, fallback: 100 }),
    attemptsMax: whole('attemptsMax', { min: 1, max: 100, fallback: 3 }),
    itemDeadlineMs: whole('itemDeadlineMs', { min: 1, max: 86_400_000, fallback: 60_000 }),
    itemsAtOnce: whole('itemsAtOnce', { min: 1, max: 10_000, fallback: 16 }),
    chunkAttemptsMax: whole('chunkAttemptsMax', { min: 2, max: 1_000_000, fallback: 20 }),
  })
}
