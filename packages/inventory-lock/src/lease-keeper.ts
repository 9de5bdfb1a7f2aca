/**
 * Watches every hold of a process from one timer wheel: renews leases in batches, ends holds in time.
 *
 * A hold whose lease is over is lost by the local timer, whatever Redis does: the timer is set before a renewal
 * is sent, not after it failed.
 */

import { type Clock, TimerWheel } from '@kerp/core'
import type { Holding } from './holding.js'
import type { LockExtension } from './lock.js'
import { type ClockReading, type Lease, readClocks } from './lease.js'

/** How one renewal ended: `unknown` is tried again until the lease is over. */
export type Renewal = 'renewed' | 'taken' | 'unknown'

/** Sends renewals; answers in the order of the holds. Never rejects. */
export type Renewer<G extends Lease> = (
  holdings: readonly Holding<G>[],
  deadlineMs: number,
) => Promise<readonly Renewal[]>

/** What a keeper is made of. */
export interface LeaseKeeperOptions<G extends Lease> {
  readonly clock: Clock
  readonly renewer: Renewer<G>
  /** Lists holds that are not renewed and leaves their leases as they are; left out where there is no list. */
  readonly lister?: Renewer<G> | undefined
  /** After this time a hold is renewed for the first time, which lists it for others, in ms. */
  readonly firstRenewalMs: number
}

/** Resolution of the wheel, in ms; far below the margin of the shortest lease. */
const TICK_MS = 10

/** The longest that one renewal may take, in ms. */
const RENEWAL_MS_MAX = 250

/** Renews and ends the holds of one process. */
export class LeaseKeeper<G extends Lease> {
  readonly #clock: Clock
  readonly #renewer: Renewer<G>
  readonly #lister: Renewer<G> | undefined
  readonly #firstRenewalMs: number
  readonly #wheel: TimerWheel
  #due: Holding<G>[] = []

  constructor({ clock, renewer, lister, firstRenewalMs }: LeaseKeeperOptions<G>) {
    this.#clock = clock
    this.#renewer = renewer
    this.#lister = lister
    this.#firstRenewalMs = firstRenewalMs
    this.#wheel = new TimerWheel(clock, TICK_MS)
  }

  /** Begins to watch a hold. */
  keep(holding: Holding<G>, now: ClockReading): void {
    const restMs = holding.remainingMsAt(now)
    // Handed-over leases are short and have begun before: half of what is left is the latest sensible moment.
    const renewMs = Math.min(this.#firstRenewalMs, holding.ttlMs / 3, restMs / 2)
    const looksSoon = holding.renew || this.#lister !== undefined
    this.#lookIn(holding, looksSoon ? renewMs : restMs, now.monotonicMs)
  }

  /** Renews now, whatever `renew` says. */
  async extend(holding: Holding<G>, ttlMs: number): Promise<LockExtension> {
    const before = holding.ttlMs
    holding.ttlMs = ttlMs
    const [renewal = 'unknown'] = await this.#renew([holding])
    if (renewal === 'unknown') {
      holding.ttlMs = before
      return 'unknown'
    }
    return renewal === 'renewed' && holding.remainingMs > 0 ? 'extended' : 'lost'
  }

  #lookIn(holding: Holding<G>, delayMs: number, fromMs = this.#clock.monotonicMs()): void {
    holding.timer?.cancel()
    holding.timer = this.#wheel.schedule(delayMs, () => this.#look(holding), fromMs)
  }

  #look(holding: Holding<G>): void {
    const now = readClocks(this.#clock)
    if (holding.loseIfOver(now, holding.renew ? 'unreachable' : 'expired')) return
    const restMs = holding.remainingMsAt(now)
    this.#lookIn(holding, restMs)
    if (!isRenewed(holding, now) && (this.#lister === undefined || holding.isListed)) return
    this.#due.push(holding)
    if (this.#due.length === 1) queueMicrotask(() => this.#serveDue())
  }

  #serveDue(): void {
    const due = this.#due
    this.#due = []
    const now = readClocks(this.#clock)
    const renewed = due.filter((holding) => isRenewed(holding, now))
    const listed = due.filter((holding) => !isRenewed(holding, now))
    if (renewed.length > 0) void this.#renew(renewed)
    if (listed.length > 0) void this.#list(listed)
  }

  async #list(holdings: readonly Holding<G>[]): Promise<void> {
    const answers = (await this.#lister?.(holdings, RENEWAL_MS_MAX)) ?? []
    holdings.forEach((holding, index) => {
      if (holding.lossReason !== undefined) return
      if (answers[index] === 'taken') holding.lose('taken')
      else if (answers[index] === 'renewed') holding.isListed = true
      else this.#lookIn(holding, Math.min(holding.remainingMs, holding.ttlMs / 6))
    })
  }

  async #renew(holdings: readonly Holding<G>[]): Promise<readonly Renewal[]> {
    const begun = readClocks(this.#clock)
    const shortestMs = Math.min(...holdings.map(({ ttlMs }) => ttlMs))
    const renewals = await this.#renewer(holdings, Math.min(shortestMs / 6, RENEWAL_MS_MAX))
    holdings.forEach((holding, index) => this.#renewed(holding, begun, renewals[index] ?? 'unknown'))
    return renewals
  }

  #renewed(holding: Holding<G>, begun: ClockReading, renewal: Renewal): void {
    if (holding.lossReason !== undefined) return
    if (renewal === 'taken') {
      holding.lose('taken')
      return
    }
    if (renewal === 'renewed') {
      holding.isListed = true
      holding.lease.renew(begun, holding.ttlMs)
    }
    const now = readClocks(this.#clock)
    const restMs = holding.remainingMsAt(now)
    if (!holding.renew) this.#lookIn(holding, restMs)
    else if (renewal === 'renewed') this.#lookIn(holding, Math.min(restMs, this.#nextRenewalMs(holding, now)))
    else this.#lookIn(holding, Math.min(restMs, holding.ttlMs / 6))
  }

  /** A third of the lease, at a moment that leases of the same length share, so that they are renewed together. */
  #nextRenewalMs({ ttlMs }: Holding<G>, { monotonicMs }: ClockReading): number {
    const gridMs = Math.max(TICK_MS, ttlMs / 30)
    return Math.floor((monotonicMs + ttlMs / 3) / gridMs) * gridMs - monotonicMs
  }
}

/** There is nothing to gain from a renewal when the hold ends before its lease does. */
function isRenewed(holding: Holding, now: ClockReading): boolean {
  return holding.renew && holding.remainingMsAt(now) >= holding.lease.remainingMsAt(now)
}
