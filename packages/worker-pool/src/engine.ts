/** The inside of a pool: what was accepted, where it waits, and how each unit of work ends. */

import { DeadlineExceededError, NoticeBoard, OverloadedError, type Timer, isError } from '@kerp/core'
import { Accounts, type StopReport } from './accounts.js'
import { JobCancelledError, JobDroppedError, JobFailedError } from './errors.js'
import type { Job, JobFunction } from './job.js'
import { type Feed, JobQueue } from './job-queue.js'
import { KeyChains, scoped } from './key-chains.js'
import { Places, type PlacesHost, type Running } from './places.js'
import { isEnded, type JobHost, PoolJob } from './pool-job.js'
import { PoolObservations } from './pool-observations.js'
import type { JobTerms, ResolvedPoolOptions } from './pool-options.js'
import { SignalGroups } from './signal-groups.js'
import { endInBulk } from './end-in-bulk.js'
import type { StopMode, StoppableMap } from './stop-options.js'
import type { Unit, Verdict } from './unit.js'

/** What a pool tells those who listen in its process. */
export type PoolNotices = {
  /** A job reported how far it has come. */
  readonly jobProgressed: readonly [job: Job<unknown>]
  /** The pool has stopped. */
  readonly stopped: readonly [report: StopReport]
}

/** Everything that is not the public face of a pool. */
export class Engine implements JobHost, PlacesHost {
  readonly name: string
  readonly random: ResolvedPoolOptions['random']
  readonly options: ResolvedPoolOptions
  readonly accounts = new Accounts()
  readonly notices = new NoticeBoard<PoolNotices>()
  readonly observations: PoolObservations
  readonly places: Places
  readonly queue: JobQueue
  /** Callers that wait for room; companies take turns here too. */
  readonly waiters: JobQueue
  /** Units that wait for another attempt. */
  readonly delayed = new Map<Unit, { readonly timer: Timer; readonly error: unknown }>()
  /** Called whenever something ended: stops and drains look whether they are complete. */
  readonly watchers = new Set<() => void>()
  /** Maps that have begun and not ended. */
  readonly maps = new Set<StoppableMap>()
  stopMode: StopMode = 'drain'
  isClosed = false
  /** Nothing is counted any more: the report is made. */
  isFrozen = false
  readonly #keys = new KeyChains()
  readonly #ids = new Map<string, PoolJob>()
  readonly #signals = new SignalGroups((jobs, reason) => this.#signalAborted(jobs, reason))
  /** Jobs behind another of their key. */
  readonly #parked = new Set<PoolJob>()
  #number = 0

  constructor(options: ResolvedPoolOptions) {
    this.options = options
    this.name = options.name
    this.random = options.random
    this.observations = new PoolObservations(options.name, options.observer, options.clock)
    this.places = new Places(this, { ...options, isTiming: this.observations.isTiming })
    this.queue = new JobQueue(options.passesMax)
    this.waiters = new JobQueue(options.passesMax)
    this.tell()
  }

  /** Accepted jobs that wait for their start. */
  get queued(): number {
    return this.queue.size + this.#parked.size + this.delayed.size
  }

  get hasWork(): boolean {
    return this.queue.hasWork || (this.waiters.size > 0 && !this.isClosed)
  }

  /** Nothing waits and nothing has a place. */
  get isIdle(): boolean {
    return this.queued === 0 && this.places.taken === 0 && this.waiters.size === 0
  }

  tell(): void {
    this.observations.level(this.places, this.queued)
  }

  /** The job in the pool that has the same id. */
  joined(terms: JobTerms): PoolJob | undefined {
    return terms.id === undefined ? undefined : this.#ids.get(scoped(terms.companyId, terms.id))
  }

  /** Accepts a new job, lets it wait for room, or throws. */
  enter(fn: JobFunction<unknown>, terms: JobTerms): PoolJob {
    this.#number += 1
    const job = new PoolJob(this, fn, terms, this.#number, this.nowIfTimed())
    const isRoom = this.queued < this.options.queueMax || this.#couldBegin(job)
    const way = isRoom ? 'room' : this.#wayWhenFull(job)
    if (terms !== this.options.terms) this.#register(job)
    if (way === 'wait') {
      job.state = 'waiting'
      this.waiters.push(job)
    } else {
      if (way === 'callerRuns') job.rare.runsInCaller = true
      this.#accept(job)
    }
    return job
  }

  /** The moment of acceptance, where somebody measures waits. */
  nowIfTimed(): number {
    return this.observations.isTiming ? this.options.clock.monotonicMs() : 0
  }

  #couldBegin(job: PoolJob): boolean {
    return this.places.isFree && !this.queue.hasWork && this.waiters.size === 0 && !this.#keys.isBusy(job)
  }

