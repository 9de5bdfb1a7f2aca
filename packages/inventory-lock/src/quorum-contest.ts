/**
 * One lock of a quorum as this process deals with it: callers line up here, and only the first asks the nodes.
 *
 * Independent nodes know no common queue, so that the first of each process looks again after a random pause.
 */

import { type Clock, isRetryableError, type RandomSource, type TimerWheel } from '@kerp/core'
import { type LockLossReason, LockUnavailableError } from './errors.js'
import { Holding, type HoldingOwner } from './holding.js'
import { Lease, type ClockReading, readClocks } from './lease.js'
import type { LeaseKeeper } from './lease-keeper.js'
import type { LockExtension, LockRelease } from './lock.js'
import { type LockResource, titleOf } from './lock-names.js'
import type { LockObservations } from './lock-observations.js'
import type { ResolvedAcquire } from './lock-options.js'
import type { QuorumGrant, QuorumNodes } from './quorum-nodes.js'
import { Waiter, Waiters } from './waiters.js'

/** The lease of a lock that most nodes granted. */
export class QuorumLease extends Lease {
  constructor(
    readonly grant: QuorumGrant,
    begun: ClockReading,
    ttlMs: number,
  ) {
    super(begun, ttlMs)
  }
}

/** A host's source of fences: greater than all before of this resource, and than `above`. As decimal text. */
export type FenceMint = (resource: LockResource, above?: string) => Promise<string>

/** What the contests of one provider share. */
export interface QuorumHost {
  /** Names the provider in errors. */
  readonly owner: string
  readonly clock: Clock
  readonly random: RandomSource
  readonly wheel: TimerWheel
  readonly keeper: LeaseKeeper<QuorumLease>
  readonly observations: LockObservations
  readonly waitersMax: number
  readonly holder: string
  readonly mintFence: FenceMint | undefined
  /** The open nodes. Rejects with why they cannot be opened. */
  nodes(): Promise<QuorumNodes>
  forget(contest: QuorumContest): void
}

/** The pause before the next look is random between half of this and one and a half, in ms. */
const PAUSE_MS = 50

/** The contest of one process for one lock of a quorum. */
export class QuorumContest implements HoldingOwner<QuorumLease> {
  readonly clock: Clock
  readonly #line: Waiters
  #isBusy = false
  #holding: Holding<QuorumLease> | undefined

  constructor(
    private readonly host: QuorumHost,
    readonly key: string,
    readonly resource: LockResource,
  ) {
    this.clock = host.clock
    this.#line = new Waiters(this, host)
  }

  get title(): string {
    return titleOf(this.resource)
  }

  get holding(): Holding<QuorumLease> | undefined {
    return this.#holding
  }

  /** Joins the line. A try is for a contest that has just begun: it is its first caller. */
  enter(options: ResolvedAcquire, isTry: boolean): Promise<Holding | null> {
    const nowMs = this.clock.monotonicMs()
    const waiter = new Waiter(options, isTry, nowMs)
    this.#line.join(waiter)
    if (!isTry) this.#line.startTimers(nowMs)
    this.#look()
    return waiter.result
  }

  close(): void {
    this.#line.close()
  }

  /** A caller gave up; whoever looks for it finds the line empty. */
  left(): void {
    if (this.#line.size === 0 && !this.#isBusy && this.#holding === undefined) this.host.forget(this)
  }

  extend(holding: Holding<QuorumLease>, ttlMs: number): Promise<LockExtension> {
    return this.host.keeper.extend(holding, ttlMs)
  }

  async raiseFence(holding: Holding<QuorumLease>, floor: string): Promise<string> {
    if (this.host.mintFence === undefined) throw new LockUnavailableError(this.title, undefined)
    const fence = await this.host.mintFence(this.resource, floor)
    holding.assertHeld()
    holding.fence = fence
    return fence
  }

  async release(holding: Holding<QuorumLease>): Promise<LockRelease> {
    const wasOver = holding.loseIfOver(readClocks(this.clock), 'expired')
    if (!wasOver) {
      this.#holding = undefined
      this.#isBusy = true
      holding.end()
    }
    const nodes = await this.host.nodes()
    const verdict = await nodes.unlock(holding.lease.grant)
    if (wasOver) return holding.lossReason === 'taken' ? 'lost' : 'expired'
    const result = verdict === 'yes' ? 'released' : verdict === 'no' ? 'lost' : 'unknown'
    this.host.observations.released(result, holding)
    this.#isBusy = false
    this.#look()
    return result
  }

  lost(holding: Holding<QuorumLease>, reason: LockLossReason): void {
    this.host.observations.lost(reason, holding)
    if (holding !== this.#holding) return
    this.#holding = undefined
    this.#look()
  }

  /** Asks the nodes for the head of the line, or ends the contest. */
  #look(): void {
    if (this.#isBusy || this.#holding !== undefined) return
    const { head } = this.#line
    if (head === undefined) {
      this.host.forget(this)
      return
    }
    this.#isBusy = true
    void this.#askFor(head)
  }

  async #askFor(head: Waiter): Promise<void> {
    let pauseMs = 0
    try {
      const isServed = await this.#ask(head)
      this.#line.noteTrouble(undefined)
      if (!isServed) pauseMs = this.#refuse(head, undefined)
    } catch (error) {
      this.#line.noteTrouble(error)
      pauseMs = this.#refuse(head, error)
    }
    if (pauseMs > 0) {
      this.host.wheel.schedule(pauseMs, () => this.#lookAgain())
      return
    }
    this.#lookAgain()
  }

  #lookAgain(): void {
    this.#isBusy = false
    this.#look()
  }

  /** A try ends here; others wait for their next look. Returns the pause before it. */
  #refuse(head: Waiter, trouble: unknown): number {
    if (trouble !== undefined && !isRetryableError(trouble)) {
      this.#line.failAll(trouble)
      return 0
    }
    if (!head.isTry || this.#line.head !== head) return PAUSE_MS * (0.5 + this.host.random.fraction())
    if (trouble === undefined) this.#line.turnAwayHead()
    else this.#line.failHead(trouble)
    return 0
  }

  /** Whether the head was given the lock. Rejects when the nodes cannot say. */
  async #ask(head: Waiter): Promise<boolean> {
    const { ttlMs } = head.options
    const nodes = await this.host.nodes()
    const begun = readClocks(this.clock)
    const grant = await nodes.lock(this.key, ttlMs)
    if (grant === 'no') return false
    if (grant === 'unknown') throw new LockUnavailableError(this.title, undefined)
    const lease = new QuorumLease(grant, begun, ttlMs)
    const fence = await this.#fenceFor(nodes, grant)
    const now = readClocks(this.clock)
    // Minted after the grant: what comes after the end of the lease may be above the fence of the next holder.
    if (lease.remainingMsAt(now) <= 0 || this.#line.head !== head) {
      await nodes.unlock(grant)
      return false
    }
    this.#line.shift()
    const { resource } = this
    const facts = { resource, holder: this.host.holder, fence, lease, begun: now, options: head.options }
    const holding = new Holding<QuorumLease>(this, facts)
    this.#holding = holding
    this.host.keeper.keep(holding, now)
    this.host.observations.acquired('asked', head)
    head.settle(holding)
    return true
  }

  async #fenceFor(nodes: QuorumNodes, grant: QuorumGrant): Promise<string | undefined> {
    try {
      return await this.host.mintFence?.(this.resource)
    } catch (error) {
      await nodes.unlock(grant)
      throw new LockUnavailableError(this.title, error)
    }
  }
}
