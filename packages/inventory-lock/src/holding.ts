/** One hold of a lock inside this process: its lease, its state, and the handles that share it. */

import type { Clock, Timer } from '@kerp/core'
import { LockLostError, type LockLossReason } from './errors.js'
import { type ClockReading, elapsedMs, type Lease, readClocks } from './lease.js'
import type { LockExtension, LockRelease } from './lock.js'
import { type LockResource, titleOf } from './lock-names.js'
import type { ResolvedAcquire } from './lock-options.js'

/** What a hold is made of. */
export interface HoldingFacts<G extends Lease = Lease> {
  readonly resource: LockResource
  readonly holder: string
  readonly fence: string | undefined
  readonly lease: G
  readonly begun: ClockReading
  readonly options: ResolvedAcquire
}

/** Who answers for a hold. */
export interface HoldingOwner<G extends Lease = Lease> {
  readonly clock: Clock
  extend(holding: Holding<G>, ttlMs: number): Promise<LockExtension>
  release(holding: Holding<G>): Promise<LockRelease>
  raiseFence(holding: Holding<G>, floor: string): Promise<string>
  /** Told once, when the hold is lost before it was given back. */
  lost(holding: Holding<G>, reason: LockLossReason): void
}

/** One hold; handles enter and leave it, and the last to leave gives it back. */
export class Holding<G extends Lease = Lease> {
  readonly resource: LockResource
  readonly holder: string
  readonly lease: G
  readonly renew: boolean
  readonly maxHoldMs: number
  readonly begun: ClockReading
  fence: string | undefined
  ttlMs: number
  /** The keeper's next look at this hold. */
  timer: Timer | undefined
  /** Whether the lock is in the company's list. */
  isListed = false

  readonly #owner: HoldingOwner<G>
  #entries = 1
  #lossReason: LockLossReason | undefined
  #controller: AbortController | undefined

  constructor(owner: HoldingOwner<G>, facts: HoldingFacts<G>) {
    const { options } = facts
    this.#owner = owner
    this.resource = facts.resource
    this.holder = facts.holder
    this.fence = facts.fence
    this.lease = facts.lease
    this.begun = facts.begun
    this.ttlMs = options.ttlMs
    this.renew = options.renew
    this.maxHoldMs = options.maxHoldMs
  }

  /** How long it has been held, in ms. */
  get heldMs(): number {
    return elapsedMs(this.begun, readClocks(this.#owner.clock))
  }

  /** The rest of the hold, in ms: of its lease, or of `maxHoldMs`. 0 when it is over. */
  get remainingMs(): number {
    return this.remainingMsAt(readClocks(this.#owner.clock))
  }

  get lossReason(): LockLossReason | undefined {
    return this.#lossReason
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      const reason = this.#lossReason
      if (reason !== undefined && reason !== 'released') this.#controller.abort(this.lossError(reason))
    }
    return this.#controller.signal
  }

  remainingMsAt(now: ClockReading): number {
    if (this.#lossReason !== undefined) return 0
    const holdMs = this.maxHoldMs - elapsedMs(this.begun, now)
    return Math.max(0, Math.min(this.lease.remainingMsAt(now), holdMs))
  }

  assertHeld(): void {
    this.loseIfOver(readClocks(this.#owner.clock), 'expired')
    if (this.#lossReason !== undefined) throw this.lossError(this.#lossReason)
  }

  /** Whether it is held at `now`; a hold that is over is lost by this call. */
  loseIfOver(now: ClockReading, reason: LockLossReason): boolean {
    if (this.#lossReason !== undefined) return true
    if (this.remainingMsAt(now) > 0) return false
    this.lose(elapsedMs(this.begun, now) >= this.maxHoldMs ? 'maxHold' : reason)
    return true
  }

  /** The hold is over. Only the first call counts; it aborts the signal last. */
  lose(reason: LockLossReason): void {
    if (this.#lossReason !== undefined) return
    this.#lossReason = reason
    this.timer?.cancel()
    this.#owner.lost(this, reason)
    this.#controller?.abort(this.lossError(reason))
  }

  lossError(reason: LockLossReason): LockLostError {
    return new LockLostError(titleOf(this.resource), reason, this.fence)
  }

  extend(ttlMs: number): Promise<LockExtension> {
    return this.#owner.extend(this, ttlMs)
  }

  raiseFence(floor: string): Promise<string> {
    return this.#owner.raiseFence(this, floor)
  }

  /** One more handle shares this hold. */
  enter(): void {
    this.#entries += 1
  }

  /** A handle is given back; the last one gives back the lock. */
  leave(): Promise<LockRelease> {
    this.#entries -= 1
    if (this.#entries === 0) return this.#owner.release(this)
    return Promise.resolve(this.#lossReason === undefined ? 'released' : 'expired')
  }

  /** Given back: whoever still looks at the rest learns that it is over. */
  end(): void {
    this.#lossReason = 'released'
    this.timer?.cancel()
  }
}