  #wayWhenFull(job: PoolJob): 'room' | 'wait' | 'callerRuns' {
    const { onFull, queueMax, waitersMax } = this.options
    const full = (bound: string, max: number): OverloadedError => {
      this.observations.refused('full')
      return new OverloadedError(`Pool ${this.name}`, bound, max)
    }
    if (onFull === 'reject') throw full('queueMax', queueMax)
    if (onFull === 'dropOldest') {
      const oldest = this.queue.oldestFor(job)
      if (oldest === undefined) throw full('queueMax', queueMax)
      this.endUnbegun(oldest, 'cancelled', new JobDroppedError(oldest.id))
      return 'room'
    }
    if (onFull === 'callerRuns' && !this.places.isPaused && !this.#keys.isBusy(job)) return 'callerRuns'
    if (this.waiters.size >= waitersMax) throw full('waitersMax', waitersMax)
    return 'wait'
  }

  #register(job: PoolJob): void {
    const { id, companyId, signal, waitMs } = job.terms
    if (id !== undefined) this.#ids.set(scoped(companyId, id), job)
    if (signal !== undefined) this.#signals.add(signal, job)
    if (waitMs === undefined) return
    job.rare.timer = this.places.wheel.schedule(waitMs, () => {
      this.#endWaiting(job, new DeadlineExceededError(`The start of job ${job.id}`, waitMs, 'notDone'))
    })
  }

  #unregister(job: PoolJob): void {
    const { id, companyId, signal } = job.terms
    if (id !== undefined) this.#ids.delete(scoped(companyId, id))
    if (signal !== undefined) this.#signals.ended(signal)
    job.stopTimer()
  }

  #accept(job: PoolJob): void {
    this.accounts.accepted += 1
    job.state = 'queued'
    const isFirst = this.#keys.enter(job)
    if (!isFirst) this.#parked.add(job)
    else if ((this.places.isFree && !this.queue.hasWork) || job.runsInCaller) this.places.start(job)
    else this.queue.push(job)
    job.admit()
    this.tell()
  }

  take(): Unit | undefined {
    const unit = this.queue.take()
    if (this.waiters.size > 0) this.#admitWaiters(unit === undefined)
    return unit ?? this.queue.take()
  }

  /** Room for some, or at least one because a place is free. */
  #admitWaiters(isPlaceFree: boolean): void {
    let isForced = isPlaceFree
    while (this.waiters.size > 0 && (isForced || this.queued < this.options.queueMax)) {
      const waiter = this.waiters.take()
      if (!(waiter instanceof PoolJob)) return
      this.#accept(waiter)
      isForced = isForced && !this.queue.hasWork
    }
  }

  unitEnded(running: Running, verdict: 'done' | 'failed', outcome: unknown): void {
    const { unit } = running
    if (this.isFrozen) return
    if (unit.givenUp !== undefined) {
      this.accounts.ended[unit.givenUp] += 1
      if (running.hasPlace) unit.release()
      return
    }
    if (verdict === 'failed') {
      if (unit.cancellation !== undefined) {
        this.#close(running, 'cancelled', unit.cancellation)
        return
      }
      const error = this.#retryOrError(unit, outcome)
      if (error !== undefined) this.#close(running, 'failed', error)
      return
    }
    this.#close(running, verdict, outcome)
  }

  unitGivenUp(running: Running): void {
    this.observations.ended(running, running.unit.givenUp === 'failed' ? 'timeout' : 'cancelled')
    this.tell()
  }

  placeLeft(): void {
    this.tell()
    this.lookAround()
  }

  /** Lets stops and drains see what changed. */
  lookAround(): void {
    for (const watcher of this.watchers) watcher()
  }

  #close(running: Running, verdict: 'done' | 'failed' | 'cancelled', outcome: unknown): void {
    const { unit } = running
    this.accounts.ended[verdict] += 1
    unit.settle(verdict, outcome)
    unit.release()
    this.observations.ended(running, verdict)
    this.tell()
  }

  /** What the unit fails with, or undefined when another attempt follows. */
  #retryOrError(unit: Unit, thrown: unknown): unknown {
    const error = isError(thrown) ? thrown : new JobFailedError(unit.id, thrown)
    let delayMs: number | undefined
    try {
      delayMs = unit.retryDelayMs(thrown)
    } catch (failure) {
      return failure
    }
    if (delayMs === undefined) return error
    const timer = this.places.wheel.schedule(delayMs, () => {
      this.delayed.delete(unit)
      unit.requeue()
      this.places.fill()
    })
    this.delayed.set(unit, { timer, error })
    this.observations.retried()
    return undefined
  }

  requeueJob(job: PoolJob): void {
    this.queue.unshift(job)
  }

  releaseJob(job: PoolJob): void {
    if (job.terms === this.options.terms) return
    this.#unregister(job)
    const { key } = job.terms
    if (key === undefined || this.#parked.delete(job)) return
    let next = this.#keys.leave(job)
    while (next !== undefined && isEnded(next.state)) next = this.#keys.leave(next)
    if (next === undefined) return
    this.#parked.delete(next)
    this.queue.unshift(next)
  }

  cancelJob(job: PoolJob, reason: unknown): boolean {
    if (isEnded(job.state)) return false
    if (job.state !== 'running') {
      this.#endWaiting(job, new JobCancelledError(job.id, job.attempt > 0, reason))
      return true
    }
    const running = this.places.find(job)
    if (running === undefined || job.cancellation !== undefined) return false
    this.places.cancel(running, new JobCancelledError(job.id, true, reason))
    return true
  }

  /** Ends a job that waits: for admission, for its start or for another attempt. */
  #endWaiting(job: PoolJob, error: Error): void {
    this.#endQuietly(job, error)
    this.places.fill()
    this.lookAround()
  }

  #endQuietly(job: PoolJob, error: Error): void {
    if (job.state === 'queued') this.endUnbegun(job, 'cancelled', error)
    else if (job.state === 'waiting') this.refuse(job, error)
  }

  /** A caller that waits for room gets none. */
  refuse(job: PoolJob, error: Error): void {
    this.waiters.remove(job)
    job.refuse(error)
    this.#unregister(job)
  }

  /** Ends an accepted job that waits, wherever it does. */
  endUnbegun(job: PoolJob, verdict: Verdict, outcome: unknown): void {
    const delayed = this.delayed.get(job)
    if (delayed === undefined) this.queue.remove(job)
    delayed?.timer.cancel()
    this.delayed.delete(job)
    if (verdict === 'returned') this.accounts.give(job, job.terms.key, job.fn)
    job.settle(verdict, outcome)
    this.accounts.ended[verdict] += 1
    this.observations.unbegun(job, verdict, outcome)
    job.release()
    this.tell()
  }

  /** Ends an item of a map that has not begun. */
  endItem(item: Unit & { readonly input?: unknown }, verdict: Verdict, outcome: unknown): void {
    if (verdict === 'returned') this.accounts.give(item)
    this.accounts.ended[verdict] += 1
    this.observations.unbegun(item, verdict, outcome)
    item.settle(verdict, outcome)
  }

  /** Tells the running items of a map to stop, and ends those that wait for another attempt. */
  cancelItems(isMeant: (unit: Unit) => boolean, reason: unknown): void {
    for (const [unit, { timer }] of [...this.delayed]) {
      if (!isMeant(unit)) continue
      timer.cancel()
      this.delayed.delete(unit)
      this.endItem(unit, 'cancelled', new JobCancelledError(unit.id, true, reason))
    }
    for (const running of [...this.places.running]) {
      if (isMeant(running.unit))
        this.places.cancel(running, new JobCancelledError(running.unit.id, true, reason))
    }
    this.lookAround()
  }

  jobProgressed(job: PoolJob): void {
    this.notices.emit('jobProgressed', job)
  }

  /** Lets a map take part in the turns. */
  offer(feed: Feed): void {
    this.queue.offer(feed)
    this.places.fill()
  }

  /** Jobs that wait: ready, behind their key, or for another attempt. */
  waitingJobs(): readonly PoolJob[] {
    const delayed = [...this.delayed.keys()].filter((unit) => unit instanceof PoolJob)
    return [...this.queue.jobs(), ...this.#parked, ...delayed]
  }

  #signalAborted(jobs: readonly PoolJob[], reason: unknown): void {
    const waiting = jobs.filter(({ state }) => state !== 'running')
    const cancelled = (job: PoolJob) => new JobCancelledError(job.id, job.attempt > 0, reason)
    endInBulk(waiting, cancelled, (job, error) => this.#endQuietly(job, error))
    for (const job of jobs) if (job.state === 'running') this.cancelJob(job, reason)
    this.places.fill()
    this.lookAround()
  }
}
