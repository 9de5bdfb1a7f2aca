/**
 * Starts durable batches and works on them: on one process or many, through crashes, each item with its effect once.
 *
 * The driver says which chunk this process tries next; the ledger says whether it may, and whether its work counts.
 */

import { isDeepStrictEqual } from 'node:util'
import {
  type BatchChunk,
  type BatchOpening,
  type BatchRun,
  type BatchRunRef,
  type Clock,
  type Closable,
  ClosedError,
  InvalidInputError,
  KerpError,
  NoticeBoard,
  type Notices,
  sleep,
  systemClock,
  observerOfPart,
  tellFailure,
} from '@kerp/core'
import type { Batch, RunnableBatch } from './batch.js'
import { type BatchDriving, type BatchHost, inProcess } from './batch-driver.js'
import { BatchLeases } from './batch-leases.js'
import { BatchRunHandle } from './batch-run-handle.js'
import { type BatchesOptions, type ResolvedBatchesOptions, resolveBatchesOptions } from './batches-options.js'
import { BatchConflictError, BatchSourceError, BatchTooLargeError } from './errors.js'

/** What a process says of its own work on batches. */
export interface BatchNotices extends Readonly<Record<string, readonly unknown[]>> {
  /** This process ended a run that was running. */
  readonly ended: readonly [BatchRun]
  /** This process committed a chunk of so many items. */
  readonly committed: readonly [BatchRunRef, { readonly done: number; readonly failed: number }]
}

/** How long a chunk that failed is kept before others may try it, in ms. */
const RETRY_WORK_MS = 200

/** Starts runs, and works on those of its batches until it is closed. */
export class Batches<Tx> implements Closable {
  readonly #options: BatchesOptions<Tx>
  readonly #resolved: ResolvedBatchesOptions
  readonly #clock: Clock
  readonly #byName: ReadonlyMap<string, RunnableBatch<Tx>>
  readonly #leases: BatchLeases
  readonly #board = new NoticeBoard<BatchNotices>()
  readonly #ending = new AbortController()
  #driving: BatchDriving | undefined
  #closing: Promise<void> | undefined

