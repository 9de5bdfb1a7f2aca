/** Tells an observer of background work that failed and is tried again: nobody waits for it who could be told. */

import { KerpError } from './errors.js'
import type { Observer } from './observer.js'

/** Observes `backgroundError`: with the code of the error, `UNEXPECTED` for one that is not of this library. */
export function tellFailure(observer: Observer, source: string, error: unknown): void {
  try {
    const code = error instanceof KerpError ? error.code : 'UNEXPECTED'
    observer.backgroundError?.({ source, code })
  } catch {
    // Neither the observer nor what was thrown may fail the work that goes on.
  }
}
