/**
 * Work over a source of any length in memory that depends on the window alone: an item is read when a place is free
 * for it, and none is read while `windowMax` results wait to be taken.
 */

import { AsyncResource } from 'node:async_hooks'
import { ClosedError, NoticeBoard, type Notices, onAbort } from '@kerp/core'
import type { Engine } from './engine.js'
import { ErrorBudgetExceededError, JobCancelledError, JobReturnedError, SourceFailedError } from './errors.js'
import { ItemReader, type ReaderHost, type Source } from './item-source.js'
import type { Feed } from './job-queue.js'
import { type ItemOwner, MapItem } from './map-item.js'
import type { ItemFunction, MapResult, MapSummary, ResolvedMapOptions } from './map-options.js'
import { type Progress, ProgressMeter } from './progress.js'
import { ResultWindow } from './result-window.js'
import type { StopMode } from './stop-options.js'
import type { Verdict } from './unit.js'

/** What a map tells those who listen in its process. */
export type MapNotices = {
  /** At most ten times per second while items end, and once more at the end. */
  readonly progressed: readonly [progress: Progress]
}

/** Items of an async source that are read before a place is free for them. */
const READ_AHEAD_MAX = 16
const NOTICE_MS = 100

/**
 * A map that was begun by `pool.map`: iterate it once, or ask for its `values`, `results` or `summary`.
 *
 * Nothing is read before the first of these. Leaving the loop cancels what runs, waits for it, and closes the source.
 */
