/** Remembers in this process which loads failed a moment ago, for a Redis that cannot. */

import type { Clock } from './clock.js'

/** Failures that are remembered; the oldest goes when one more comes. */
const FAILURES_MAX = 10_000

interface Failure {
  readonly error: unknown
  readonly untilMs: number
}

/** Failed loads by key, each for its back-off. */
export class RecentFailures {
  readonly #clock: Clock
  readonly #failures = new Map<string, Failure>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Remembers for `forMs` what the load of `key` threw. */
  add(key: string, error: unknown, forMs: number): void {
    this.#failures.delete(key)
    const [oldest] = this.#failures.size >= FAILURES_MAX ? this.#failures.keys() : []
    if (oldest !== undefined) this.#failures.delete(oldest)
    if (forMs > 0) this.#failures.set(key, { error, untilMs: this.#clock.monotonicMs() + forMs })
  }

  /** What the load of `key` threw, while its back-off lasts. */
  of(key: string): { readonly error: unknown } | undefined {
    const failure = this.#failures.get(key)
    if (failure === undefined) return undefined
    if (this.#clock.monotonicMs() < failure.untilMs) return failure
    this.#failures.delete(key)
    return undefined
  }

  /** A load of `key` may be tried at once. */
  forget(key: string): void {
    this.#failures.delete(key)
  }
}
