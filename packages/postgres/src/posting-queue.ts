/**
 * The posting queue: vouchers that arrive together share one transaction, and each caller gets its own answer.
 *
 * While a transaction runs, new vouchers wait and make the next one larger, so that a hot account costs one row
 * lock and one flush of the log per batch. Everything is bounded: callers (`queueMax`), vouchers and lines of a
 * transaction (`batchMax`, `batchLinesMax`), transactions at once (`batchesInFlightMax`), and the time of every
 * call (`deadlineMs`).
 */

import {
  type Clock,
  ClosedError,
  closeOnce,
  jitteredBackoffMs,
  OverloadedError,
  type RandomSource,
  type Timer,
} from '@kerp/core'
import { type BatchContext, runBatch } from './posting-batch.js'
import { PostingCallers, type Waiting } from './posting-callers.js'
import { type Group, type Retried, timeIsUp, type Verdict, verdictOf } from './posting-group.js'
import { separateLocked } from './posting-separate.js'
import type { PostingResult } from './posting-transaction.js'
import type { PostedVoucher } from './voucher.js'
import type { CheckedVoucher } from './checked-voucher.js'

/** The bounds of a queue. */
export interface PostingBounds {
  readonly queueMax: number
  readonly batchMax: number
  readonly batchLinesMax: number
  readonly batchesInFlightMax: number
  readonly deadlineMs: number
  readonly lockTimeoutMs: number
  readonly outageMs: number
}

/** What a queue works with. */
export interface PostingQueueParts extends BatchContext {
  readonly clock: Clock
  readonly random: RandomSource
  readonly bounds: PostingBounds
  /** Called after each commit that wrote outbox rows. */
  readonly onCommitted: () => void
}

interface Delayed extends Group<Waiting> {
  readonly notBeforeMs: number
}

const MARGIN_MS_MAX = 500
const BACKOFF = { backoffMs: 5, backoffMsMax: 250 }

/** Posts checked vouchers. */
export class PostingQueue {
  readonly close: () => Promise<void>
  readonly #callers: PostingCallers
  /** First come, first served; one deadline for all, so the first one's time is up first. */
  #fresh: Waiting[] = []
  #delayed: Delayed[] = []
  #running = 0
  #isWoken = false
  #timer: Timer | undefined
  #onIdle: (() => void) | undefined