export class MapRun<I, R>
  implements AsyncIterableIterator<MapResult<I, R>>, Feed, ItemOwner<I>, ReaderHost<I>
{
  /** @internal */
  isOffered = false
  /** @internal */
  readonly band: number
  readonly #notices = new NoticeBoard<MapNotices>()
  readonly #home = new AsyncResource('KerpMap')
  readonly #meter: ProgressMeter
  readonly #window: ResultWindow<MapResult<I, R>>
  readonly #buffer: MapItem<I>[] = []
  readonly #counts: Record<Verdict, number> = { done: 0, failed: 0, cancelled: 0, returned: 0, abandoned: 0 }
  #reader: ItemReader<I> | undefined
  #read = 0
  #ended = 0
  #isClosed = false
  #failure: { readonly error: unknown } | undefined
  #isNoticeDue = false
  #unlisten: () => void = () => undefined

  /** @internal Made by `pool.map`. */
  constructor(
    readonly engine: Engine,
    /** For errors and reports. */
    readonly id: string,
    readonly source: Source<I>,
    readonly fn: ItemFunction<I, R>,
    readonly options: ResolvedMapOptions,
  ) {
    this.band = options.terms.band
    this.#meter = new ProgressMeter(options.clock, options.total)
    this.#window = new ResultWindow(options.windowMax)
  }

  get companyId(): string | undefined {
    return this.options.terms.companyId
  }

  get notices(): Notices<MapNotices> {
    return this.#notices
  }

  /** How far it is, how fast, and until when. */
  get progress(): Progress {
    return this.#meter.read()
  }

  /** Items that were read and have not ended. */
  get inFlight(): number {
    return this.#read - this.#ended
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /**
   * The next result.
   *
   * @throws what an item threw (`onError: 'throw'`), or {ErrorBudgetExceededError} `ERROR_BUDGET_EXCEEDED`
   * @throws {SourceFailedError} `SOURCE_FAILED`, after the results of all items that the source gave
   * @throws {ClosedError} `CLOSED`: the pool stopped before the source ended
   * @throws {JobCancelledError} `JOB_CANCELLED`: the signal aborted
   */
  next(): Promise<IteratorResult<MapResult<I, R>, undefined>> {
    if (this.#reader === undefined && !this.#isClosed) this.#begin()
    const answer = this.#window.next()
    this.#want()
    this.#finishIfOver()
    return answer
  }

  /** Leaves the map: cancels what runs, and answers when it has ended. */
  return(): Promise<IteratorResult<MapResult<I, R>, undefined>> {
    this.#fail(undefined, 'its map was left')
    const answer = this.#window.over()
    this.#finishIfOver()
    return answer
  }

  /** All values in the order of the source; rejects with the first failure, even where failures are collected. */
  async values(): Promise<R[]> {
    const results = await this.results()
    return results.map((result) => {
      if (!result.ok) throw result.error
      return result.value
    })
  }

  /** All results in the order of the source. */
  async results(): Promise<MapResult<I, R>[]> {
    const results: MapResult<I, R>[] = []
    for await (const result of this) results.push(result)
    return results.sort((one, other) => one.index - other.index)
  }

  /** Works through the source and keeps only counts; rejects as `next` does. */
  async summary(): Promise<MapSummary> {
    for (let step = await this.next(); step.done !== true; step = await this.next()) continue
    return this.counts
  }

  /** What became of the items so far. */
  get counts(): MapSummary {
    return { read: this.#read, ...this.#counts }
  }

  /** @internal */
  take(): MapItem<I> | undefined {
    const ahead = this.#buffer.shift()
    const reader = this.#reader
    if (ahead !== undefined || reader === undefined) return ahead
    if (reader.isAsync) {
      this.#readAhead(reader)
      return undefined
    }
    if (!this.#mayRead) return undefined
    const step = this.#home.runInAsyncScope(reader.readSync)
    return step === undefined ? undefined : this.#newItem(step.value)
  }

  /** @internal */
  callItem(item: MapItem<I>): unknown {
    return this.#home.runInAsyncScope(this.fn, undefined, item.input, item)
  }

  /** @internal */
  requeueItem(item: MapItem<I>): void {
    this.#buffer.unshift(item)
    this.engine.offer(this)
  }

  /** @internal */
  itemCame(input: I): void {
    this.#buffer.push(this.#newItem(input))
    if (this.engine.isClosed) this.poolStops(this.engine.stopMode)
    if (this.#buffer.length > 0) this.engine.offer(this)
    this.#want()
  }

  /** @internal */
  sourceEnded(failure: { readonly thrown: unknown } | undefined): void {
    if (failure !== undefined) this.#failure ??= { error: new SourceFailedError(this.#read, failure.thrown) }
    this.#close()
  }

  /** @internal */
  itemEnded(item: MapItem<I>, verdict: Verdict, outcome: unknown): void {
    this.#ended += 1
    this.#counts[verdict] += 1
    if (verdict === 'done') this.#meter.done += 1
    else this.#meter.failed += 1
    this.#noticeSoon()
    const { index, input } = item
    const position = this.options.isInOrder ? index : undefined
    // The value is what `fn` answered with.
    if (verdict === 'done') this.#window.put({ ok: true, index, input, value: outcome as R }, position)
    else if (verdict === 'failed') this.#itemFailed(item, outcome, position)
    this.#finishIfOver()
  }

  /** @internal Reads no more; what was read goes the way of the pool's other work. */
  poolStops(mode: StopMode): void {
    if (!this.#isClosed) this.#failure ??= { error: new ClosedError(`Pool ${this.engine.name}`) }
    this.#close()
    if (mode === 'drain') return
    this.#dropWaiting(mode === 'abort' ? 'cancelled' : 'returned', 'its pool stopped')
  }

  /** Ends what was read and has not begun. */
  #dropWaiting(verdict: 'cancelled' | 'returned', reason: unknown): void {
    for (const item of this.#buffer.splice(0)) {
      const error =
        verdict === 'returned' ? new JobReturnedError(item.id) : new JobCancelledError(item.id, false, reason)
      this.engine.endItem(item, verdict, error)
    }
  }

  #begin(): void {
    const { signal } = this.options.terms
    if (signal?.aborted === true) {
      this.#abort()
      return
    }
    if (signal !== undefined) this.#unlisten = onAbort(signal, this.#abort)
    try {
      this.#reader = this.#home.runInAsyncScope(() => new ItemReader(this.source, this))
    } catch (thrown) {
      this.sourceEnded({ thrown })
      return
    }
    if (this.engine.isClosed) this.poolStops(this.engine.stopMode)
    else this.engine.maps.add(this)
  }

  readonly #abort = (): void => {
    const reason: unknown = this.options.terms.signal?.reason
    this.#fail({ error: new JobCancelledError(this.id, this.#read > 0, reason) }, reason)
    this.#finishIfOver()
  }

  get #mayRead(): boolean {
    return !this.#isClosed && this.#read - this.#window.delivered < this.options.windowMax
  }

  // A taker who lags behind opens the window item by item; giving places back and forth for each would cost more than
  // the items do.
  get #isWorthIt(): boolean {
    return this.#window.isWanting || 2 * (this.#read - this.#window.delivered) <= this.options.windowMax
  }

  /** Asks for places if there is something to do. */
  #want(): void {
    const reader = this.#reader
    if (this.isOffered || reader === undefined || !this.#mayRead || !this.#isWorthIt) return
    if (reader.isAsync) this.#readAhead(reader)
    else this.engine.offer(this)
  }

  #readAhead(reader: ItemReader<I>): void {
    if (this.#mayRead && this.#buffer.length < READ_AHEAD_MAX) {
      this.#home.runInAsyncScope(reader.readAsync)
    }
  }

  #newItem(input: I): MapItem<I> {
    const item = new MapItem<I>(this, input, this.#read, this.engine.nowIfTimed())
    this.#read += 1
    this.engine.accounts.accepted += 1
    return item
  }

  #itemFailed({ index, input }: MapItem<I>, error: unknown, position: number | undefined): void {
    const { isThrowing, errorsMax } = this.options
    if (isThrowing) {
      this.#fail({ error }, error)
      return
    }
    this.#window.put({ ok: false, index, input, error }, position)
    const { failed } = this.#counts
    if (failed <= errorsMax) return
    this.#fail({ error: new ErrorBudgetExceededError(errorsMax, failed, error) }, error)
  }

  /** Ends the map early. What runs is told to stop; the iteration throws when that has ended. */
  #fail(failure: { readonly error: unknown } | undefined, reason: unknown): void {
    const isFirst = !this.#isClosed || this.inFlight > 0
    this.#failure ??= failure
    this.#close()
    if (!isFirst) return
    this.#dropWaiting('cancelled', reason)
    this.engine.cancelItems((item) => item instanceof MapItem && item.owner === this, reason)
  }

  #close(): void {
    this.#isClosed = true
    const reader = this.#reader
    if (reader !== undefined) this.#home.runInAsyncScope(reader.close)
    this.#finishIfOver()
  }

  #finishIfOver(): void {
    if (!this.#isClosed || this.inFlight > 0) return
    if (!this.#window.isOver) this.#noticeNow()
    this.#unlisten()
    this.engine.maps.delete(this)
    this.#window.end(this.#failure)
  }

  #noticeSoon(): void {
    if (this.#isNoticeDue) return
    this.#isNoticeDue = true
    this.engine.places.wheel.schedule(NOTICE_MS, () => {
      this.#isNoticeDue = false
      if (!this.#window.isOver) this.#noticeNow()
    })
  }

  #noticeNow(): void {
    this.#notices.emit('progressed', this.#meter.read())
  }
}
