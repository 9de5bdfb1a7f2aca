/**
 * A lease as its holder may count on it: from before the question was sent, and shorter than Redis counts.
 *
 * Elapsed time is the later of two clocks: the monotonic one cannot be set, the wall clock goes on while a
 * machine sleeps.
 */

import type { Clock } from '@kerp/core'

/** Both clocks at one moment. */
export interface ClockReading {
  readonly monotonicMs: number
  readonly wallMs: number
}

/** Reads both clocks; about 80 ns. */
export function readClocks(clock: Clock): ClockReading {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() }
}

/** From one reading to a later one, in ms, by the clock that says more. */
export function elapsedMs(from: ClockReading, to: ClockReading): number {
  return Math.max(to.monotonicMs - from.monotonicMs, to.wallMs - from.wallMs)
}

/** The shortest lease, in ms: half of it is margin. */
export const TTL_MS_MIN = 100

/** The longest lease, in ms. */
export const TTL_MS_MAX = 86_400_000

/**
 * How much of a lease its holder uses, in ms: without 1 % and 2 ms for clocks of different speed, and without
 * 5 % or 50 ms, whichever is more, in which the holder stops.
 */
export function usableMs(ttlMs: number): number {
  return ttlMs - ttlMs * 0.01 - 2 - Math.max(50, ttlMs * 0.05)
}

/** The right of this process to a lock until a moment that it can check by itself. */
export class Lease {
  #begun: ClockReading
  #usableMs: number

  /** `begun` was read before the call that granted `ttlMs` was sent. */
  constructor(begun: ClockReading, ttlMs: number) {
    this.#begun = begun
    this.#usableMs = usableMs(ttlMs)
  }

  /** The rest, in ms; not above 0 when the lease is over. */
  remainingMsAt(now: ClockReading): number {
    return this.#usableMs - elapsedMs(this.#begun, now)
  }

  /** The lease was granted anew by a call sent after `begun` was read. */
  renew(begun: ClockReading, ttlMs: number): void {
    this.#begun = begun
    this.#usableMs = usableMs(ttlMs)
  }
}
