/** What a caller holds: a lock, and everything that can be asked of it and done with it. */

import type { LockResource } from './lock-names.js'

/**
 * What became of a lock that was given back. `released`: it was held until now. `expired`: its lease had ended.
 * `lost`: it was gone or another's before its lease ended. `unknown`: Redis did not answer; the lease ends by
 * itself, and giving back is tried on until then.
 */
export type LockRelease = 'released' | 'expired' | 'lost' | 'unknown'

/** `extended`: the lease begins anew. `lost`: it is not held any more. `unknown`: Redis did not answer in time. */
export type LockExtension = 'extended' | 'lost' | 'unknown'

/** A lock that is held: of one Redis or of a quorum, with a fence or without. */
export interface HeldLock extends AsyncDisposable {
  readonly resource: LockResource
  /** Who holds it, as others see it. */
  readonly holder: string
  /**
   * How long the lock is certainly still held without another renewal, in ms; 0 when it is lost. Reads the
   * clocks, so that it is right after a blocked event loop too. Cost: about 100 ns.
   */
  readonly remainingMs: number
  /**
   * Aborts with a `LockLostError` when the lock is lost, at the latest before its lease ends, whatever Redis does.
   * A blocked event loop cannot be told: call `assertHeld` after long computations and before each write.
   */
  readonly signal: AbortSignal
  /**
   * Returns if the lock is held now, by this machine's clocks.
   *
   * @throws {LockLostError} `LOCK_LOST`, not retryable.
   */
  assertHeld(): void
  /** Begins the lease anew with `ttlMs`, or with the one it was acquired with. Never throws for a lost lock. */
  extend(ttlMs?: number): Promise<LockExtension>
  /** Gives the lock back, once; further calls get the same answer. Never throws for an expired lock. */
  release(): Promise<LockRelease>
}

/** A lock with a fence. */
export interface Lock extends HeldLock {
  /**
   * A number that grows with each grant of the lock, as decimal text. Show it to whatever is written under the
   * lock, so that the late write of a former holder is refused.
   */
  readonly fence: string
  /** The same as a number; fences are below 2^53. */
  readonly fenceNumber: number
  /**
   * Takes a new fence above `floor`, for a row that has seen a higher one (the clock of Redis was set back, or
   * its data are gone). `fence` is the new one from then on.
   *
   * @throws {LockLostError} `LOCK_LOST` when the lock is not held any more: then the row is right.
   * @throws {LockUnavailableError} `LOCK_UNAVAILABLE`, retryable.
   */
  raiseFence(floor: string): Promise<string>
}

/** What a caller may ask of a lock. */
export interface AcquireOptions {
  /** Length of the lease, in ms: after a crash the lock is free that much later. From 100 to a day. @defaultValue 30_000 */
  readonly ttlMs?: number | undefined
  /** How long to wait for others, in ms, a day at most; 0 asks once. @defaultValue 10_000 */
  readonly waitMs?: number | undefined
  /** Whether the lease is renewed, at a third of it, while the lock is held. @defaultValue true */
  readonly renew?: boolean | undefined
  /** Longest hold, in ms, whatever is renewed; then the lock counts as lost. From 100 to a day. @defaultValue 900_000 */
  readonly maxHoldMs?: number | undefined
  /** Ends the wait; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * A lock held by the caller: if it is of the same resource, this call joins it instead of waiting for itself.
   * The lock is given back when all who joined have given it back.
   */
  readonly within?: HeldLock | undefined
}

/** What a caller may ask of a lock with a fence. */
export interface FencedAcquireOptions extends AcquireOptions {
  /** The fence must be greater than this one, which a row has seen. Costs a call only when it is not. */
  readonly fenceAbove?: string | undefined
}

/** A section of work under a lock. */
export type LockSection<L, T> = (lock: L) => Promise<T> | T

/** One lock of a list of those that are held. */
export interface LockView {
  readonly resource: LockResource
  readonly holder: string
  readonly fence: string
  readonly remainingMs: number
}