  constructor(private readonly parts: PostingQueueParts) {
    this.#callers = new PostingCallers(parts.clock, parts.observer, parts.bounds.deadlineMs)
    this.close = closeOnce(async () => {
      const idle = new Promise<void>((resolve) => (this.#onIdle = resolve))
      this.#tellIdle()
      await idle
    })
  }

  /** How many calls wait for their answer. */
  get size(): number {
    return this.#callers.size
  }

  /** Settles by the deadline. */
  post(voucher: CheckedVoucher): Promise<PostedVoucher> {
    if (this.#onIdle !== undefined) return Promise.reject(new ClosedError('Ledger'))
    const { queueMax } = this.parts.bounds
    if (this.#callers.size >= queueMax) {
      return Promise.reject(new OverloadedError('Ledger', 'queueMax', queueMax))
    }
    return new Promise((resolve, reject) => {
      const waiting = this.#callers.add(voucher, { resolve, reject })
      if (waiting === undefined) return
      this.#fresh.push(waiting)
      this.parts.observer.step?.({ name: 'posting.queued' })
      this.#wake()
    })
  }

  /** Soon, not now: callers that are answered by one batch come back together and make the next one. */
  #wake(): void {
    if (this.#isWoken) return
    this.#isWoken = true
    void Promise.resolve()
      .then(() => undefined)
      .then(() => this.#pump())
  }

  #pump(): void {
    this.#isWoken = false
    this.#expire()
    while (this.#running < this.parts.bounds.batchesInFlightMax) {
      const group = this.#nextDelayed() ?? this.#nextFresh()
      if (group === undefined) break
      this.#running += 1
      this.parts.observer.postingQueue?.({ waiting: this.#callers.size })
      void this.#run(group)
    }
    this.#setTimer()
  }

  #nextDelayed(): Group<Waiting> | undefined {
    const nowMs = this.parts.clock.monotonicMs()
    const index = this.#delayed.findIndex((group) => group.notBeforeMs <= nowMs)
    return index < 0 ? undefined : this.#delayed.splice(index, 1)[0]
  }

  #nextFresh(): Group<Waiting> | undefined {
    const { batchMax, batchLinesMax, lockTimeoutMs } = this.parts.bounds
    const entries: Waiting[] = []
    const later: Waiting[] = []
    let lines = 0
    let seen = 0
    for (const waiting of this.#fresh) {
      const isReversal = waiting.voucher.reverses !== undefined
      lines += waiting.voucher.lines.length
      // A reversal goes alone: it may have to take back its claim, which only a rollback can.
      if (entries.length > 0 && (entries.length >= batchMax || lines > batchLinesMax || isReversal)) break
      seen += 1
      if (!this.#callers.leads(waiting)) {
        later.push(waiting)
        continue
      }
      entries.push(waiting)
      if (isReversal) break
    }
    if (entries.length === 0) return undefined
    this.#fresh = [...later, ...this.#fresh.slice(seen)]
    return { entries, attempts: 0, lockTimeoutMs, unknown: false }
  }

  async #run(group: Group<Waiting>): Promise<void> {
    const { clock, observer } = this.parts
    const startMs = clock.monotonicMs()
    const deadlineMs = Math.max(1, firstEndMs(group) - startMs)
    const lockTimeoutMs = Math.ceil(Math.min(group.lockTimeoutMs, deadlineMs))
    const vouchers = group.entries.map((entry) => entry.voucher)
    const end = await runBatch(this.parts, vouchers, { deadlineMs, lockTimeoutMs })
    const facts = { vouchers: vouchers.length, elapsedMs: clock.monotonicMs() - startMs }
    if (end.kind === 'committed') {
      observer.postingBatch?.({ result: 'committed', ...facts })
      // The next transaction sets out first: the database works while the callers of this one are told.
      this.#running -= 1
      this.#pump()
      this.#tell(group, end.result)
      // Others under the ids that were just settled have waited for that.
      if (this.#fresh.length > 0) this.#wake()
    } else {
      const nowMs = clock.monotonicMs()
      const verdict = verdictOf(group, end, { nowMs, outageMs: this.parts.bounds.outageMs })
      const result =
        verdict.retried.length > 1 ? 'bisected' : verdict.rejected.length > 0 ? 'failed' : 'retried'
      observer.postingBatch?.({ result, ...facts })
      await this.#obey(verdict)
      this.#running -= 1
      this.#pump()
    }
    this.#tellIdle()
  }

  #tell(group: Group<Waiting>, { epoch, outcomes }: PostingResult): void {
    if (outcomes.some((outcome) => outcome.kind === 'posted')) this.parts.onCommitted()
    group.entries.forEach((entry, index) => {
      const outcome = outcomes[index]
      if (outcome !== undefined) this.#callers.answer(entry, epoch, outcome)
    })
  }

  async #obey(verdict: Verdict<Waiting>): Promise<void> {
    for (const { entry, error } of verdict.rejected) this.#callers.refuse(entry, error)
    const retried: Retried<Waiting>[] = [...verdict.retried]
    if (verdict.separate !== undefined) retried.push(...(await separateLocked(this.parts, verdict.separate)))
    const nowMs = this.parts.clock.monotonicMs()
    for (const { backOff, ...group } of retried) {
      const waitMs = backOff
        ? jitteredBackoffMs(group.attempts, { ...BACKOFF, random: this.parts.random })
        : 0
      this.#delayed.push({ ...group, notBeforeMs: nowMs + waitMs })
    }
  }

  /** Refuses what can no longer be done in time, before it drags others into a transaction that is cut off. */
  #expire(): void {
    const nowMs = this.parts.clock.monotonicMs()
    let expired = 0
    for (const waiting of this.#fresh) {
      if (waiting.endMs - marginMs(this.parts.bounds) > nowMs) break
      this.#callers.refuse(waiting, timeIsUp({ unknown: false }, waiting))
      expired += 1
    }
    if (expired > 0) this.#fresh = this.#fresh.slice(expired)
    for (const group of this.#delayed) {
      const over = group.entries.filter((entry) => entry.endMs <= nowMs)
      for (const entry of over) this.#callers.refuse(entry, timeIsUp(group, entry))
    }
    this.#delayed = this.#delayed
      .map((group) => ({ ...group, entries: group.entries.filter((entry) => entry.endMs > nowMs) }))
      .filter((group) => group.entries.length > 0)
    this.#tellIdle()
  }

  /** One timer for whatever comes first: a group that is tried again, or a deadline. */
  #setTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const { clock, bounds } = this.parts
    const isBusy = this.#running >= bounds.batchesInFlightMax
    let nextMs = (this.#fresh[0]?.endMs ?? Infinity) - marginMs(bounds)
    for (const group of this.#delayed) {
      nextMs = Math.min(nextMs, firstEndMs(group), isBusy ? Infinity : group.notBeforeMs)
    }
    if (nextMs === Infinity) return
    this.#timer = clock.setTimer(Math.max(1, Math.ceil(nextMs - clock.monotonicMs())), () => this.#pump())
  }

  #tellIdle(): void {
    if (this.#callers.size === 0) this.#onIdle?.()
  }
}

/** What is left of a deadline must be worth starting a transaction. */
function marginMs(bounds: PostingBounds): number {
  return Math.min(MARGIN_MS_MAX, bounds.deadlineMs / 5)
}

function firstEndMs(group: Group<Waiting>): number {
  return group.entries.reduce((first, entry) => Math.min(first, entry.endMs), Infinity)
}
