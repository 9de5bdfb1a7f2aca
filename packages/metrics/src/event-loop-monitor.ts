/** How busy the event loop is, and how late it runs what is due. */

import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '@kerp/core'

/** The most samples that one late timer stands for. */
const SAMPLES_MAX = 1_000

/** Samples the delay of the event loop on a timer that keeps no process alive, from the start until `stop`. */
export class EventLoopMonitor {
  readonly #clock: Clock
  readonly #sampleMs: number
  readonly #onDelayMs: (delayMs: number) => void
  #timer: Timer

  constructor(clock: Clock, sampleMs: number, onDelayMs: (delayMs: number) => void) {
    this.#clock = clock
    this.#sampleMs = sampleMs
    this.#onDelayMs = onDelayMs
    this.#timer = this.#arm()
  }

  /** Ends the sampling. */
  stop(): void {
    this.#timer.cancel()
  }

  #arm(): Timer {
    const dueMs = this.#clock.monotonicMs() + this.#sampleMs
    return this.#clock.setTimer(this.#sampleMs, () => {
      this.#record(this.#clock.monotonicMs() - dueMs)
      this.#timer = this.#arm()
    })
  }

  // While the loop is blocked no timer fires, so one late timer stands for all the samples that a second clock
  // would have taken meanwhile; otherwise a block of a second would count as little as one of a millisecond.
  #record(delayMs: number): void {
    this.#onDelayMs(delayMs)
    const missed = Math.min(SAMPLES_MAX, Math.floor(delayMs / this.#sampleMs))
    for (let sample = 1; sample <= missed; sample += 1) this.#onDelayMs(delayMs - sample * this.#sampleMs)
  }
}

/** Returns a function that answers with the busy share of the event loop, 0 to 1, since its previous call. */
export function eventLoopUtilization(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
