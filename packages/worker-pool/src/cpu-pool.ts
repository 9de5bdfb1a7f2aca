/**
 * Computes in threads: jobs are sent in messages of a few milliseconds' work each, so that small ones gain from threads
 * too, and a pool that is closed lets busy threads finish.
 */

import {
  type Clock,
  type Closable,
  ClosedError,
  type Complete,
  onAbort,
  OverloadedError,
  systemClock,
  type Timer,
  thrownText,
  objectInput,
  listInput,
  InvalidInputError,
} from '@kerp/core'
import { type CpuAsked, type CpuEnd, CpuJob, type CpuSettle } from './cpu-job.js'
import { type CpuPoolOptions, type ResolvedCpuOptions, resolveCpuOptions } from './cpu-options.js'
import { CpuPace } from './cpu-pace.js'
import { CpuQueue } from './cpu-queue.js'
import { CpuThread, type CpuThreadHost } from './cpu-thread.js'
import { CpuWatch } from './cpu-watch.js'
import { CpuEntryError, JobAbandonedError, JobCancelledError, JobReturnedError } from './errors.js'
import { resolveStopOptions } from './stop-options.js'

/** How a job is called. */
export interface CpuRunOptions {
  /** Cancels the job: it never begins, or sees it in its context. */
  readonly signal?: AbortSignal | undefined
  /** Buffers of the value that are handed over instead of copied. Not looked at by `runMany`. */
  readonly transfer?: readonly ArrayBuffer[] | undefined
}

/** One of many results. */
export type CpuAnswer<Out> = { readonly result: Out } | { readonly error: unknown }

/** How a pool of threads stops. */
export interface CpuStop {
  /** `drain`: everything accepted · `finishRunning`: only what has begun · `abort`: cancels that, too. @defaultValue 'drain' */
  readonly mode?: 'drain' | 'finishRunning' | 'abort' | undefined
  /** From the call, in ms, up to a day; then busy threads are ended. @defaultValue 10_000 */
  readonly deadlineMs?: number | undefined
}

/** What became of every job that was accepted; the five parts add up to it. */
export type CpuStopReport = Readonly<Record<CpuEnd | 'accepted', number>>

/** Threads that may end one after the other without having done anything, before no more are begun. */
const LOST_STARTS_MAX = 3
const STOP_MS = 10_000
const NO_BUFFERS: readonly ArrayBuffer[] = []

