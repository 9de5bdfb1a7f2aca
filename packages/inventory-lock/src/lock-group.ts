/** Several locks as one: taken in the order of their keys, given back in the reverse one. */

import { type Clock, InvalidInputError, objectInput, listInput } from '@kerp/core'
import type { HeldLock, LockRelease } from './lock.js'
import { isSameResource, type LockResource, titleOf } from './lock-names.js'

/** The most locks of one group. */
const GROUP_MAX = 100

const WORST_FIRST: readonly LockRelease[] = ['lost', 'expired', 'unknown', 'released']

/** Several locks that are held together. */
export class LockGroup<L extends HeldLock = HeldLock> implements AsyncDisposable {
  /** In the order of their keys. */
  readonly locks: readonly L[]
  /** Aborts when the first of them is lost. */
  readonly signal: AbortSignal

  constructor(locks: readonly L[]) {
    this.locks = locks
    this.signal = AbortSignal.any(locks.map(({ signal }) => signal))
  }

  /** For messages: the locks as `TYPE:ID`. */
  get title(): string {
    return this.locks.map(({ resource }) => titleOf(resource)).join(', ')
  }

  /** The shortest rest of all, in ms. */
  get remainingMs(): number {
    return Math.min(...this.locks.map(({ remainingMs }) => remainingMs))
  }

  /**
   * The lock of one resource, with its own fence.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for a resource that is not of this group.
   */
  of(resource: LockResource): L {
    const lock = this.locks.find(({ resource: other }) => isSameResource(other, resource))
    if (lock === undefined) throw new InvalidInputError('resource', 'one of the group', resource.id)
    return lock
  }

  /** @throws {LockLostError} `LOCK_LOST` when one of them is not held any more. */
  assertHeld(): void {
    for (const lock of this.locks) lock.assertHeld()
  }

  /** Gives all back; the worst of the results. Never throws. */
  async release(): Promise<LockRelease> {
    const results: LockRelease[] = []
    for (const lock of [...this.locks].reverse()) results.push(await lock.release())
    return WORST_FIRST.find((result) => results.includes(result)) ?? 'released'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}

/** What taking a group needs. */
export interface GroupOptions {
  readonly clock: Clock
  /** The key of a resource: what is sorted, and what tells duplicates. */
  readonly nameOf: (resource: LockResource) => string
  /** For all together, in ms. */
  readonly waitMs: number
}

/**
 * Takes all, each as `acquire` does with the rest of the wait.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for none or more than 100.
 */
export async function acquireGroup<L extends HeldLock>(
  { clock, nameOf, waitMs }: GroupOptions,
  resources: readonly LockResource[],
  acquire: (resource: LockResource, restMs: number) => Promise<L>,
): Promise<LockGroup<L>> {
  const byName = new Map(
    listInput('resources', resources).map((resource) => [
      nameOf(objectInput('resource', resource)),
      resource,
    ]),
  )
  if (byName.size === 0 || byName.size > GROUP_MAX) {
    throw new InvalidInputError('resources', `1 to ${GROUP_MAX} different resources`, resources)
  }
  // Keys are ASCII, so that the order of texts is that of bytes, and the same in every process.
  const inOrder = [...byName].sort(([a], [b]) => (a < b ? -1 : 1))
  const endMs = clock.monotonicMs() + waitMs
  const locks: L[] = []
  try {
    for (const [, resource] of inOrder) {
      locks.push(await acquire(resource, Math.max(0, Math.round(endMs - clock.monotonicMs()))))
    }
    const group = new LockGroup(locks)
    group.assertHeld()
    return group
  } catch (error) {
    for (const lock of locks.reverse()) await lock.release()
    throw error
  }
}
