/** The objects that callers get: each is given back by itself, several may share one hold. */

import type { Holding } from './holding.js'
import { checkFence } from '@kerp/core'
import type { HeldLock, Lock, LockExtension, LockRelease } from './lock.js'
import { isSameResource, type LockResource } from './lock-names.js'
import { checkTtlMs } from './lock-options.js'

/** A lock as its holder sees it. */
export class HeldLockHandle implements HeldLock {
  readonly #holding: Holding
  #releasing: Promise<LockRelease> | undefined

  constructor(holding: Holding) {
    this.#holding = holding
  }

  /** The hold behind a handle of this package that is still open; undefined for anything else. */
  static holdingOf(lock: unknown): Holding | undefined {
    if (!(lock instanceof HeldLockHandle) || lock.#releasing !== undefined) return undefined
    return lock.#holding
  }

  get resource(): LockResource {
    return this.#holding.resource
  }

  get holder(): string {
    return this.#holding.holder
  }

  get remainingMs(): number {
    return this.#releasing === undefined ? this.#holding.remainingMs : 0
  }

  get signal(): AbortSignal {
    return this.#holding.signal
  }

  assertHeld(): void {
    if (this.#releasing !== undefined) throw this.#holding.lossError('released')
    this.#holding.assertHeld()
  }

  async extend(ttlMs = this.#holding.ttlMs): Promise<LockExtension> {
    checkTtlMs(ttlMs)
    if (this.remainingMs <= 0) return 'lost'
    return this.#holding.extend(ttlMs)
  }

  release(): Promise<LockRelease> {
    return (this.#releasing ??= this.#holding.leave())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}

/** A lock with a fence as its holder sees it. */
export class LockHandle extends HeldLockHandle implements Lock {
  readonly #fenced: Holding

  constructor(holding: Holding) {
    super(holding)
    this.#fenced = holding
  }

  get fence(): string {
    return this.#fenced.fence ?? '0'
  }

  get fenceNumber(): number {
    return Number(this.fence)
  }

  async raiseFence(floor: string): Promise<string> {
    checkFence(floor, 'fence', 'floor')
    this.assertHeld()
    return this.#fenced.raiseFence(floor)
  }
}

/**
 * Joins the hold of `within` when it is of this very resource; undefined when it is of another.
 *
 * @throws {LockLostError} `LOCK_LOST` when that lock is not held any more.
 */
export function joinHolding(within: HeldLock | undefined, resource: LockResource): Holding | undefined {
  if (within === undefined) return undefined
  if (!isSameResource(within.resource, resource)) return undefined
  within.assertHeld()
  const holding = HeldLockHandle.holdingOf(within)
  holding?.enter()
  return holding
}
