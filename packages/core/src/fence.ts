/** The one bound of fences: what a lock can be raised to, a row takes, and no row takes more. */

import { InvalidInputError } from './errors.js'

/** The highest fence: two hundred years of microseconds, below 2^53, where numbers of scripts lose digits. */
export const FENCE_MAX = 9_000_000_000_000_000n

/**
 * A fence from its decimal text. A `floor`, above which a lock is to be raised, is below the highest fence.
 *
 * @throws {InvalidInputError} `INVALID_INPUT`
 */
export function checkFence(value: unknown, field = 'fence', use: 'fence' | 'floor' = 'fence'): bigint {
  const max = use === 'floor' ? FENCE_MAX - 1n : FENCE_MAX
  if (typeof value === 'string' && /^(?:0|[1-9]\d{0,15})$/.test(value) && BigInt(value) <= max) {
    return BigInt(value)
  }
  throw new InvalidInputError(field, `whole decimal digits up to ${max}, as a string`, value)
}
