/** One thread and the jobs that are on it: two lanes, so that it never waits for its next message. */

import { thrownText } from '@kerp/core'
import { Worker } from 'node:worker_threads'
import type { CpuJob } from './cpu-job.js'
import { CPU_THREAD_SOURCE, FLAG } from './cpu-thread-source.js'
import { CpuEntryError, CpuTaskError, CpuThreadLostError, JobCancelledError } from './errors.js'

/** Jobs of one message at most. */
export const LANE_ITEMS = 1_024
/** Messages that are on a thread at once. */
export const LANES = 2
/** Results wait for others of their message at most about this long, in ms, and one further job. */
const FLUSH_MS = 5

/** What a thread tells its pool. */
export interface CpuThreadHost {
  /** A lane is free, or the thread is ready; with what the last jobs took. */
  free(thread: CpuThread, took: { readonly jobs: number; readonly elapsedMs: number } | undefined): void
  /** It has ended; these jobs never began. */
  ended(thread: CpuThread, notBegun: readonly CpuJob[], entryError: CpuEntryError | undefined): void
}

interface Lane {
  readonly batch: number
  readonly jobs: readonly CpuJob[]
  answered: number
}

type Thrown = ConstructorParameters<typeof CpuTaskError>[0]

interface Message {
  readonly ready?: boolean | undefined
  readonly entryFailed?: Thrown | undefined
  readonly lane?: number | undefined
  readonly batch?: number | undefined
  readonly results?: readonly unknown[] | undefined
  /** Places in `results` that hold none, and why: what was thrown, or undefined for a job that was skipped. */
  readonly apart?: readonly (readonly [place: number, thrown: Thrown | undefined])[] | undefined
  readonly elapsedMs?: number | undefined
}

/** Sends jobs to a thread, and settles them. */
export class CpuThread {
  readonly #worker: Worker
  readonly #host: CpuThreadHost
  readonly #flags: Int32Array
  readonly #lanes: (Lane | undefined)[] = Array.from({ length: LANES }, () => undefined)
  #batches = 0
  #entryError: CpuEntryError | undefined
  isReady = false

  constructor(entry: string, host: CpuThreadHost) {
    this.#host = host
    const shared = new SharedArrayBuffer(LANES * (LANE_ITEMS + 1) * Int32Array.BYTES_PER_ELEMENT)
    this.#flags = new Int32Array(shared)
    const workerData = { entry, flags: shared, laneItems: LANE_ITEMS, flushMs: FLUSH_MS }
    this.#worker = new Worker(CPU_THREAD_SOURCE, { eval: true, workerData, execArgv: threadArgs() })
    this.#worker.on('message', (message: Message) => this.#hear(message))
    // What goes wrong ends the thread: `exit` follows and settles its jobs.
    this.#worker.on('error', () => undefined)
    this.#worker.once('exit', () => this.#exit())
  }

  get isIdle(): boolean {
    return this.#lanes.every((lane) => lane === undefined)
  }

  get hasRoom(): boolean {
    return this.isReady && this.#lanes.includes(undefined)
  }

