/**
 * Stops asking a Redis that does not answer, so that only few reads pay for the wait; asks again by itself.
 *
 * Refusals and closed connections fail at once and cost nothing, so they open nothing.
 */

import type { Clock } from '@kerp/core'

/** When a circuit opens and for how long. */
export interface CircuitOptions {
  /** Whose calls these are, in reports of what fails unexpectedly. */
  readonly owner: string
  readonly clock: Clock
  /** Calls in a row that got no answer before it opens. */
  readonly failuresMax: number
  /** How long it stays open before one call may try, in ms. */
  readonly openMs: number
}

/** Closed: calls go through. Open: none does, until `openMs` have passed; then one tries for all. */
export class Circuit {
  readonly #options: CircuitOptions
  #failures = 0
  #openUntilMs = 0
  #trying = false

  constructor(options: CircuitOptions) {
    this.#options = options
  }

  /** Whose calls these are. */
  get owner(): string {
    return this.#options.owner
  }

  /** Whether a call may go through now; who gets true must say how it ended. */
  admits(): boolean {
    if (this.#failures < this.#options.failuresMax) return true
    if (this.#trying || this.#options.clock.monotonicMs() < this.#openUntilMs) return false
    this.#trying = true
    return true
  }

  /** The server answered, if only with a refusal. */
  answered(): void {
    this.#failures = 0
    this.#trying = false
  }

  /** The call was not made after all. */
  abandoned(): void {
    this.#trying = false
  }

  /** No answer came in time. */
  silent(): void {
    this.#failures += 1
    this.#trying = false
    this.#openUntilMs = this.#options.clock.monotonicMs() + this.#options.openMs
  }
}
