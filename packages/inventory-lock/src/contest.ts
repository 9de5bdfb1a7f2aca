/**
 * One lock as this process deals with it: one place before Redis for all callers, and what they do in turn.
 *
 * Callers line up inside the process first, and one candidacy asks for all of them. While the process holds the
 * lock it serves several in a row, each with a fence of its own, before it lines up again behind other processes.
 */

import type { Clock } from '@kerp/core'
import { Candidacy, type Candidate, type GrantWay, type Wish } from './candidacy.js'
import type { ContestHost } from './contest-host.js'
import { type LockLossReason, LockUnavailableError } from './errors.js'
import type { Grant } from './grant.js'
import { Holding, type HoldingOwner } from './holding.js'
import { type ClockReading, readClocks, usableMs } from './lease.js'
import type { LockExtension, LockRelease } from './lock.js'
import { type LockNames, titleOf } from './lock-names.js'
import type { ResolvedAcquire } from './lock-options.js'
import { Returning } from './returning.js'
import { Waiter, Waiters } from './waiters.js'

/** The most callers that are served in a row. */
const BLOCK_MAX = 16

const RELEASED: Promise<LockRelease> = Promise.resolve('released')

/** How long the renewal of a late grant may take, in ms. */
const CONFIRM_MS = 250

/** The contest of one process for one lock. */
export class Contest implements HoldingOwner<Grant>, Candidate {
  readonly clock: Clock
  readonly names: LockNames
  readonly #host: ContestHost<Contest>
  readonly #line: Waiters
  #candidacy: Candidacy | undefined
  #grant: Grant | undefined
  #holding: Holding<Grant> | undefined

  constructor(host: ContestHost<Contest>, names: LockNames) {
    this.#host = host
    this.clock = host.clock
    this.names = names
    this.#line = new Waiters(this, host)
  }

  get title(): string {
    return titleOf(this.names.resource)
  }

  /** Who holds the lock in this process. */
  get holding(): Holding<Grant> | undefined {
    return this.#holding
  }

  /** Joins the line. A try is for a contest that has just begun: it is its first caller. */
  enter(options: ResolvedAcquire, isTry: boolean): Promise<Holding | null> {
    const now = readClocks(this.clock)
    const isFirst = this.#candidacy === undefined && this.#grant === undefined
    // The question is on its way before anything else is set up.
    if (isFirst) this.#askFirst({ ttlMs: options.ttlMs, block: 1, isTry }, now)
    const waiter = new Waiter(options, isTry, now.monotonicMs)
    this.#line.join(waiter)
    if (!isFirst) this.#line.startTimers(now.monotonicMs)
    return waiter.result
  }

  /** A message says that the lock was handed to `owner`. Returns whether it is one of ours. */
  handed(owner: string, fence: string): boolean {
    if (this.#candidacy?.owner === owner) {
      this.#candidacy.handed(fence)
      return true
    }
    return this.#grant?.owner === owner
  }

  /** Asks at once, because a message may have been missed. */
  askAgain(): void {
    this.#candidacy?.ask()
  }

  close(): void {
    this.#line.close()
    this.left()
  }

  // ── The callers ────────────────────────────────────────────────────────────────────────────────────────────