  /** The job that is running, if any. */
  get running(): CpuJob | undefined {
    for (const [index, lane] of this.#lanes.entries()) {
      const current = Atomics.load(this.#flags, index * (LANE_ITEMS + 1) + LANE_ITEMS)
      if (lane !== undefined && current > 0) return lane.jobs[current - 1]
    }
    return undefined
  }

  /** Sends jobs; at most `LANE_ITEMS`, and only while there is room. One that cannot be copied fails alone. */
  send(jobs: readonly CpuJob[]): void {
    const lane = this.#lanes.indexOf(undefined)
    const base = lane * (LANE_ITEMS + 1)
    this.#flags.fill(FLAG.waiting, base, base + jobs.length)
    this.#batches += 1
    const message = { lane, batch: this.#batches, items: jobs.map(({ value }) => value), ...contextsOf(jobs) }
    const buffers = jobs.flatMap(({ asked }) => asked.transfer)
    try {
      this.#worker.postMessage(message, buffers.length === 0 ? undefined : [...new Set(buffers)])
    } catch (error) {
      this.#sendApart(jobs, error)
      return
    }
    this.#lanes[lane] = { batch: this.#batches, jobs, answered: 0 }
    this.#worker.ref()
  }

  #sendApart(jobs: readonly CpuJob[], error: unknown): void {
    const [first, ...others] = jobs
    if (first === undefined) return
    if (others.length === 0) {
      first.reject('failed', new CpuTaskError({ name: 'DataCloneError', message: thrownText(error) }))
      this.#host.free(this, undefined)
      return
    }
    for (const job of jobs) {
      try {
        structuredClone(job.value, { transfer: [] })
      } catch (cause) {
        job.reject('failed', new CpuTaskError({ name: 'DataCloneError', message: thrownText(cause) }))
      }
    }
    const good = jobs.filter(({ isEnded }) => !isEnded)
    // Whatever is wrong with all of them together is met one by one.
    if (good.length < jobs.length) this.send(good)
    else for (const job of good) job.reject('failed', new CpuTaskError({ message: thrownText(error) }))
  }

  /**
   * Cancels a job of this thread: one that has not begun never will, one that runs sees it in its context. Answers
   * whether it had begun; undefined for a job that is not here.
   */
  cancel(job: CpuJob, cause: unknown): boolean | undefined {
    for (const [number, lane] of this.#lanes.entries()) {
      const index = lane?.jobs.indexOf(job) ?? -1
      if (index < 0) continue
      const cell = number * (LANE_ITEMS + 1) + index
      const begun = Atomics.compareExchange(this.#flags, cell, FLAG.waiting, FLAG.skipped) !== FLAG.waiting
      if (begun) Atomics.compareExchange(this.#flags, cell, FLAG.begun, FLAG.cancelled)
      job.reject('cancelled', new JobCancelledError(job.id, begun, cause))
      return begun
    }
    return undefined
  }

  /** Cancels what runs without settling it: its caller has an answer already. */
  warn(job: CpuJob): void {
    for (const [number, lane] of this.#lanes.entries()) {
      const index = lane?.jobs.indexOf(job) ?? -1
      const cell = number * (LANE_ITEMS + 1) + index
      if (index >= 0) Atomics.compareExchange(this.#flags, cell, FLAG.begun, FLAG.cancelled)
    }
  }

  /** Takes back what has not begun. */
  takeBack(): readonly CpuJob[] {
    return this.#lanes.flatMap((lane, number) =>
      (lane?.jobs ?? []).filter((job, index) => {
        const cell = number * (LANE_ITEMS + 1) + index
        if (job.isEnded) return false
        return Atomics.compareExchange(this.#flags, cell, FLAG.waiting, FLAG.skipped) === FLAG.waiting
      }),
    )
  }

  /** Jobs that are here and have not ended. */
  get unfinished(): readonly CpuJob[] {
    return this.#lanes.flatMap((lane) => lane?.jobs ?? []).filter(({ isEnded }) => !isEnded)
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #hear(message: Message): void {
    if (message.ready === true) {
      this.isReady = true
      this.#worker.unref()
      this.#host.free(this, undefined)
    } else if (message.entryFailed !== undefined) {
      this.#entryError = new CpuEntryError(message.entryFailed.message ?? 'it threw')
    } else this.#settle(message)
  }

  #settle({ lane: number = 0, batch, results = [], apart = [], elapsedMs = 0 }: Message): void {
    const lane = this.#lanes[number]
    if (lane?.batch !== batch || lane === undefined) return
    const first = lane.answered
    for (const [place, thrown] of apart) {
      if (thrown !== undefined) lane.jobs[first + place]?.reject('failed', new CpuTaskError(thrown))
    }
    const isApart = apart.length === 0 ? undefined : new Set(apart.map(([place]) => place))
    for (const [place, result] of results.entries()) {
      if (isApart?.has(place) !== true) lane.jobs[first + place]?.resolve(result)
    }
    lane.answered += results.length
    if (lane.answered >= lane.jobs.length) this.#lanes[number] = undefined
    if (this.isIdle) this.#worker.unref()
    this.#host.free(this, { jobs: results.length, elapsedMs })
  }

  #exit(): void {
    this.isReady = false
    const notBegun = this.takeBack()
    for (const job of this.unfinished.filter((one) => !notBegun.includes(one))) {
      job.reject('failed', new CpuThreadLostError(job.id))
    }
    this.#lanes.fill(undefined)
    this.#host.ended(this, notBegun, this.#entryError)
  }
}

/** Each context once; which job has which, where there are several. */
function contextsOf(jobs: readonly CpuJob[]): {
  readonly contexts: readonly object[]
  readonly contextOf?: readonly number[] | undefined
} {
  const numbers = new Map<object, number>()
  const contextOf = jobs.map(({ asked: { fields } }) => {
    const known = numbers.get(fields) ?? numbers.size
    numbers.set(fields, known)
    return known
  })
  const contexts = [...numbers.keys()]
  return contexts.length === 1 ? { contexts } : { contexts, contextOf }
}

/** Flags of this process that a thread needs too; a loader of its own it gets from its bootstrap. */
function threadArgs(): string[] {
  return process.execArgv.flatMap((arg, index, all) => {
    const next = all[index + 1]
    if (arg === '--conditions' || arg === '-C') return next === undefined ? [] : [`--conditions=${next}`]
    return arg.startsWith('--conditions=') ? [arg] : []
  })
}
