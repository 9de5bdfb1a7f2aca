/**
 * Works that arrive together share one transaction, and each caller gets its own answer.
 *
 * While a transaction runs, new works wait and make the next one larger, so that a hot row costs one lock and one
 * flush of the log per batch. Everything is bounded: callers (`queueMax`), works and rows of a transaction
 * (`batchMax`, `batchRowsMax`), transactions at once (`batchesInFlightMax`), and the time of every call (`deadlineMs`).
 */

import {
  type Clock,
  ClosedError,
  closeOnce,
  jitteredBackoffMs,
  type KerpError,
  OverloadedError,
  type RandomSource,
  type Timer,
} from '@kerp/core'
import { BatchCallers, type BatchWork, type Waiting } from './batch-callers.js'
import {
  type Group,
  type GroupRules,
  impatientHalves,
  type Retried,
  timeIsUp,
  type Verdict,
  verdictOf,
} from './batch-group.js'
import type { BatchEnd, BatchLimits } from './batch-run.js'

/** The bounds of a queue. */
export interface BatchBounds {
  readonly queueMax: number
  readonly batchMax: number
  readonly batchRowsMax: number
  readonly batchesInFlightMax: number
  readonly deadlineMs: number
  readonly lockTimeoutMs: number
  readonly outageMs: number
}

/** What one kind of work is. */
export interface BatchKind<W extends BatchWork, R, A>
  extends Pick<GroupRules<W>, 'operation' | 'unknown' | 'typed' | 'rejected'> {
  /** For `CLOSED` and `OVERLOADED`. */
  readonly owner: string
  /** Does the works in one transaction. Never rejects. */
  run(works: readonly W[], limits: BatchLimits): Promise<BatchEnd<R>>
  /** Which of the works touch only rows that nobody else has locked now. */
  free(works: readonly W[]): Promise<ReadonlySet<W>>
  /**
   * The answer of a committed work, or why it was refused; `place` 0 is the caller whose call did it. `own` are earlier
   * transactions for this work whose COMMIT was not answered.
   */
  answer(result: R, work: W, place: number, own: readonly string[]): A | KerpError
  /** Observations; they never throw. */
  queued(): void
  began(waiting: number): void
  ended(result: 'committed' | 'retried' | 'bisected' | 'failed', works: number, elapsedMs: number): void
  settled(work: W, answer: A | KerpError, elapsedMs: number): void
}

interface Delayed<W, A> extends Group<Waiting<W, A>> {
  readonly notBeforeMs: number
}

const MARGIN_MS_MAX = 500
/** Works that are passed over for others behind them, when a batch is put together. */
const PASSED_OVER_MAX = 2_000
const BACKOFF = { backoffMs: 5, backoffMsMax: 250 }

/** Does works of one kind. */
export class BatchQueue<W extends BatchWork, R, A extends object> {
  readonly close: () => Promise<void>
  readonly #callers: BatchCallers<W, A>
  readonly #kind: BatchKind<W, R, A>
  readonly #bounds: BatchBounds
  readonly #clock: Clock
  readonly #random: RandomSource
  /** First come, first served; one deadline for all, so the first one's time is up first. */
  #fresh: Waiting<W, A>[] = []
  #delayed: Delayed<W, A>[] = []
  /** The groups that a transaction is at, and how many of them are at each row. */
  readonly #busyRows = new Map<string, number>()
  #running = 0
  #isWoken = false
  #timer: Timer | undefined
  #onIdle: (() => void) | undefined

