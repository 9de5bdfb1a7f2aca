/** Narrows what scripts reply; another shape means that the script did not run as written. */

import { describeAmount, InvalidInputError } from '@kerp/core'

/** The reply as a list of texts; integers become texts. */
export function textList(script: string, reply: unknown): readonly string[] {
  if (!Array.isArray(reply)) throw unexpected(script, reply)
  return reply.map((value: unknown) => {
    if (typeof value === 'string') return value
    if (typeof value === 'number') return String(value)
    throw unexpected(script, value)
  })
}

/** The error for a reply of another shape. */
function unexpected(script: string, got: unknown): InvalidInputError {
  return new InvalidInputError(
    `reply of ${script}`,
    'as its script writes it',
    got,
    undefined,
    describeAmount,
  )
}
