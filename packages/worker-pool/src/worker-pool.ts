/** A pool of workers in this process: bounded, fair, and it accounts for every job. */

import {
  type Closable,
  ClosedError,
  type Complete,
  DeadlineExceededError,
  InvalidInputError,
  type Notices,
  isError,
} from '@kerp/core'
import type { StopReport } from './accounts.js'
import { Engine, type PoolNotices } from './engine.js'
import { JobCancelledError } from './errors.js'
import type { Source } from './item-source.js'
import type { Job, JobFunction, JobOptions } from './job.js'
import { type ItemFunction, type MapOptions, resolveMapOptions } from './map-options.js'
import { MapRun } from './map-run.js'
import type { PoolJob } from './pool-job.js'
import {
  checkConcurrency,
  checkWhole,
  type JobTerms,
  type PoolOptions,
  resolveJobOptions,
  resolvePoolOptions,
  TIME_MS_MAX,
} from './pool-options.js'
import { PoolStop } from './pool-stop.js'
import { resolveStopOptions, type StopOptions } from './stop-options.js'

/** How full a pool is, and what became of what it accepted. */
export interface PoolStats {
  readonly name: string
  readonly concurrency: number
  /** Accepted jobs that wait for their start or for another attempt. */
  readonly queued: number
  readonly running: number
  /** Functions that were told to stop, lost their place, and still run. */
  readonly overdue: number
  /** Callers that wait for room in the queue. */
  readonly waiting: number
  readonly accepted: number
  readonly done: number
  readonly failed: number
  readonly cancelled: number
  readonly isPaused: boolean
}

/**
 * Makes a pool; no work is done before the first job.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 * @example
 * const pool = createPool({ name: 'vouchers', concurrency: 8 })
 * const checked = await pool.run(async ({ signal }) => (signal.aborted ? 'stopped' : 'valid'), { companyId: 'c1' })
 * const report = await pool.stop()
 * report.accepted // 1
 */
export function createPool(options: PoolOptions): WorkerPool {
  return new WorkerPool(options)
}

/**
 * Runs functions, at most `concurrency` at once.
 *
 * Companies take turns; within a company higher priorities and older jobs come first. A job runs in the async context
 * of its submitter. A queued job costs about 400 bytes, and a microsecond from submission to result.
 */
export class WorkerPool implements Closable {
  readonly #engine: Engine
  #stop: PoolStop | undefined
  #maps = 0

  /** Call `createPool`. */
  constructor(options: PoolOptions) {
    this.#engine = new Engine(resolvePoolOptions(options))
  }

  get name(): string {
    return this.#engine.name
  }

  get notices(): Notices<PoolNotices> {
    return this.#engine.notices
  }

  /**
   * Hands a job in; answers with its handle when it is admitted, at once unless the queue is full.
   *
   * @throws {InvalidInputError} `INVALID_INPUT`
   * @throws {OverloadedError} `OVERLOADED`, retryable: see `onFull`
   * @throws {ClosedError} `CLOSED`: the pool was stopped, before or while the caller waited for room
   * @throws {JobCancelledError} `JOB_CANCELLED`: its signal aborted before it was admitted
   * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED`: `waitMs` passed before it was admitted
   */
  submit<T>(fn: JobFunction<T>, options?: JobOptions): Promise<Job<T>> {
    let job: PoolJob
    try {
      job = this.#enter(fn, options)
    } catch (error) {
      return refused(error)
    }
    // A job answers with what its function returns; one that is joined by id was submitted as the same work.
    const handle = job as Job<T>
    const answered = () => handle
    if (job.runsInCaller) return job.result.then(answered, answered)
    return job.state === 'waiting' ? job.admitted.then(answered) : Promise.resolve(handle)
  }

