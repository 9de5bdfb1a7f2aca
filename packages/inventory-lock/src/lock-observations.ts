/** What locks tell the observer, in the words of core's closed sets. */

import { type Clock, observerOfPart, KerpError, type Observer } from '@kerp/core'
import type { LockLossReason } from './errors.js'
import type { Holding } from './holding.js'
import type { LockRelease } from './lock.js'

/** Reports waits, holds and losses. Costs a comparison each when nobody listens. */
export class LockObservations {
  readonly #clock: Clock
  readonly #observer: Observer

  constructor(clock: Clock, observer: Observer) {
    this.#clock = clock
    this.#observer = observerOfPart(observer)
  }

  acquired(via: 'asked' | 'handed' | 'local', waiter: { readonly begunMs: number }): void {
    if (this.#observer.lockAcquire === undefined) return
    const elapsedMs = this.#clock.monotonicMs() - waiter.begunMs
    this.#observer.lockAcquire({ result: 'acquired', via, elapsedMs })
  }

  refused(error: unknown, begunMs: number): void {
    if (this.#observer.lockAcquire === undefined) return
    const busy = error instanceof KerpError && error.code === 'LOCK_BUSY'
    const elapsedMs = this.#clock.monotonicMs() - begunMs
    this.#observer.lockAcquire({ result: busy ? 'timeout' : 'failed', via: 'none', elapsedMs })
  }

  busy(begunMs: number): void {
    if (this.#observer.lockAcquire === undefined) return
    this.#observer.lockAcquire({
      result: 'busy',
      via: 'none',
      elapsedMs: this.#clock.monotonicMs() - begunMs,
    })
  }

  released(result: LockRelease, holding: Holding): void {
    if (this.#observer.lockRelease === undefined) return
    this.#observer.lockRelease({ result, heldMs: holding.heldMs })
  }

  lost(reason: LockLossReason, holding: Holding): void {
    if (this.#observer.lockLost === undefined || reason === 'released') return
    this.#observer.lockLost({ reason, heldMs: holding.heldMs })
  }

  fenced(): void {
    this.#observer.lockFenced?.({ count: 1 })
  }

  /** Redis may lose locks by its own settings. */
  warnUnsuitable(): void {
    const message =
      'Redis evicts keys (maxmemory-policy), and may evict locks that are held: give locks a Redis with noeviction.'
    this.#observer.backgroundError?.({ source: 'locks', code: 'REDIS_UNSUITABLE', message })
  }
}
