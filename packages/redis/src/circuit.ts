/**
 * Stops asking a Redis that does not answer, so that only few reads pay for the wait; asks again by itself.
 *
 * Refusals and closed connections fail at once and cost nothing, so they open nothing.
 */

import { type Clock, jitteredBackoffMs, type Observer, type RandomSource } from '@kerp/core'

/** When a circuit opens and for how long. */
export interface CircuitOptions {
  /** Whose calls these are, in reports of what fails unexpectedly. */
  readonly owner: string
  readonly clock: Clock
  /** Calls in a row that got no answer before it opens. */
  readonly failuresMax: number
  /** How long it stays open before one call may try, in ms. */
  readonly openMs: number
  /**
   * Asks the server in the background and says whether it answered. With it no caller ever waits for a try: the first
   * is made at once, so that a short stall heals at once, the next after growing, jittered waits of `openMs` and more.
   */
  readonly probe?: (() => Promise<boolean>) | undefined
  /** The longest wait between two probes, in ms. @defaultValue four times `openMs` */
  readonly openMsMax?: number | undefined
  readonly random?: RandomSource | undefined
  /** Hears when it opens and when it closes. */
  readonly observer?: Observer | undefined
}

/**
 * Closed: calls go through. Open: none does; without a probe one of them tries for all when `openMs` have passed, with
 * a probe none does until the server has answered that.
 */
export class Circuit {
  readonly #options: CircuitOptions
  #failures = 0
  #openUntilMs = 0
  #trying = false
  #probes = 0

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
    const { probe } = this.#options
    if (probe === undefined) return true
    void this.#probe(probe)
    return false
  }

  /** The server answered, if only with a refusal. */
  answered(): void {
    const wasOpen = this.#failures >= this.#options.failuresMax
    this.#failures = 0
    this.#trying = false
    this.#probes = 0
    if (wasOpen) this.#options.observer?.redisBreaker?.({ state: 'closed' })
  }

  /** The call was not made after all. */
  abandoned(): void {
    this.#trying = false
  }

  /** No answer came in time. */
  silent(): void {
    const { failuresMax, openMs, clock, probe, observer } = this.#options
    this.#failures += 1
    if (this.#failures === failuresMax) observer?.redisBreaker?.({ state: 'open' })
    // Calls that were on their way when it opened say nothing new of the probes.
    if (probe !== undefined) return
    this.#trying = false
    this.#openUntilMs = clock.monotonicMs() + openMs
  }

  async #probe(probe: () => Promise<boolean>): Promise<void> {
    const isAnswered = await probe().catch(() => false)
    if (isAnswered) {
      this.answered()
      return
    }
    const { openMs, openMsMax = 4 * openMs, clock, random } = this.#options
    this.#probes += 1
    const backoff = { backoffMs: openMs / 2, backoffMsMax: openMsMax / 2, ...(random && { random }) }
    // Half of the wait is fixed and half is chance, so that a fleet does not ask in step.
    const fixedMs = Math.min(openMsMax, openMs * 2 ** (this.#probes - 1)) / 2
    this.#openUntilMs = clock.monotonicMs() + fixedMs + jitteredBackoffMs(this.#probes, backoff)
    this.#trying = false
  }
}
