/** Narrows what scripts reply; another shape means that the script did not run as written. */

import { describeAmount, InvalidInputError } from '@kerp/core'

/** The reply as a list of texts. */
export function textList(script: string, reply: unknown): readonly string[] {
  if (!Array.isArray(reply)) throw unexpected(script, reply)
  return (reply as readonly unknown[]).map((_, index) => textAt(script, reply, index))
}

/** The text at an index of the reply. */
export function textAt(script: string, reply: unknown, index: number): string {
  const value: unknown = Array.isArray(reply) ? reply[index] : undefined
  if (typeof value === 'string') return value
  throw unexpected(script, value)
}

/** The integer at an index of the reply. */
export function countAt(script: string, reply: unknown, index: number): number {
  const value: unknown = Array.isArray(reply) ? reply[index] : undefined
  const count = Number(value)
  if (Number.isSafeInteger(count)) return count
  throw unexpected(script, value)
}

function unexpected(script: string, got: unknown): InvalidInputError {
  return new InvalidInputError(
    `reply of ${script}`,
    'as its script writes it',
    got,
    undefined,
    describeAmount,
  )
}
