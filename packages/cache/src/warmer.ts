/**
 * Fills caches ahead of their readers: per company, a bounded number of sources at once.
 *
 * It does not push out what is in use. It only fills: what is cached is not renewed, and no TTL is extended. And it
 * ends when Redis has used a share of its `maxmemory`, below which Redis evicts nothing.
 */

import {
  InvalidOptionError,
  type Observer,
  onAbort,
  systemClock,
  observerOfPart,
  tellFailure,
  type Clock,
  wholeNumberOption,
  objectOptions,
  partOption,
} from '@kerp/core'
import { type RedisClient, redisClientOption, redisHealth } from '@kerp/redis'
import type { WarmProgress, WarmSource } from './warm-source.js'

/** What a `Warmer` is made of. */
export interface WarmerOptions {
  /** The Redis that is filled; asked for its memory. */
  readonly redis: RedisClient
  /** What is filled: at each call, for each of its companies. */
  readonly sources: readonly WarmSource[]
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** Sources that run at once, over all companies of a call. @defaultValue 2 */
  readonly parallelMax?: number | undefined
  /** Ends when Redis has used this share of its `maxmemory`, in percent. @defaultValue 75 */
  readonly memoryPercentMax?: number | undefined
  /** Ends after so long, in ms. @defaultValue 600_000 */
  readonly deadlineMs?: number | undefined
}

/** What one call takes. */
export interface WarmCall {
  /** Ends warming between two pages; what was done is reported. */
  readonly signal?: AbortSignal | undefined
  /** The report of an earlier call that did not come to its end: it goes on from there. */
  readonly resume?: WarmReport | undefined
  /** Called after each page. */
  readonly onProgress?: ((progress: SourceReport) => void) | undefined
}

/** How one source of one company went. */
export interface SourceReport extends WarmProgress {
  readonly companyId: string
  readonly source: string
  /** `memory`: Redis is full enough · `aborted`: by the signal or the deadline · `failed`: with `error`. */
  readonly state: 'waiting' | 'running' | 'done' | 'aborted' | 'memory' | 'failed'
  readonly error?: unknown
}

/** How a call went; plain data, so that it can be kept and passed as `resume`. */
export interface WarmReport {
  readonly sources: readonly SourceReport[]
  /** Whether all sources of all companies came to their end. */
  readonly done: boolean
}

const HEALTH_DEADLINE_MS = 1_000

/** Warms companies; made once, with all sources. */
export class Warmer {
  readonly #options: WarmerOptions
  readonly #clock: Clock
  readonly #parallelMax: number
  readonly #memoryPercentMax: number
  readonly #deadlineMs: number

  /**
   * No I/O happens here.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION`
   */
  constructor(options: WarmerOptions) {
    const whole = (name: keyof WarmerOptions, max: number, fallback: number): number =>
      wholeNumberOption('Warmer', name, options[name], { min: 1, max, fallback })
    objectOptions('Warmer', options)
    const isList: boolean = Array.isArray(options.sources)
    if (!isList) throw new InvalidOptionError('Warmer', 'sources', 'a list', options.sources)
    const names = options.sources.map(
      (source) =>
        partOption('Warmer', 'sources', source, { methods: ['warm'], words: 'sources to warm' }).name,
    )
    if (new Set(names).size !== names.length) {
      throw new InvalidOptionError('Warmer', 'sources', 'sources with different names', names)
    }
    redisClientOption('Warmer', options.redis)
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#parallelMax = whole('parallelMax', 64, 2)
    this.#memoryPercentMax = whole('memoryPercentMax', 100, 75)
    this.#deadlineMs = whole('deadlineMs', 86_400_000, 600_000)
  }

  /**
   * Warms every source of every company. One that fails stops no other; nothing is thrown for it.
   */
  async warm(companyIds: readonly string[], call: WarmCall = {}): Promise<WarmReport> {
    const runs = companyIds.flatMap((companyId) =>
      this.#options.sources.map((source) => new SourceRun(companyId, source, call)),
    )
    const stop = new AbortController()
    const stopAll = (): void => stop.abort()
    const timer = this.#clock.setTimer(this.#deadlineMs, stopAll)
    const unlisten = call.signal === undefined ? undefined : onAbort(call.signal, stopAll)
    if (call.signal?.aborted === true) stopAll()
    try {
      const queue = runs.filter(({ report }) => report.state !== 'done').values()
      const worker = async (): Promise<void> => {
        for (const run of queue) if (!stop.signal.aborted) await this.#run(run, stop.signal)
      }
      await Promise.all(Array.from({ length: this.#parallelMax }, worker))
    } finally {
      timer.cancel()
      unlisten?.()
    }
    const sources = runs.map(({ report }) => report)
    return { sources, done: sources.every(({ state }) => state === 'done') }
  }

  async #run(run: SourceRun, stop: AbortSignal): Promise<void> {
    if (await this.#isFull()) {
      run.end('memory')
      return
    }
    const full = new AbortController()
    const look = async (): Promise<void> => {
      if (await this.#isFull()) full.abort()
    }
    try {
      const isDone = await run.warm(AbortSignal.any([stop, full.signal]), () => void look())
      run.end(isDone ? 'done' : full.signal.aborted ? 'memory' : 'aborted')
    } catch (error) {
      tellFailure(observerOfPart(this.#options.observer), 'Warmer', error)
      run.end('failed', error)
    }
  }

  /** A server that does not tell, or has no limit, is not full. */
  async #isFull(): Promise<boolean> {
    const { usedMemoryBytes, maxmemoryBytes } = await redisHealth(this.#options.redis, {
      deadlineMs: HEALTH_DEADLINE_MS,
    })
    if (usedMemoryBytes === undefined || !maxmemoryBytes) return false
    return usedMemoryBytes * 100 >= maxmemoryBytes * this.#memoryPercentMax
  }
}

/** One source of one company, with what an earlier call had done of it. */
class SourceRun {
  readonly #source: WarmSource
  readonly #onProgress: WarmCall['onProgress']
  readonly #before: WarmProgress
  report: SourceReport

  constructor(companyId: string, source: WarmSource, { resume, onProgress }: WarmCall) {
    const before = resume?.sources.find(
      (earlier) => earlier.companyId === companyId && earlier.source === source.name,
    )
    this.#source = source
    this.#onProgress = onProgress
    this.#before = { rows: before?.rows ?? 0, loaded: before?.loaded ?? 0, after: before?.after }
    const state = before?.state === 'done' ? 'done' : 'waiting'
    this.report = { companyId, source: source.name, ...this.#before, state }
  }

  warm(signal: AbortSignal, onPage: () => void): Promise<boolean> {
    return this.#source.warm({
      companyId: this.report.companyId,
      after: this.#before.after,
      signal,
      report: ({ rows, loaded, after }) => {
        this.report = {
          ...this.report,
          rows: this.#before.rows + rows,
          loaded: this.#before.loaded + loaded,
          after,
          state: 'running',
        }
        this.#onProgress?.(this.report)
        onPage()
      },
    })
  }

  end(state: SourceReport['state'], error?: unknown): void {
    this.report = { ...this.report, state, ...(error === undefined ? {} : { error }) }
    this.#onProgress?.(this.report)
  }
}
