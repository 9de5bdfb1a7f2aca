/** Ends a pool: nothing new comes in, what is there goes one of five ways, and the report says which. */

import { ClosedError, type Complete } from '@kerp/core'
import type { StopReport } from './accounts.js'
import { endInBulk } from './end-in-bulk.js'
import type { Engine } from './engine.js'
import { JobAbandonedError, JobCancelledError, JobReturnedError } from './errors.js'
import { PoolJob } from './pool-job.js'
import { STOP_MODES, type StopMode, type StopOptions } from './stop-options.js'
import type { Running } from './places.js'
import type { Unit } from './unit.js'

/** One stop. A later call may be stricter or more impatient than the first, never milder. */
export class PoolStop {
  readonly report: Promise<StopReport>
  readonly #engine: Engine
  readonly #begunMs: number
  #deadlineMs = Number.POSITIVE_INFINITY
  #timer: { cancel(): void } | undefined
  #resolve: (report: StopReport) => void = () => undefined
  readonly #look = (): void => {
    const { places, queued } = this.#engine
    if (queued === 0 && places.running.size === 0) this.#finish()
  }

  constructor(engine: Engine) {
    this.#engine = engine
    this.#begunMs = engine.options.clock.monotonicMs()
    this.report = new Promise((resolve) => (this.#resolve = resolve))
    engine.isClosed = true
    for (const waiter of [...engine.waiters.jobs()])
      engine.refuse(waiter, new ClosedError(`Pool ${engine.name}`))
    engine.watchers.add(this.#look)
  }

  /** Applies what one call of `stop` asked for. */
  apply({ mode, deadlineMs }: Complete<StopOptions>): void {
    const engine = this.#engine
    if (engine.isFrozen) return
    if (STOP_MODES.indexOf(mode) >= STOP_MODES.indexOf(engine.stopMode)) this.#enterMode(mode)
    this.#limit(deadlineMs)
    engine.places.isPaused = false
    engine.places.fill()
    this.#look()
  }

  #enterMode(mode: StopMode): void {
    const engine = this.#engine
    engine.stopMode = mode
    for (const map of [...engine.maps]) map.poolStops(mode)
    if (mode === 'drain') return
    this.#emptyQueue(mode === 'abort' ? 'cancelled' : 'returned')
    if (mode !== 'abort') return
    const reason = new ClosedError(`Pool ${engine.name}`)
    for (const running of [...engine.places.running]) {
      engine.places.cancel(running, new JobCancelledError(running.unit.id, true, reason))
    }
  }

  /** What waits ends: what was never begun as the mode says, what waits for another attempt with its last error. */
  #emptyQueue(verdict: 'cancelled' | 'returned'): void {
    const engine = this.#engine
    for (const [unit, { timer, error }] of [...engine.delayed]) {
      timer.cancel()
      engine.delayed.delete(unit)
      if (unit instanceof PoolJob) engine.endUnbegun(unit, 'failed', error)
      else engine.endItem(unit, 'failed', error)
    }
    const reason = new ClosedError(`Pool ${engine.name}`)
    const unbegun: PoolJob[] = []
    for (const job of engine.waitingJobs()) {
      if (job.attempt > 0) engine.endUnbegun(job, 'failed', job.lastError)
      else unbegun.push(job)
    }
    const errorOf = ({ id }: PoolJob) =>
      verdict === 'cancelled' ? new JobCancelledError(id, false, reason) : new JobReturnedError(id)
    endInBulk(unbegun, errorOf, (job, error) => engine.endUnbegun(job, verdict, error))
  }

  #limit(deadlineMs: number): void {
    if (deadlineMs >= this.#deadlineMs) return
    const { clock } = this.#engine.options
    this.#deadlineMs = deadlineMs
    this.#timer?.cancel()
    const leftMs = Math.max(0, this.#begunMs + deadlineMs - clock.monotonicMs())
    this.#timer = clock.setTimer(leftMs, () => this.#giveUp())
  }

  #giveUp(): void {
    const engine = this.#engine
    for (const map of [...engine.maps]) map.poolStops('finishRunning')
    this.#emptyQueue('returned')
    for (const running of [...engine.places.running]) this.#abandon(running)
    this.#finish()
  }

  #abandon({ unit, startMs }: Running): void {
    const engine = this.#engine
    const error = new JobAbandonedError(unit.id, this.#deadlineMs)
    const runningMs = Math.max(0, engine.options.clock.monotonicMs() - startMs)
    engine.accounts.abandonedJobs.push({ id: unit.id, companyId: unit.companyId, runningMs })
    engine.accounts.ended.abandoned += 1
    this.#answer(unit, error)
    unit.abort(error)
  }

  #answer(unit: Unit, error: JobAbandonedError): void {
    if (unit.givenUp !== undefined) return
    unit.givenUp = 'failed'
    unit.settle('abandoned', error)
    this.#engine.observations.unbegun(unit, 'abandoned', error)
    unit.release()
  }

  #finish(): void {
    const engine = this.#engine
    if (engine.isFrozen) return
    engine.isFrozen = true
    engine.watchers.delete(this.#look)
    this.#timer?.cancel()
    engine.tell()
    engine.lookAround()
    const report = engine.accounts.report(engine.name)
    this.#resolve(report)
    engine.notices.emit('stopped', report)
  }
}
