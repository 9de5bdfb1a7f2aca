/** What every provider of locks offers beyond taking one: sections, and several locks at once. */

import { type Clock, type Closable, InvalidInputError } from '@kerp/core'
import type { AcquireOptions, HeldLock, LockSection } from './lock.js'
import { acquireGroup, type LockGroup } from './lock-group.js'
import { type LockResource, titleOf } from './lock-names.js'
import { runSection } from './run-section.js'

/**
 * Locks of one Redis (`Locks`) or of several independent ones (`createQuorumLocks`), behind one interface.
 *
 * What differs is the handle: `L` has a fence only where one is given.
 */
export abstract class LockProvider<L extends HeldLock, O extends AcquireOptions = AcquireOptions>
  implements Closable
{
  /** Ends waits at once, gives sections that run a while, then aborts their signals. */
  abstract readonly close: () => Promise<void>
  protected abstract readonly clock: Clock

  /**
   * The lock if it is free and nobody waits for it, else null. One round trip; none if this process has it. Settles by
   * the deadline of that round trip.
   *
   * @throws {LockUnavailableError} `LOCK_UNAVAILABLE`, retryable.
   * @throws {RedisUnsuitableError} `REDIS_UNSUITABLE` when Redis may evict locks.
   * @throws {InvalidInputError} `INVALID_INPUT`, `INVALID_KEY`.
   */
  abstract tryAcquire(resource: LockResource, options?: O): Promise<L | null>

  /**
   * The lock, as soon as those who asked before have had their turn. Uncontended: one round trip.
   *
   * @throws {LockBusyError} `LOCK_BUSY`, retryable, after `waitMs`.
   * @throws {LockUnavailableError} `LOCK_UNAVAILABLE`, retryable, when Redis did not answer until then.
   * @throws {OverloadedError} `OVERLOADED`, retryable, beyond `waitersMax` or `locksMax`.
   * @throws {RedisUnsuitableError} `REDIS_UNSUITABLE` when Redis may evict locks.
   * @throws {InvalidInputError} `INVALID_INPUT`, `INVALID_KEY`.
   */
  abstract acquire(resource: LockResource, options?: O): Promise<L>

  /**
   * Runs `section` under the lock and gives it back. The section's error is thrown as it is; a `FencedError` raises
   * the company's fences above the row's first.
   *
   * @throws {LockLostError} `LOCK_LOST` when the lock was lost before the section ended, even if it returned.
   * @throws What `acquire` throws.
   */
  async withLock<T>(resource: LockResource, options: O, section: LockSection<L, T>): Promise<T> {
    checkSection(section)
    return runSection(await this.acquire(resource, options), titleOf(resource), section)
  }

  /**
   * All of several locks, duplicates once, in the order of their keys, so that two callers can never wait for
   * each other; `waitMs` is for all together. Gives back what it has when one cannot be had.
   *
   * @throws What `acquire` throws, and `INVALID_INPUT` for none or more than 100.
   */
  acquireAll(resources: readonly LockResource[], options?: O): Promise<LockGroup<L>> {
    const nameOf = (resource: LockResource): string => this.nameOf(resource)
    const waitMs = this.waitMsOf(options)
    return acquireGroup({ clock: this.clock, nameOf, waitMs }, resources, (resource, restMs) =>
      this.acquire(resource, this.withWait(options, restMs)),
    )
  }

  /** Like `withLock`, under all of several locks. */
  async withLocks<T>(
    resources: readonly LockResource[],
    options: O,
    section: LockSection<LockGroup<L>, T>,
  ): Promise<T> {
    checkSection(section)
    const group = await this.acquireAll(resources, options)
    return runSection(group, group.title, section)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The key of a resource. */
  protected abstract nameOf(resource: LockResource): string
  /** How long a call with these options waits, in ms. */
  protected abstract waitMsOf(options: O | undefined): number
  /** The same options with another wait. */
  protected abstract withWait(options: O | undefined, waitMs: number): O
}

/** @throws {InvalidInputError} `INVALID_INPUT` before anything is asked, for options that were left out, too. */
function checkSection(section: unknown): void {
  if (typeof section === 'function') return
  throw new InvalidInputError('section', 'a function, behind the resource and the options', section)
}