  constructor(kind: BatchKind<W, R, A>, bounds: BatchBounds, clock: Clock, random: RandomSource) {
    this.#kind = kind
    this.#bounds = bounds
    this.#clock = clock
    this.#random = random
    this.#callers = new BatchCallers(clock, bounds.deadlineMs)
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
  add(work: W): Promise<A> {
    const { owner } = this.#kind
    if (this.#onIdle !== undefined) return Promise.reject(new ClosedError(owner))
    if (this.#callers.size >= this.#bounds.queueMax) {
      return Promise.reject(new OverloadedError(owner, 'queueMax', this.#bounds.queueMax))
    }
    return new Promise((resolve, reject) => {
      const waiting = this.#callers.add(work, { resolve, reject })
      if (waiting === undefined) return
      this.#fresh.push(waiting)
      this.#kind.queued()
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
    while (this.#running < this.#bounds.batchesInFlightMax) {
      const group = this.#nextDelayed() ?? this.#nextFresh()
      if (group === undefined) break
      this.#occupy(group, 1)
      this.#kind.began(this.#callers.size)
      void this.#run(group)
    }
    this.#setTimer()
  }

  #nextDelayed(): Group<Waiting<W, A>> | undefined {
    const nowMs = this.#clock.monotonicMs()
    const index = this.#delayed.findIndex((group) => group.notBeforeMs <= nowMs)
    return index < 0 ? undefined : this.#delayed.splice(index, 1)[0]
  }

  #nextFresh(): Group<Waiting<W, A>> | undefined {
    const { batchMax, batchRowsMax, lockTimeoutMs } = this.#bounds
    const entries: Waiting<W, A>[] = []
    const later: Waiting<W, A>[] = []
    let rows = 0
    let seen = 0
    const blocked = new Set<string>()
    for (const waiting of this.#fresh) {
      const { work } = waiting
      if (later.length >= PASSED_OVER_MAX) break
      // On a row that a transaction of ours is at, it would only wait: here it can share the next one with others.
      if (this.#mustWait(work.rows, blocked) || !this.#callers.leads(waiting)) {
        for (const row of work.rows) blocked.add(row)
        later.push(waiting)
        seen += 1
        continue
      }
      const { size, isAlone = false } = work
      rows += size
      if (entries.length > 0 && (entries.length >= batchMax || rows > batchRowsMax || isAlone)) break
      seen += 1
      entries.push(waiting)
      if (isAlone) break
    }
    if (entries.length === 0) return undefined
    this.#fresh = [...later, ...this.#fresh.slice(seen)]
    return { entries, attempts: 0, lockTimeoutMs, unknown: false, own: [] }
  }

  async #run(group: Group<Waiting<W, A>>): Promise<void> {
    const startMs = this.#clock.monotonicMs()
    const deadlineMs = Math.max(1, firstEndMs(group) - startMs)
    const lockTimeoutMs = Math.ceil(Math.min(group.lockTimeoutMs, deadlineMs))
    const works = group.entries.map((entry) => entry.work)
    const end = await this.#kind.run(works, { deadlineMs, lockTimeoutMs })
    const elapsedMs = this.#clock.monotonicMs() - startMs
    if (end.kind === 'committed') {
      this.#kind.ended('committed', works.length, elapsedMs)
      // The next transaction sets out first: the database works while the callers of this one are told.
      this.#occupy(group, -1)
      this.#pump()
      for (const entry of group.entries) this.#answer(entry, end.result, group.own)
      // Others under the names that were just settled have waited for that.
      if (this.#fresh.length > 0) this.#wake()
    } else {
      const verdict = verdictOf<W, Waiting<W, A>>(group, end, this.#rules())
      const result =
        verdict.retried.length > 1 ? 'bisected' : verdict.rejected.length > 0 ? 'failed' : 'retried'
      this.#kind.ended(result, works.length, elapsedMs)
      await this.#obey(verdict)
      this.#occupy(group, -1)
      this.#pump()
    }
    this.#tellIdle()
  }

  #mustWait(rows: readonly string[], blocked: ReadonlySet<string>): boolean {
    return rows.some((row) => this.#busyRows.has(row) || blocked.has(row))
  }

  #occupy(group: Group<Waiting<W, A>>, by: 1 | -1): void {
    this.#running += by
    for (const { work } of group.entries) {
      for (const row of work.rows) {
        const count = (this.#busyRows.get(row) ?? 0) + by
        if (count === 0) this.#busyRows.delete(row)
        else this.#busyRows.set(row, count)
      }
    }
  }

  #answer(entry: Waiting<W, A>, result: R, own: readonly string[]): void {
    this.#callers.settle(entry, ({ resolve, reject }, place, elapsedMs) => {
      const answer = this.#kind.answer(result, entry.work, place, own)
      this.#kind.settled(entry.work, answer, elapsedMs)
      if (answer instanceof Error) reject(answer)
      else resolve(answer)
    })
  }

  #refuse(entry: Waiting<W, A>, error: KerpError): void {
    this.#callers.settle(entry, ({ reject }, _place, elapsedMs) => {
      this.#kind.settled(entry.work, error, elapsedMs)
      reject(error)
    })
  }

  async #obey(verdict: Verdict<Waiting<W, A>>): Promise<void> {
    for (const { entry, error } of verdict.rejected) this.#refuse(entry, error)
    const retried: Retried<Waiting<W, A>>[] = [...verdict.retried]
    if (verdict.separate !== undefined) retried.push(...(await this.#separate(verdict.separate)))
    const nowMs = this.#clock.monotonicMs()
    for (const { backOff, ...group } of retried) {
      const waitMs = backOff ? jitteredBackoffMs(group.attempts, { ...BACKOFF, random: this.#random }) : 0
      this.#delayed.push({ ...group, notBeforeMs: nowMs + waitMs })
    }
  }

  /**
   * Works on free rows go again at once, the others after a moment; without an answer all wait. If all rows are free by
   * now, or the hindrance cannot be seen, as a row that another transaction is just making, halves find it.
   */
  async #separate(group: Group<Waiting<W, A>>): Promise<readonly Retried<Waiting<W, A>>[]> {
    const works = group.entries.map((entry) => entry.work)
    const free = await this.#kind.free(works).catch(() => new Set<W>())
    if (free.size === works.length) return impatientHalves(group)
    const next = { ...group, attempts: group.attempts + 1 }
    const part = (isFree: boolean): Retried<Waiting<W, A>> => ({
      ...next,
      entries: group.entries.filter((entry) => free.has(entry.work) === isFree),
      backOff: !isFree,
    })
    return [part(true), part(false)].filter(({ entries }) => entries.length > 0)
  }

  #rules(): GroupRules<W> {
    const { operation } = this.#kind
    return {
      operation,
      nowMs: this.#clock.monotonicMs(),
      outageMs: this.#bounds.outageMs,
      unknown: (work, cause) => this.#kind.unknown(work, cause),
      typed: (error) => this.#kind.typed(error),
      rejected: (work, sqlState, cause) => this.#kind.rejected(work, sqlState, cause),
    }
  }

  /** Refuses what can no longer be done in time, before it drags others into a transaction that is cut off. */
  #expire(): void {
    const rules = this.#rules()
    const { nowMs } = rules
    let expired = 0
    for (const waiting of this.#fresh) {
      if (waiting.endMs - marginMs(this.#bounds) > nowMs) break
      this.#refuse(waiting, timeIsUp({ unknown: false }, waiting.work, rules))
      expired += 1
    }
    if (expired > 0) this.#fresh = this.#fresh.slice(expired)
    for (const group of this.#delayed) {
      const over = group.entries.filter((entry) => entry.endMs <= nowMs)
      for (const entry of over) this.#refuse(entry, timeIsUp(group, entry.work, rules))
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
    const isBusy = this.#running >= this.#bounds.batchesInFlightMax
    let nextMs = (this.#fresh[0]?.endMs ?? Infinity) - marginMs(this.#bounds)
    for (const group of this.#delayed) {
      nextMs = Math.min(nextMs, firstEndMs(group), isBusy ? Infinity : group.notBeforeMs)
    }
    if (nextMs === Infinity) return
    const waitMs = Math.max(1, Math.ceil(nextMs - this.#clock.monotonicMs()))
    this.#timer = this.#clock.setTimer(waitMs, () => this.#pump())
  }

  #tellIdle(): void {
    if (this.#callers.size === 0) this.#onIdle?.()
  }
}

/** What is left of a deadline must be worth starting a transaction. */
function marginMs(bounds: BatchBounds): number {
  return Math.min(MARGIN_MS_MAX, bounds.deadlineMs / 5)
}

function firstEndMs<W, A>(group: Group<Waiting<W, A>>): number {
  return group.entries.reduce((first, entry) => Math.min(first, entry.endMs), Infinity)
}