  /** A caller gave up waiting. */
  left(): void {
    if (this.#line.size > 0 || this.#candidacy === undefined) return
    this.#candidacy.giveUp()
    this.#candidacy = undefined
    this.#host.forget(this)
  }

  extend(holding: Holding<Grant>, ttlMs: number): Promise<LockExtension> {
    return this.#host.keeper.extend(holding, ttlMs)
  }

  async raiseFence(holding: Holding<Grant>, floor: string): Promise<string> {
    const { commands } = this.#host
    const fence = await commands.raiseFence(this.names, holding.lease.text, floor).catch((cause: unknown) => {
      throw new LockUnavailableError(this.title, cause)
    })
    if (fence === undefined) holding.lose('taken')
    else {
      holding.lease.refence(fence)
      holding.fence = fence
    }
    holding.assertHeld()
    return holding.fence ?? floor
  }

  release(holding: Holding<Grant>): Promise<LockRelease> {
    const grant = holding.lease
    const now = readClocks(this.clock)
    if (holding.loseIfOver(now, 'expired')) return Promise.resolve(this.#returnLost(holding))
    this.#holding = undefined
    grant.isListed ||= holding.isListed
    const next = this.#line.head
    if (next === undefined || !next.options.renew || !grant.canFollowAt(now)) {
      const result = this.#giveBack(grant, now, holding)
      holding.end()
      return result
    }
    holding.end()
    this.#line.shift()
    this.#hold(grant, next, 'local', now)
    this.#host.observations.released('released', holding)
    return RELEASED
  }

  lost(holding: Holding<Grant>, reason: LockLossReason): void {
    this.#host.observations.lost(reason, holding)
    if (holding !== this.#holding) return
    this.#holding = undefined
    this.#grant = undefined
    this.#begin(readClocks(this.clock))
  }

  // ── The candidacy ──────────────────────────────────────────────────────────────────────────────────────────

  wish(): Wish | undefined {
    const { head } = this.#line
    if (head === undefined) return undefined
    return { ttlMs: head.options.ttlMs, block: Math.min(BLOCK_MAX, this.#line.size), isTry: head.isTry }
  }

  granted(grant: Grant, way: GrantWay): void {
    this.#candidacy = undefined
    this.#grant = grant
    const now = readClocks(this.clock)
    const { head } = this.#line
    if (head === undefined) this.#host.background(this.#giveBack(grant, now))
    else if (isEnough(grant, head, now)) {
      this.#line.shift()
      this.#hold(grant, head, way, now)
    } else this.#host.background(this.#confirm(grant, way))
  }

  mustWait(): void {
    this.#line.noteTrouble(undefined)
    this.#line.startTimers(this.clock.monotonicMs())
    if (this.#line.head?.isTry === true) {
      this.#line.turnAwayHead()
      this.left()
      this.#candidacy?.ask()
      return
    }
    this.#host.listen()
  }

  troubled(error: unknown, isFinal: boolean): void {
    this.#line.noteTrouble(error)
    this.#line.startTimers(this.clock.monotonicMs())
    if (isFinal) this.#line.failAll(new LockUnavailableError(this.title, error))
    else if (this.#line.head?.isTry === true) this.#line.failHead(new LockUnavailableError(this.title, error))
    this.left()
  }

  // ── The turns ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Asks for those who wait, or ends the contest. */
  #begin(now: ClockReading): void {
    const wish = this.wish()
    if (wish === undefined) {
      this.#host.forget(this)
      return
    }
    this.#line.startTimers(now.monotonicMs)
    this.#stand(wish, now).ask(wish)
  }

  /** The first caller of all most likely finds the lock free. */
  #askFirst(wish: Wish, now: ClockReading): void {
    const candidacy = this.#stand(wish, now)
    if (this.#host.isContended(this.names)) candidacy.ask(wish)
    else candidacy.take(wish)
  }

  /** A new candidacy for those who wait; its first question is still to be sent. */
  #stand({ ttlMs }: Wish, now: ClockReading): Candidacy {
    const candidacy = new Candidacy(this.#host, this.names, this, ttlMs, now)
    this.#candidacy = candidacy
    return candidacy
  }

  #hold(grant: Grant, waiter: Waiter, way: GrantWay | 'local', now: ClockReading): void {
    const holding = new Holding<Grant>(this, {
      resource: this.names.resource,
      holder: this.#host.holder(),
      fence: grant.takeFence(),
      lease: grant,
      begun: now,
      options: waiter.options,
    })
    this.#holding = holding
    this.#host.keeper.keep(holding, now)
    this.#host.observations.acquired(way, waiter)
    waiter.settle(holding)
  }

  /** The grant came late, or is shorter than the caller wants: begins its lease anew before it is used. */
  async #confirm(grant: Grant, way: GrantWay): Promise<void> {
    const ttlMs = this.#line.head?.options.ttlMs ?? grant.ttlMs
    const begun = readClocks(this.clock)
    const lease = { names: this.names, grant: grant.text, ttlMs }
    const deadlineMs = this.#confirmMs(begun)
    const [isOurs = false] = await this.#host.commands.extend([lease], deadlineMs).catch(() => [])
    const now = readClocks(this.clock)
    if (isOurs) {
      grant.isListed = true
      grant.renew(begun, ttlMs)
    }
    const { head } = this.#line
    if (isOurs && head === undefined) await this.#giveBack(grant, now)
    else if (isOurs && head !== undefined && grant.remainingMsAt(now) > 0) {
      this.#line.shift()
      this.#hold(grant, head, way, now)
    } else {
      this.#grant = undefined
      this.#host.background(this.#host.commands.leave(this.names, grant.owner, ttlMs))
      if (head?.isTry === true) this.#line.failHead(new LockUnavailableError(this.title, undefined))
      this.#begin(now)
    }
  }

  /** A try ends by the deadline of the one call that it is. */
  #confirmMs(now: ClockReading): number {
    const { head } = this.#line
    if (head?.isTry !== true) return CONFIRM_MS
    return Math.max(1, Math.min(CONFIRM_MS, head.begunMs + this.#host.commandMs - now.monotonicMs))
  }

  /** Gives the lock back to Redis; if others of this process wait, asks for it again in the same call. */
  #giveBack(grant: Grant, now: ClockReading, holding?: Holding): Promise<LockRelease> {
    this.#grant = undefined
    const wish = this.wish()
    if (wish === undefined) {
      const returning = new Returning(this.#host, grant, undefined, holding)
      returning.send()
      this.#host.forget(this)
      return returning.result
    }
    const candidacy = this.#stand(wish, now)
    const returning = new Returning(this.#host, grant, candidacy, holding)
    returning.send(candidacy.prepare(wish))
    this.#line.startTimers(now.monotonicMs)
    return returning.result
  }

  /** A lock that was lost is still given back: what Redis keeps of it would only keep others waiting. */
  #returnLost({ lease, lossReason, ttlMs }: Holding<Grant>): LockRelease {
    if (lossReason === 'taken') return 'lost'
    this.#host.background(this.#host.commands.leave(this.names, lease.owner, ttlMs))
    return 'expired'
  }
}

/** A holder that does not renew gets what it asked for; others get at least a quarter of a lease. */
function isEnough(grant: Grant, { options }: Waiter, now: ClockReading): boolean {
  const wantedMs = options.renew ? usableMs(grant.ttlMs) / 4 : usableMs(options.ttlMs) * 0.9
  return grant.remainingMsAt(now) >= wantedMs
}