/** Runs one task in threads. Holds none before the first job; idle threads keep no process alive. */
export class CpuPool<In, Out> implements Closable {
  readonly #resolved: ResolvedCpuOptions
  readonly #contextOf: () => Readonly<Record<string, string>>
  readonly #clock: Clock
  readonly #threads = new Set<CpuThread>()
  readonly #queue = new CpuQueue()
  readonly #pace = new CpuPace()
  readonly #watch: CpuWatch
  readonly #ends = { done: 0, failed: 0, cancelled: 0, returned: 0, abandoned: 0 }
  #accepted = 0
  #isDispatching = false
  #lostStarts = 0
  #entryError: CpuEntryError | undefined
  #timer: Timer | undefined
  #stopping: Promise<CpuStopReport> | undefined
  #whenIdle: () => void = () => undefined

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: CpuPoolOptions) {
    this.#resolved = resolveCpuOptions(options)
    const none = Object.freeze({})
    this.#contextOf = options.context ?? (() => none)
    this.#clock = options.clock ?? systemClock
    this.#watch = new CpuWatch(this.#resolved, this.#clock)
  }

  /**
   * Computes one value in a thread.
   *
   * @throws {CpuTaskError} `CPU_TASK_FAILED` for what the task threw, {JobTimeoutError} `JOB_TIMEOUT`,
   * {JobCancelledError} `JOB_CANCELLED`, {CpuThreadLostError} `CPU_THREAD_LOST`, {CpuEntryError} `CPU_ENTRY_FAILED`,
   * {OverloadedError} `OVERLOADED`, {ClosedError} `CLOSED`; when the pool stops {JobReturnedError} `JOB_RETURNED` or
   * {JobAbandonedError} `JOB_ABANDONED`.
   */
  run(value: In, options: CpuRunOptions = {}): Promise<Out> {
    const answer = new Promise<unknown>((resolve, reject) => {
      const { signal, transfer = NO_BUFFERS } = objectInput('options', options)
      checkSignal(signal)
      this.#admit(1)
      const fields = this.#contextOf()
      if (signal === undefined) {
        this.#accept(value, { fields, transfer, settle: { result: resolve, error: reject } })
        return
      }
      const cancel = (): void => this.#cancel(job, signal.reason)
      const settle: CpuSettle = {
        result(result) {
          unlisten()
          resolve(result)
        },
        error(error) {
          unlisten()
          reject(error)
        },
      }
      const job = this.#accept(value, { fields, transfer, settle })
      const unlisten = onAbort(signal, cancel)
      if (signal.aborted) cancel()
    })
    // What a task answers is what its module says; nothing on this side of the thread can check it.
    return answer as Promise<Out>
  }

  /**
   * Computes many; answers in their order, one for each, whatever fails: with the errors of `run`.
   *
   * @throws {OverloadedError} `OVERLOADED` when there is no room for all, {ClosedError} `CLOSED`, {CpuEntryError}
   * `CPU_ENTRY_FAILED`; then nothing was accepted.
   */
  async runMany(values: readonly In[], options: CpuRunOptions = {}): Promise<readonly CpuAnswer<Out>[]> {
    const { signal } = objectInput('options', options)
    checkSignal(signal)
    listInput('values', values)
    this.#admit(values.length)
    if (values.length === 0) return []
    const jobs: CpuJob[] = []
    const cancel = (): void => {
      for (const job of jobs) this.#cancel(job, signal?.reason)
    }
    const answers: CpuAnswer<Out>[] = []
    let left = values.length
    const ended = new Promise<void>((resolve) => {
      const keep = (answer: CpuAnswer<Out>, place: number): void => {
        answers[place] = answer
        left -= 1
        if (left === 0) resolve()
      }
      const settle: CpuSettle = {
        result: (result, place) => keep({ result: result as Out }, place),
        error: (error, place) => keep({ error }, place),
      }
      const asked = { fields: this.#contextOf(), transfer: NO_BUFFERS, settle }
      for (const value of values) jobs.push(this.#accept(value, asked, jobs.length))
    })
    if (signal?.aborted === true) cancel()
    const unlisten = signal === undefined ? undefined : onAbort(signal, cancel)
    await ended
    unlisten?.()
    return answers
  }

  /** Jobs that wait, jobs that are on threads, and threads. */
  stats(): { readonly waiting: number; readonly inThreads: number; readonly threads: number } {
    let inThreads = 0
    for (const thread of this.#threads) inThreads += thread.unfinished.length
    return { waiting: this.#queue.size, inThreads, threads: this.#threads.size }
  }

  /**
   * Accepts nothing more; ends every job in one of five ways, and says how many in each. The first call decides.
   *
   * @throws {InvalidInputError} `INVALID_INPUT`; the pool goes on.
   */
  async stop(options: CpuStop = {}): Promise<CpuStopReport> {
    const resolved = resolveStopOptions(options, STOP_MS)
    return (this.#stopping ??= this.#stop(resolved))
  }

  async close(): Promise<void> {
    await this.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #admit(jobs: number): void {
    if (this.#stopping !== undefined) throw new ClosedError('CpuPool')
    if (this.#entryError !== undefined) throw this.#entryError
    const { queueMax } = this.#resolved
    if (this.#queue.size + jobs > queueMax) throw new OverloadedError('CpuPool', 'queueMax', queueMax)
  }

  #accept(value: unknown, asked: CpuAsked, place = 0): CpuJob {
    this.#accepted += 1
    const job = new CpuJob(this.#accepted, value, asked, place, this.#ends)
    this.#queue.push(job)
    this.#dispatchSoon()
    return job
  }

  #cancel(job: CpuJob, cause: unknown): void {
    if (job.isEnded) return
    for (const thread of this.#threads) if (thread.cancel(job, cause) !== undefined) return
    job.reject('cancelled', new JobCancelledError(job.id, false, cause))
  }

  /** After the calls of this turn, so that they share messages. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return
    this.#isDispatching = true
    queueMicrotask(() => {
      this.#isDispatching = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    this.#queue.skipEnded()
    if (this.#queue.size > 0 && this.#entryError === undefined) this.#openThreads()
    for (const isIdle of [true, false]) {
      for (const thread of this.#threads) {
        if (!thread.hasRoom || thread.isIdle !== isIdle) continue
        const jobs = this.#queue.take(this.#pace.messageOf(this.#queue.size, this.#resolved.threads))
        if (jobs.length > 0) thread.send(jobs)
      }
    }
    this.#arm()
    if (this.#queue.size === 0 && [...this.#threads].every((thread) => thread.isIdle)) this.#whenIdle()
  }

  #openThreads(): void {
    const wanted = Math.min(this.#resolved.threads, this.#queue.size)
    const host: CpuThreadHost = {
      free: (_thread, took) => {
        this.#lostStarts = 0
        if (took !== undefined) this.#pace.learn(took)
        this.#dispatchSoon()
      },
      ended: (thread, notBegun, entryError) => this.#threadEnded(thread, notBegun, entryError),
    }
    try {
      while (this.#threads.size < wanted) this.#threads.add(new CpuThread(this.#resolved.entry, host))
    } catch (error) {
      // No memory, or no more threads on this machine: those that there are go on.
      if (this.#threads.size === 0) this.#fail(new CpuEntryError(thrownText(error)))
    }
  }

  #fail(error: CpuEntryError): void {
    this.#entryError = error
    for (const job of this.#queue.take(Infinity)) job.reject('failed', error)
  }

  #threadEnded(thread: CpuThread, notBegun: readonly CpuJob[], entryError: CpuEntryError | undefined): void {
    this.#threads.delete(thread)
    this.#queue.putBack(notBegun)
    this.#lostStarts += 1
    if (entryError !== undefined) this.#fail(entryError)
    else if (this.#lostStarts > LOST_STARTS_MAX) this.#fail(new CpuEntryError('its threads end at once'))
    this.#dispatchSoon()
  }

  #arm(): void {
    if (this.#timer !== undefined || [...this.#threads].every((thread) => thread.isIdle)) return
    this.#timer = this.#clock.setTimer(this.#watch.everyMs, () => {
      this.#timer = undefined
      for (const thread of this.#watch.overdue(this.#threads)) void thread.terminate()
      this.#arm()
    })
  }

  async #stop({ mode, deadlineMs }: Complete<CpuStop>): Promise<CpuStopReport> {
    if (mode !== 'drain') {
      const taken = [
        ...this.#queue.take(Infinity),
        ...[...this.#threads].flatMap((thread) => thread.takeBack()),
      ]
      for (const job of taken) job.reject('returned', new JobReturnedError(job.id))
    }
    if (mode === 'abort') {
      for (const thread of this.#threads) {
        for (const job of thread.unfinished) thread.cancel(job, new ClosedError('CpuPool'))
      }
    }
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(deadlineMs, resolve)
      this.#whenIdle = () => {
        timer.cancel()
        resolve()
      }
      this.#dispatchSoon()
    })
    const left = [...this.#queue.take(Infinity), ...[...this.#threads].flatMap((thread) => thread.unfinished)]
    for (const job of left) job.reject('abandoned', new JobAbandonedError(job.id, deadlineMs))
    this.#timer?.cancel()
    await Promise.all([...this.#threads].map((thread) => thread.terminate()))
    return { accepted: this.#accepted, ...this.#ends }
  }
}

/** @throws {InvalidInputError} `INVALID_INPUT`, before a job is accepted. */
function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  throw new InvalidInputError('signal', 'an AbortSignal', signal)
}
