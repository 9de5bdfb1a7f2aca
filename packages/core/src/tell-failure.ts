/** Tells an observer of background work that failed and is tried again: nobody waits for it who could be told. */

import { describeValue, KerpError } from './errors.js'
import type { Observer } from './observer.js'

/** The most characters of a message. */
const MESSAGE_LENGTH_MAX = 1_000

/**
 * Observes `backgroundError` with the error's message and its code, `UNEXPECTED` for one that is not of this library.
 * `code` is what it means where its own says less.
 */
export function tellFailure(observer: Observer, source: string, error: unknown, code?: string): void {
  try {
    const own = error instanceof KerpError ? error.code : 'UNEXPECTED'
    observer.backgroundError?.({ source, code: code ?? own, message: messageOf(error) })
  } catch {
    // Neither the observer nor what was thrown may fail the work that goes on.
  }
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : describeValue(error)
  return message.length > MESSAGE_LENGTH_MAX ? `${message.slice(0, MESSAGE_LENGTH_MAX)}…` : message
}
