/**
 * What stands in the place of a lease after loading its row failed: nobody tries again before it has expired.
 *
 * It is a lease whose token begins with a mark and names what was thrown, so that every script treats it as the lease
 * of another: nothing is stored under it, and it keeps nothing alive.
 */

import { KerpError } from '@kerp/core'
import { LoadBackoffError } from './errors.js'

const MARK = '!'
const UPPER_L = 76

/** Codes that are told to other processes; others become `UNEXPECTED`. */
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/

/** The code of what a source threw. */
export function codeOfFailure(error: unknown): string {
  if (error instanceof LoadBackoffError) return error.loaderCode
  return error instanceof KerpError && CODE.test(error.code) ? error.code : 'UNEXPECTED'
}

/**
 * Whether the database failed, and may be spared for a moment: what says of itself that repeating it cannot help is
 * no failure of the database, but an answer about its rows.
 */
export function isDatabaseFailure(error: unknown): boolean {
  return !(error instanceof KerpError) || error.retryable
}

/** The token of a lease whose load failed. */
export function failureToken(code: string): string {
  return `${MARK}${code}`
}

/** The code in a lease of this generation whose load failed; undefined for any other bytes. */
export function failureInBytes(bytes: Buffer, generation: string): string | undefined {
  if (bytes[0] !== UPPER_L) return undefined
  const [letter, generationHere, token] = bytes.toString('latin1').split('|', 3)
  if (letter !== 'L' || generationHere !== generation || token?.startsWith(MARK) !== true) return undefined
  return token.slice(MARK.length)
}
