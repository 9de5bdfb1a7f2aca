/** What a pool tells the observer, in the words of core's closed sets. */

import { type Clock, DeadlineExceededError, type Observer, type PoolJobOutcome } from '@kerp/core'
import { JobDroppedError } from './errors.js'
import type { Places, Running } from './places.js'
import type { Unit, Verdict } from './unit.js'

/** Reports how full a pool is, and each end. Costs a comparison each when nobody listens. */
export class PoolObservations {
  readonly #pool: string
  readonly #observer: Observer
  readonly #clock: Clock
  /** Whether waits are measured. */
  readonly isTiming: boolean

  constructor(pool: string, observer: Observer, clock: Clock) {
    this.#pool = pool
    this.#observer = observer
    this.#clock = clock
    this.isTiming = observer.poolJob !== undefined
  }

  level(places: Places, pending: number): void {
    if (this.#observer.poolLevel === undefined) return
    const { concurrency: size, taken: running, overdue } = places
    this.#observer.poolLevel({ pool: this.#pool, size, pending, running, overdue })
  }

  /** A unit that began has ended, or its caller was answered. */
  ended({ unit, startMs }: Running, outcome: PoolJobOutcome): void {
    if (this.#observer.poolJob === undefined) return
    const waitMs = Math.max(0, startMs - unit.acceptedMs)
    const runMs = this.#clock.monotonicMs() - startMs
    this.#observer.poolJob({ pool: this.#pool, outcome, waitMs, runMs })
  }

  /** A unit ended that waited. */
  unbegun(unit: Unit, verdict: Verdict, error: unknown): void {
    if (this.#observer.poolJob === undefined) return
    const waitMs = this.#clock.monotonicMs() - unit.acceptedMs
    const outcome = verdict === 'cancelled' ? waitOutcome(error) : verdict
    this.#observer.poolJob({ pool: this.#pool, outcome, waitMs, runMs: undefined })
  }

  retried(): void {
    this.#observer.poolRetry?.({ pool: this.#pool })
  }

  refused(reason: 'full' | 'closed'): void {
    this.#observer.poolRefusal?.({ pool: this.#pool, reason })
  }
}

function waitOutcome(error: unknown): PoolJobOutcome {
  if (error instanceof JobDroppedError) return 'dropped'
  return error instanceof DeadlineExceededError ? 'timeout' : 'cancelled'
}
