/**
 * Durable batches distributed by BullMQ: one job per chunk, never per item, over the coordination Redis.
 *
 * BullMQ delivers at least once and forgets what Redis forgets; neither matters, because a job is only a hint that a
 * chunk may be free. Which chunks there are, and which are done, the ledger knows; every process that works looks from
 * time to time and adds what is missing.
 */

import { type BatchChunkRef, type BatchRunRef, InvalidInputError, wholeNumberOption } from '@kerp/core'
import { type ConnectionOptions, type Job, Queue, Worker } from 'bullmq'
import type { BatchDriver, BatchDriving, BatchHost } from './batch-driver.js'

/** How BullMQ is used. */
export interface BullmqDriverOptions {
  /** As BullMQ takes it; the server must have `maxmemory-policy noeviction`. Clients that are handed in are not closed. */
  readonly connection: ConnectionOptions
  /** Name of the queue, without `:`. @defaultValue 'batches' */
  readonly queueName?: string | undefined
  /** Stands before all keys; in braces, as a cluster needs it. @defaultValue '{kerp-bullmq}' */
  readonly prefix?: string | undefined
  /** Chunks that this process works on at once. @defaultValue 4 */
  readonly chunksAtOnce?: number | undefined
  /** How often it looks for chunks that no job exists for, in ms. @defaultValue 500 */
  readonly pollMs?: number | undefined
  /** Chunks of one run that have a job at once. @defaultValue 200 */
  readonly jobsMax?: number | undefined
}

interface ResolvedOptions {
  readonly connection: ConnectionOptions
  readonly queueName: string
  readonly prefix: string
  readonly chunksAtOnce: number
  readonly pollMs: number
  readonly jobsMax: number
}

/** How long a free chunk may have had a job before it is doubted, in ms. */
const ADD_AGAIN_MS = 1_500

/** Chunks whose jobs are remembered; beyond them all are forgotten, and may get a second job. */
const ADDED_MAX = 10_000

/**
 * Every process that works takes chunks from one queue.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function bullmqDriver(options: BullmqDriverOptions): BatchDriver {
  const whole = (
    option: 'chunksAtOnce' | 'pollMs' | 'jobsMax',
    range: { readonly min: number; readonly max: number; readonly fallback: number },
  ): number => wholeNumberOption('bullmqDriver', option, options[option], range)
  const resolved = {
    connection: options.connection,
    queueName: options.queueName ?? 'batches',
    prefix: options.prefix ?? '{kerp-bullmq}',
    chunksAtOnce: whole('chunksAtOnce', { min: 1, max: 1_000, fallback: 4 }),
    pollMs: whole('pollMs', { min: 10, max: 60_000, fallback: 500 }),
    jobsMax: whole('jobsMax', { min: 1, max: 10_000, fallback: 200 }),
  }
  return { drive: (host) => new BullmqDriving(host, resolved) }
}

class BullmqDriving implements BatchDriving {
  readonly #host: BatchHost
  readonly #options: ResolvedOptions
  readonly #queue: Queue<BatchChunkRef>
  readonly #worker: Worker<BatchChunkRef>
  /** Chunks that this process added a job for: how often, and in which look the last time. */
  readonly #added = new Map<string, { readonly look: number; readonly times: number }>()
  readonly #looking: Promise<void>
  #looks = 0
  #closing = false
  #wake: () => void = () => undefined

  constructor(host: BatchHost, options: ResolvedOptions) {
    this.#host = host
    this.#options = options
    const { connection, prefix, queueName, chunksAtOnce } = options
    this.#queue = new Queue(queueName, { connection, prefix })
    this.#worker = new Worker(queueName, (job) => this.#process(job), {
      connection,
      prefix,
      concurrency: chunksAtOnce,
    })
    // An emitter without a listener for errors would end the process.
    this.#queue.on('error', (error) => host.failed(error))
    this.#worker.on('error', (error) => host.failed(error))
    this.#looking = this.#look()
  }

  wake(): void {
    this.#wake()
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#wake()
    await Promise.all([this.#looking, this.#worker.close()])
    await this.#queue.close()
  }

  async #look(): Promise<void> {
    while (!this.#closing) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve))
      this.#looks += 1
      try {
        for (const run of await this.#host.openRuns()) await this.#tend(run)
      } catch (error) {
        this.#host.failed(error)
      }
      await Promise.race([woken, this.#host.pause(this.#options.pollMs)])
    }
  }

  /** Sees to it that there are jobs for what is free, that more is planned, and that what is done is ended. */
  async #tend(run: BatchRunRef): Promise<void> {
    const { jobsMax } = this.#options
    const isMore = await this.#host.advance(run)
    const chunks = await this.#host.claimable(run, jobsMax)
    await this.#add(chunks)
    if (isMore && chunks.length < jobsMax) this.#wake()
  }

  async #add(chunks: readonly BatchChunkRef[]): Promise<void> {
    const fresh = chunks.filter((chunk) => !this.#added.has(nameOf(chunk)))
    const lost = await this.#lost(chunks)
    const missing = [...fresh, ...lost]
    if (missing.length === 0) return
    if (this.#added.size + missing.length > ADDED_MAX) this.#added.clear()
    const jobs = missing.map((data) => ({
      name: 'chunk',
      data,
      opts: { jobId: this.#nextJobId(data), removeOnComplete: true, removeOnFail: true },
    }))
    await this.#queue.addBulk(jobs)
  }

  /**
   * Chunks that are free although they had a job for a while, and no job waits any more: Redis lost it, or a worker
   * died between taking it and claiming the chunk. BullMQ would hold such a job for a minute.
   */
  async #lost(chunks: readonly BatchChunkRef[]): Promise<readonly BatchChunkRef[]> {
    const before = this.#looks - Math.ceil(ADD_AGAIN_MS / this.#options.pollMs)
    const old = chunks.filter((chunk) => (this.#added.get(nameOf(chunk))?.look ?? Infinity) <= before)
    return old.length > 0 && (await this.#queue.getWaitingCount()) === 0 ? old : []
  }

  /** The first id is the same for all processes, so that they add one job; later ones must be other ones. */
  #nextJobId(chunk: BatchChunkRef): string {
    const name = nameOf(chunk)
    const times = (this.#added.get(name)?.times ?? 0) + 1
    this.#added.set(name, { look: this.#looks, times })
    return `${name}|${times}`
  }

  async #process(job: Job<unknown>): Promise<void> {
    const chunk = chunkOf(job.data)
    const worked = await this.#host.work(chunk, chunk.number)
    this.#added.delete(nameOf(chunk))
    // The last chunk of what was planned ends the run, or asks for more.
    if (worked && (await this.#host.claimable(chunk, 1)).length === 0) this.#wake()
  }
}

/** The fence is part of it: a chunk whose worker died gets a new job, while BullMQ still holds the old one. */
function nameOf({ companyId, runId, number, fence }: BatchChunkRef): string {
  return [companyId, runId, number, fence].join('|')
}

function chunkOf(data: unknown): BatchChunkRef {
  const field = (name: string): unknown =>
    typeof data === 'object' && data !== null ? Reflect.get(data, name) : undefined
  const [companyId, runId, number, fence] = ['companyId', 'runId', 'number', 'fence'].map(field)
  if (
    typeof companyId === 'string' &&
    typeof runId === 'string' &&
    typeof number === 'number' &&
    typeof fence === 'string'
  ) {
    return { companyId, runId, number, fence }
  }
  throw new InvalidInputError('job', 'a chunk of a batch', data)
}