  /**
   * Runs a job and answers with its result.
   *
   * @throws what `submit` throws, what `fn` throws, and as the job ends otherwise: {JobTimeoutError} `JOB_TIMEOUT`,
   * {JobCancelledError} `JOB_CANCELLED`, {JobDroppedError} `JOB_DROPPED`, {JobReturnedError} `JOB_RETURNED`,
   * {JobAbandonedError} `JOB_ABANDONED`, {JobFailedError} `JOB_FAILED` for a thrown value that is no Error.
   */
  run<T>(fn: JobFunction<T>, options?: JobOptions): Promise<T> {
    try {
      return (this.#enter(fn, options) as Job<T>).result
    } catch (error) {
      return refused(error)
    }
  }

  /**
   * Works on every item of a source, sync or async, of any length: items are read as places become free. Nothing is
   * read before the first result is asked for.
   *
   * @throws {InvalidInputError} `INVALID_INPUT`; everything else is thrown by the iteration: see `MapRun.next`.
   * @example
   * const pool = createPool({ name: 'payslips', concurrency: 4 })
   * const run = pool.map([1, 2, 3], async (employee) => employee * 100, { order: 'input' })
   * const slips = await run.values()
   * slips // [100, 200, 300]
   */
  map<I, R>(source: Source<I>, fn: ItemFunction<I, R>, options: MapOptions = {}): MapRun<I, R> {
    checkFunction(fn)
    if (!isIterable(source)) throw new InvalidInputError('source', 'an iterable or async iterable', source)
    const { options: pool, places } = this.#engine
    const { terms, clock, random } = pool
    const resolved = resolveMapOptions(
      options,
      { terms, clock, random, concurrency: places.concurrency },
      source,
    )
    this.#maps += 1
    return new MapRun(this.#engine, `${this.name}.map${this.#maps}`, source, fn, resolved)
  }

  /** Begins nothing until `resume`; what runs goes on. */
  pause(): void {
    if (this.#engine.isClosed) return
    this.#engine.places.isPaused = true
  }

  resume(): void {
    this.#engine.places.isPaused = false
    this.#engine.places.fill()
  }

  /**
   * Changes how many jobs run at once. Fewer: what runs goes on, and places are not given again until that many are free.
   *
   * @throws {InvalidInputError} `INVALID_INPUT`
   */
  resize(concurrency: number): void {
    checkConcurrency(concurrency)
    this.#engine.places.concurrency = concurrency
    this.#engine.places.fill()
    this.#engine.tell()
  }

  /**
   * Answers when nothing waits and nothing runs; jobs may be submitted meanwhile.
   *
   * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED` after `deadlineMs`, 300,000 if left out
   */
  drain({ deadlineMs = 300_000 }: { readonly deadlineMs?: number | undefined } = {}): Promise<void> {
    const engine = this.#engine
    checkWhole('deadlineMs', deadlineMs, 0, TIME_MS_MAX)
    if (engine.isIdle || engine.isFrozen) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel()
        engine.watchers.delete(look)
      }
      const look = (): void => {
        if (!engine.isIdle && !engine.isFrozen) return
        leave()
        resolve()
      }
      const timer = engine.options.clock.setTimer(deadlineMs, () => {
        leave()
        reject(new DeadlineExceededError(`The drain of pool ${this.name}`, deadlineMs, 'unknown'))
      })
      engine.watchers.add(look)
    })
  }

  /**
   * Ends the pool. New jobs, and callers that wait for room, are refused with `CLOSED`; everything that was accepted
   * ends, and is counted once in the report. What the report does not call abandoned runs no more. A second call may
   * be stricter or have an earlier deadline, and answers with the same report.
   *
   * @throws {InvalidInputError} `INVALID_INPUT`; the pool goes on.
   */
  stop(options: StopOptions = {}): Promise<StopReport> {
    let resolved: Complete<StopOptions>
    try {
      resolved = resolveStopOptions(options)
    } catch (error) {
      return refused(error)
    }
    this.#stop ??= new PoolStop(this.#engine)
    this.#stop.apply(resolved)
    return this.#stop.report
  }

  /** `stop` with its defaults. */
  async close(): Promise<void> {
    await this.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A look at the pool; costs nothing between looks. */
  stats(): PoolStats {
    const { name, accounts, places, queued, waiters } = this.#engine
    const { accepted, ended } = accounts
    const { concurrency, taken: running, overdue, isPaused } = places
    const { done, failed, cancelled } = ended
    return {
      name,
      concurrency,
      queued,
      running,
      overdue,
      waiting: waiters.size,
      accepted,
      done,
      failed,
      cancelled,
      isPaused,
    }
  }

  #enter(fn: JobFunction<unknown>, options: JobOptions | undefined): PoolJob {
    const engine = this.#engine
    if (engine.isClosed) {
      engine.observations.refused('closed')
      throw new ClosedError(`Pool ${engine.name}`)
    }
    checkFunction(fn)
    if (options === undefined) return engine.enter(fn, engine.options.terms)
    const terms: JobTerms = resolveJobOptions(engine.options.terms, options)
    const joined = engine.joined(terms)
    if (joined !== undefined) return joined
    if (terms.signal?.aborted === true)
      throw new JobCancelledError(terms.id ?? 'without id', false, terms.signal.reason)
    return engine.enter(fn, terms)
  }
}

function checkFunction(fn: unknown): void {
  if (typeof fn !== 'function') throw new InvalidInputError('fn', 'a function', fn)
}

/** Whatever reading the options threw, also a getter of the caller that throws what is no Error. */
function refused(error: unknown): Promise<never> {
  return Promise.reject(isError(error) ? error : new InvalidInputError('options', 'readable', error))
}

function isIterable(source: unknown): boolean {
  if (typeof source === 'string') return true
  return (
    typeof source === 'object' &&
    source !== null &&
    (Symbol.iterator in source || Symbol.asyncIterator in source)
  )
}
