/** A job inside its pool: the handle, the context of its function, and a link of the queue, in one object. */

import { AsyncResource } from 'node:async_hooks'
import { isRetryableError, jitteredBackoffMs, type RandomSource, type Timer } from '@kerp/core'
import type { JobCancelledError } from './errors.js'
import type { Job, JobContext, JobFunction, JobProgress, JobState } from './job.js'
import type { JobList, Linked } from './job-list.js'
import type { JobTerms } from './pool-options.js'
import type { Unit, Verdict } from './unit.js'

/** What a job needs of its pool. */
export interface JobHost {
  readonly name: string
  readonly random: RandomSource
  cancelJob(job: PoolJob, reason: unknown): boolean
  requeueJob(job: PoolJob): void
  releaseJob(job: PoolJob): void
  jobProgressed(job: PoolJob): void
}

interface Settler {
  readonly promise: Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** What few jobs need; a queue of a million plain ones should not carry it. */
class Rare {
  behind: PoolJob | undefined = undefined
  cancellation: JobCancelledError | undefined = undefined
  givenUp: 'failed' | 'cancelled' | undefined = undefined
  progress: JobProgress | undefined = undefined
  timer: Timer | undefined = undefined
  admission: Settler | undefined = undefined
  lastError: unknown = undefined
  controller: AbortController | undefined = undefined
  runsInCaller = false
}

/**
 * It is an `AsyncResource` itself, because that keeps its submitter's context at a fifth of what an own one costs;
 * the promises that answer callers are made only for those who ask.
 */
export class PoolJob extends AsyncResource implements Job<unknown>, JobContext, Unit, Linked<PoolJob> {
  state: JobState = 'queued'
  attempt = 0
  list: JobList<PoolJob> | undefined = undefined
  before: PoolJob | undefined = undefined
  after: PoolJob | undefined = undefined
  #rare: Rare | undefined = undefined
  #result: Promise<unknown> | undefined = undefined
  #resolve: Settler['resolve'] | undefined = undefined
  #reject: Settler['reject'] | undefined = undefined
  #outcome: unknown = undefined

  constructor(
    readonly host: JobHost,
    readonly fn: JobFunction<unknown>,
    readonly terms: JobTerms,
    readonly number: number,
    readonly acceptedMs: number,
  ) {
    super('KerpJob')
  }

  get id(): string {
    return this.terms.id ?? `${this.host.name}-${this.number}`
  }

  get companyId(): string | undefined {
    return this.terms.companyId
  }

  get timeoutMs(): number {
    return this.terms.timeoutMs
  }

  /** What it may need beside; made when it is first asked for. */
  get rare(): Rare {
    return (this.#rare ??= new Rare())
  }

  /** The next job of the same key. */
  get behind(): PoolJob | undefined {
    return this.#rare?.behind
  }

  get runsInCaller(): boolean {
    return this.#rare?.runsInCaller ?? false
  }

  get progress(): JobProgress | undefined {
    return this.#rare?.progress
  }

  /** What it failed with when it waits for another attempt. */
  get lastError(): unknown {
    return this.#rare?.lastError
  }

  get cancellation(): JobCancelledError | undefined {
    return this.#rare?.cancellation
  }

  set cancellation(error: JobCancelledError | undefined) {
    this.rare.cancellation = error
  }

  get givenUp(): 'failed' | 'cancelled' | undefined {
    return this.#rare?.givenUp
  }

  set givenUp(verdict: 'failed' | 'cancelled' | undefined) {
    this.rare.givenUp = verdict
  }

  get signal(): AbortSignal {
    const rare = this.rare
    if (rare.controller === undefined) {
      rare.controller = new AbortController()
      if (rare.cancellation !== undefined) rare.controller.abort(rare.cancellation)
    }
    return rare.controller.signal
  }

  get result(): Promise<unknown> {
    if (this.#result === undefined) {
      this.#result = new Promise(keepForSettler)
      this.#resolve = resolveOfLast
      this.#reject = rejectOfLast
      if (isEnded(this.state)) PoolJob.#answer(this)
    }
    return this.#result
  }

  /** Settles with this job when it is admitted. */
  get admitted(): Promise<unknown> {
    if (this.state !== 'waiting') return Promise.resolve(this)
    return (this.rare.admission ??= makeSettler()).promise
  }

  cancel(reason?: unknown): boolean {
    return this.host.cancelJob(this, reason)
  }

  get report(): (done: number, total?: number) => void {
    return (done, total) => {
      this.rare.progress = { done, total }
      this.host.jobProgressed(this)
    }
  }

  call(): unknown {
    this.stopTimer()
    this.state = 'running'
    this.attempt += 1
    return this.runInAsyncScope(this.fn, undefined, this)
  }

  abort(reason: Error): void {
    this.#rare?.controller?.abort(reason)
  }

  settle(verdict: Verdict, outcome: unknown): void {
    this.state = verdict
    this.#outcome = outcome
    PoolJob.#answer(this)
  }

  /** Of `waitMs`: it runs until the first start. */
  stopTimer(): void {
    this.#rare?.timer?.cancel()
  }

  /** Whoever waits for its admission goes on. */
  admit(): void {
    this.#rare?.admission?.resolve(this)
  }

  /** It was never accepted. */
  refuse(error: Error): void {
    this.#rare?.admission?.reject(error)
    this.settle('cancelled', error)
  }

  retryDelayMs(error: unknown): number | undefined {
    const { retry } = this.terms
    if (retry === undefined || this.attempt >= retry.attemptsMax) return undefined
    if (!(retry.isRetryable ?? isRetryableError)(error)) return undefined
    this.rare.lastError = error
    this.state = 'queued'
    return jitteredBackoffMs(this.attempt, { ...retry, random: this.host.random })
  }

  requeue(): void {
    this.host.requeueJob(this)
  }

  release(): void {
    this.host.releaseJob(this)
  }

  // A private method that is not static would cost each job eight bytes.
  static #answer(job: PoolJob): void {
    if (job.state === 'done') job.#resolve?.(job.#outcome)
    else job.#reject?.(job.#outcome)
  }
}

/** Whether a job of this state was answered. */
export function isEnded(state: JobState): boolean {
  return state !== 'running' && state !== 'queued' && state !== 'waiting'
}

// One function for all promises: a closure for each would cost a hundred bytes while its job waits.
let resolveOfLast: Settler['resolve'] = unset
let rejectOfLast: Settler['reject'] = unset

function keepForSettler(resolve: Settler['resolve'], reject: Settler['reject']): void {
  resolveOfLast = resolve
  rejectOfLast = reject
}

function makeSettler(): Settler {
  const promise = new Promise(keepForSettler)
  return { promise, resolve: resolveOfLast, reject: rejectOfLast }
}

function unset(): void {
  // Replaced by the first promise.
}
