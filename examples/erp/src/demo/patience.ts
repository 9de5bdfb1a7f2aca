/** What a caller of a service does when it is told that a call may be repeated. */

import { KerpError } from '@kerp/core'

const PATIENCE_MS = 60_000
const AGAIN_AFTER_MS = 20

/** What came of a call, and whether it took more than one. */
export interface Patient<T> {
  readonly answer: T
  readonly isRepeated: boolean
}

/**
 * Repeats a call with the same id until it is answered; a refusal is final.
 *
 * @throws what the call throws and says that it cannot be repeated, or goes on throwing for a minute.
 */
export async function patiently<T>(call: () => Promise<T>): Promise<Patient<T>> {
  const endMs = performance.now() + PATIENCE_MS
  for (let attempt = 1; ; attempt += 1) {
    try {
      return { answer: await call(), isRepeated: attempt > 1 }
    } catch (error) {
      const mayPass = error instanceof KerpError && error.retryable
      if (!mayPass || performance.now() > endMs) throw error
      await pause(AGAIN_AFTER_MS)
    }
  }
}

/** What a job does between two looks or attempts. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
