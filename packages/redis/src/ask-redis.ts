/** Asking Redis where its answer can be done without: no failure of it reaches the reader. */

import { type Observer, tellFailure } from '@kerp/core'
import type { Circuit } from './circuit.js'
import { RedisNotDoneError, RedisRefusedError, RedisUnknownError } from './errors.js'

/** Who asks. */
export interface AskingParts {
  readonly circuit: Circuit
  readonly observer: Observer
}

/** The answer, or undefined when Redis is not asked now, does not answer, or refuses. */
export async function askRedis<T>(parts: AskingParts, call: () => Promise<T>): Promise<T | undefined> {
  if (!parts.circuit.admits()) return undefined
  try {
    const answer = await call()
    parts.circuit.answered()
    return answer
  } catch (error) {
    if (isSilence(error)) parts.circuit.silent()
    else parts.circuit.answered()
    tellUnlessDown(parts, error)
    return undefined
  }
}

/** Whether a failed call means that Redis gave no answer, as opposed to one that refuses. */
function isSilence(error: unknown): boolean {
  return error instanceof RedisNotDoneError || error instanceof RedisUnknownError
}

// A Redis that is down shows in the operations' statuses; whatever else happens here must not stay unseen.
function tellUnlessDown({ circuit, observer }: AskingParts, error: unknown): void {
  if (isSilence(error) || error instanceof RedisRefusedError) return
  tellFailure(observer, circuit.owner, error)
}
