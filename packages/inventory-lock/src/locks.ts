/** Distributed locks on one Redis: fair, with fences, leases that end in time, and no polling. */

import {
  type Clock,
  ClosedError,
  closeOnce,
  isRetryableError,
  KerpError,
  retry,
  checkFence,
} from '@kerp/core'
import { Contests } from './contests.js'
import { LockUnavailableError } from './errors.js'
import { checkEviction } from './eviction-guard.js'
import { mergedViews, runningView } from './held-list.js'
import type { Holding } from './holding.js'
import type { FencedAcquireOptions, Lock, LockView } from './lock.js'
import { LockCommands } from './lock-commands.js'
import { joinHolding, LockHandle } from './lock-handle.js'
import { lockNames, type LockNames, type LockResource, titleOf } from './lock-names.js'
import { LockObservations } from './lock-observations.js'
import { LockProvider } from './lock-provider.js'
import {
  type LocksOptions,
  type ResolvedAcquire,
  type ResolvedLocksOptions,
  resolveAcquire,
  resolveLocksOptions,
} from './lock-options.js'

/** The most entries of one list. */
const LIST_MAX = 1_000

/**
 * Locks of one Redis (or its Sentinel or Cluster).
 *
 * While a lease lasts by the server's clock nobody else is granted the lock, unless Redis loses data (restart
 * without persistence, failover to a lagging replica, FLUSHALL): then the fence of the later holder is higher, and
 * whatever compares fences refuses the earlier one.
 *
 * @example
 * const locks = new Locks({ redis: mockRedis(), keys: createKeys() })
 * const resource = { companyId: 'c1', type: 'item', id: 'A-7' }
 * const moved = await locks.withLock(resource, { ttlMs: 10_000, waitMs: 2_000 }, async (lock) => {
 *   lock.assertHeld() // before each write; show the write `lock.fence`
 *   return 'moved'
 * })
 */