  /** Does nothing yet: `work()` does. @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: BatchesOptions<Tx>) {
    this.#options = options
    this.#resolved = resolveBatchesOptions(options)
    this.#clock = options.clock ?? systemClock
    this.#byName = new Map(options.batches.map((batch) => [batch.name, batch]))
    this.#leases = new BatchLeases({
      extend: (chunks) => options.ledger.extend(chunks, this.#resolved.leaseMs),
      clock: this.#clock,
      everyMs: Math.ceil(this.#resolved.leaseMs / 3),
      onError: (error) => this.#failed(error),
    })
  }

  get notices(): Notices<BatchNotices> {
    return this.#board
  }

  /** Begins to work on runs, also on those that other processes opened or left behind. A second call does nothing. */
  work(): void {
    if (this.#closing !== undefined) throw new ClosedError('Batches')
    this.#driving ??= (this.#options.driver ?? inProcess()).drive(this.#host())
  }

  /**
   * Opens a run, or finds the one of this identity, in whatever state it is. Whoever works on this batch takes it up,
   * this process at once.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for a batch that this object was not given.
   * @throws {BatchConflictError} `BATCH_CONFLICT`: the run of this key has other params.
   */
  async start<Params>(batch: Batch<Params, Tx>, params: Params): Promise<BatchRunHandle> {
    if (this.#byName.get(batch.name) !== batch) {
      throw new InvalidInputError('batch', `one of ${[...this.#byName.keys()].join(', ')}`, batch.name)
    }
    const opening = batch.opening(params)
    const former = await this.#former(batch, params, opening)
    const { run, isNew } = former ?? (await this.#options.ledger.open(opening))
    if (!isNew && !isSameJson(run.params, opening.params)) {
      throw new BatchConflictError(run.companyId, run.runId)
    }
    this.#driving?.wake()
    return this.#handle(run, isNew)
  }

  /** The run of this key under the id that a version before this gave it, if there is one. */
  async #former<Params>(
    batch: Batch<Params, Tx>,
    params: Params,
    opening: BatchOpening,
  ): Promise<{ readonly run: BatchRun; readonly isNew: boolean } | undefined> {
    const runId = batch.formerRunId(params)
    if (runId === undefined) return undefined
    const run = await this.#options.ledger.read({ companyId: opening.companyId, runId })
    if (run === undefined || run.batch !== batch.name) return undefined
    // Two keys may have had this id: whose it is, its params say.
    if (isSameJson(run.params, opening.params)) return { run, isNew: false }
    return batch.runIdOf(run) === opening.runId ? { run, isNew: false } : undefined
  }

  /** The run of an identity, if there is one. */
  async find(ref: BatchRunRef): Promise<BatchRunHandle | undefined> {
    const run = await this.#options.ledger.read(ref)
    return run === undefined ? undefined : this.#handle(run, false)
  }

  /**
   * Claims no further chunk and lets those in work end, for at most `deadlineMs`; then their signals abort, and their
   * leases are ended so that other processes take them at once. Nothing is lost either way.
   */
  close(deadlineMs = 10_000): Promise<void> {
    return (this.#closing ??= this.#close(deadlineMs))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(deadlineMs: number): Promise<void> {
    const drained = this.#driving?.close().catch((error: unknown) => this.#failed(error)) ?? Promise.resolve()
    const timer = this.#clock.setTimer(deadlineMs, () => this.#ending.abort(new ClosedError('Batches')))
    const aborted = new Promise<void>((resolve) =>
      this.#ending.signal.addEventListener('abort', () => resolve()),
    )
    await Promise.race([drained, aborted])
    timer.cancel()
    const held = this.#leases.held
    if (held.length > 0)
      await this.#options.ledger.release(held).catch((error: unknown) => this.#failed(error))
  }

  #handle(ref: BatchRunRef, isNew: boolean): BatchRunHandle {
    const wake = (): void => this.#driving?.wake()
    return new BatchRunHandle(ref, { isNew, ledger: this.#options.ledger, clock: this.#clock, wake })
  }

  #host(): BatchHost {
    const { ledger } = this.#options
    return {
      openRuns: () => ledger.running([...this.#byName.keys()], this.#resolved.runsMax),
      claimable: (run, limit) => ledger.claimable(run, limit),
      work: (run, number) => this.#work(run, number),
      advance: (run) => this.#advance(run),
      pause: (ms) => sleep(this.#clock, ms),
      failed: (error) => this.#failed(error),
    }
  }

  async #work(ref: BatchRunRef, number?: number): Promise<boolean> {
    const { ledger } = this.#options
    const run = await ledger.read(ref)
    const batch = this.#byName.get(run?.batch ?? '')
    // Looked at first: each claim is an attempt, and too many without work would fail the items of the chunk.
    if (run === undefined || batch === undefined) return false
    const chunk = await ledger.claim(ref, { leaseMs: this.#resolved.leaseMs, ...(number && { number }) })
    if (chunk === undefined) return false
    await this.#leases.during(chunk, () => this.#workChunk(run, batch, chunk))
    return true
  }

  async #workChunk(run: BatchRun, batch: RunnableBatch<Tx>, chunk: BatchChunk): Promise<void> {
    const { ledger, observer } = this.#options
    const beginMs = this.#clock.monotonicMs()
    const observe = (result: 'committed' | 'duplicate' | 'stopped' | 'failed'): void =>
      observer?.batchChunk?.({ result, elapsedMs: this.#clock.monotonicMs() - beginMs })
    try {
      const outcome = await batch.work(run, chunk, this.#ending.signal)
      const result = await outcome.commit(ledger)
      observe(result)
      if (result !== 'committed') return
      const { done, failed } = outcome
      observer?.batchItems?.({ result: 'done', count: done })
      if (failed > 0) observer?.batchItems?.({ result: 'failed', count: failed })
      this.#board.emit('committed', run, { done, failed })
    } catch (error) {
      observe('failed')
      this.#failed(error)
      // Whoever is next, here or elsewhere, finds the chunk free; not at once, as the cause may still be there.
      await sleep(this.#clock, RETRY_WORK_MS, this.#ending.signal).catch(() => undefined)
      await ledger.release([chunk])
    }
  }

  async #advance(ref: BatchRunRef): Promise<boolean> {
    const { ledger } = this.#options
    const run = await ledger.read(ref)
    const batch = this.#byName.get(run?.batch ?? '')
    if (run === undefined || batch === undefined || run.state !== 'running') return false
    if (!run.isPlanned) return this.#plan(run, batch)
    if (run.chunksDone === run.chunks) await this.#finish(run, batch)
    return false
  }

  async #plan(run: BatchRun, batch: RunnableBatch<Tx>): Promise<boolean> {
    const { pageItems, itemsMax } = this.#resolved
    // Whole chunks, save the last.
    const limit = Math.max(1, Math.floor(pageItems / run.chunkItems)) * run.chunkItems
    const itemIds = await batch
      .listIds(run, { after: run.cursor, limit })
      .catch((error: unknown) => this.#endIfHopeless(run, error))
    if (itemIds === undefined) return false
    if (run.items + itemIds.length > itemsMax) {
      await this.#end(run, new BatchTooLargeError(itemsMax))
      return false
    }
    const isLast = itemIds.length < limit
    try {
      await this.#options.ledger.plan(run, { after: run.cursor, itemIds, isLast })
      return true
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error
      await this.#end(run, new BatchSourceError(run.runId, error.message, error))
      return false
    }
  }

  async #finish(run: BatchRun, batch: RunnableBatch<Tx>): Promise<void> {
    try {
      const ended = await this.#options.ledger.finish(run, (tx, locked) => batch.finish(tx, locked))
      if (ended.state !== 'running') this.#board.emit('ended', ended)
    } catch (error) {
      await this.#endIfHopeless(run, error)
    }
  }

  /** What says that it may not be repeated ends the run; what does not is thrown, and tried again. */
  async #endIfHopeless(run: BatchRun, error: unknown): Promise<void> {
    if (!(error instanceof KerpError) || error.retryable) throw error
    await this.#end(run, error)
  }

  async #end(run: BatchRun, error: KerpError): Promise<void> {
    this.#failed(error)
    this.#board.emit('ended', await this.#options.ledger.fail(run, error.code))
  }

  #failed(error: unknown): void {
    tellFailure(observerOfPart(this.#options.observer), 'batches', error)
  }
}

/** Whether two texts of JSON say the same, in whatever order their keys are. */
function isSameJson(one: string, other: string): boolean {
  return one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other))
}