export class Locks extends LockProvider<Lock, FencedAcquireOptions> {
  override readonly close = closeOnce(() => this.#end())
  protected readonly clock: Clock
  readonly #options: ResolvedLocksOptions
  readonly #commands: LockCommands
  readonly #observations: LockObservations
  readonly #contests: Contests
  #isSafe = false
  #isClosed = false

  /** @throws {InvalidOptionError} `INVALID_OPTION`. Does no I/O. */
  constructor(options: LocksOptions) {
    super()
    const resolved = resolveLocksOptions(options)
    this.clock = resolved.clock
    this.#options = resolved
    this.#commands = new LockCommands(resolved)
    this.#observations = new LockObservations(resolved.clock, resolved.observer)
    this.#contests = new Contests(resolved, this.#commands, this.#observations)
  }

  async tryAcquire(resource: LockResource, options?: FencedAcquireOptions): Promise<Lock | null> {
    const wanted = resolveAcquire(this.#options, options)
    const names = lockNames(this.#options.keys, resource)
    const joined = joinHolding(wanted.within, names.resource)
    if (joined !== undefined) return new LockHandle(joined)
    await this.#assertReady(names, wanted)
    if (this.#contests.has(names)) {
      this.#observations.busy(this.clock.monotonicMs())
      return null
    }
    const holding = await this.#enter(names, wanted, true)
    if (holding === null) return null
    return options?.fenceAbove === undefined
      ? new LockHandle(holding)
      : this.#fencedAbove(holding, options.fenceAbove)
  }

  async acquire(resource: LockResource, options?: FencedAcquireOptions): Promise<Lock> {
    const wanted = resolveAcquire(this.#options, options)
    const names = lockNames(this.#options.keys, resource)
    const joined = joinHolding(wanted.within, names.resource)
    if (joined !== undefined) return new LockHandle(joined)
    if (!this.#isSafe || this.#isClosed) await this.#assertReady(names, wanted)
    const holding = await this.#enter(names, wanted, false)
    if (holding === null) throw new LockUnavailableError(titleOf(names.resource), undefined)
    return options?.fenceAbove === undefined
      ? new LockHandle(holding)
      : this.#fencedAbove(holding, options.fenceAbove)
  }

  /**
   * Makes every later fence of the company greater than `floor`: for a row that has seen a higher fence than the
   * lock gives, because the clock of Redis was set back.
   *
   * @throws {LockUnavailableError} `LOCK_UNAVAILABLE`, retryable.
   * @throws {InvalidInputError} `INVALID_INPUT` for what is no fence.
   */
  async raiseFence(resource: LockResource, floor: string): Promise<void> {
    checkFence(floor, 'floor', 'floor')
    const names = lockNames(this.#options.keys, resource)
    await this.#commands.raiseFence(names, '', floor).catch((cause: unknown) => {
      throw new LockUnavailableError(titleOf(names.resource), cause)
    })
  }

  /**
   * Locks of a company that are held now, longest rest first: all of this process, and those of others that are
   * held for longer than 100 ms; at most `limit` of them, from 1 to 1,000 and 100 by default. One round trip, no SCAN.
   *
   * @throws {LockUnavailableError} `LOCK_UNAVAILABLE`, retryable.
   */
  async list(
    companyId: string,
    { limit = 100 }: { readonly limit?: number | undefined } = {},
  ): Promise<readonly LockView[]> {
    const max = Math.max(1, Math.min(LIST_MAX, Math.floor(limit)))
    const listed = await this.#commands.list(companyId, max).catch((cause: unknown) => {
      throw new LockUnavailableError('list', cause)
    })
    return mergedViews(listed, this.running(companyId)).slice(0, max)
  }

  /** Locks that this process holds now, of one company or of all. No I/O. */
  running(companyId?: string): readonly LockView[] {
    const holdings = this.#contests.holdings()
    return holdings
      .filter(({ resource }) => companyId === undefined || resource.companyId === companyId)
      .map(runningView)
  }

  protected nameOf(resource: LockResource): string {
    return this.#options.keys.lock(resource)
  }

  protected waitMsOf(options: FencedAcquireOptions | undefined): number {
    return resolveAcquire(this.#options, options).waitMs
  }

  protected withWait(options: FencedAcquireOptions | undefined, waitMs: number): FencedAcquireOptions {
    return { ...options, waitMs }
  }

  async #fencedAbove(holding: Holding, floor: string): Promise<Lock> {
    const lock = new LockHandle(holding)
    try {
      checkFence(floor, 'fenceAbove', 'floor')
      if (BigInt(lock.fence) <= BigInt(floor)) await lock.raiseFence(floor)
      return lock
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  #enter(names: LockNames, wanted: ResolvedAcquire, isTry: boolean): Promise<Holding | null> {
    wanted.signal?.throwIfAborted()
    return this.#contests.of(names).enter(wanted, isTry)
  }

  /** Once: makes sure that this Redis keeps what it is given. */
  async #assertReady(names: LockNames, { waitMs }: ResolvedAcquire): Promise<void> {
    if (this.#isClosed) throw new ClosedError('Locks')
    if (this.#isSafe) return
    const { redis, eviction, commandMs, clock, random } = this.#options
    const check = (): Promise<unknown> =>
      checkEviction(redis, eviction, commandMs).then((finding) => this.#found(finding))
    const deadlineMs = Math.max(waitMs, commandMs)
    await retry(check, { operation: 'locks', deadlineMs, attemptsMax: 100, clock, random }).catch(
      (cause: unknown) => {
        throw isRetryableError(cause) || !(cause instanceof KerpError)
          ? new LockUnavailableError(titleOf(names.resource), cause)
          : cause
      },
    )
  }

  #found(finding: 'safe' | 'unreadable' | 'unsafe'): void {
    if (finding !== 'safe' && !this.#isSafe) this.#observations.warnUnsuitable()
    this.#isSafe = true
  }

  async #end(): Promise<void> {
    this.#isClosed = true
    await this.#contests.close()
  }
}
