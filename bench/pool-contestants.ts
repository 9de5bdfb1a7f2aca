/** What pool.bench.ts measures, one contestant per process. */

import { createPool } from '@kerp/worker-pool'
import async from 'async'
import fastq from 'fastq'
import pLimit from 'p-limit'
import pMap, { pMapIterable, pMapSkip } from 'p-map'
import PQueue from 'p-queue'
import { Piscina } from 'piscina'
import { Tinypool } from 'tinypool'

const CONCURRENCY = 50
const NO_OP = new URL('no-op-task.mjs', import.meta.url).href

/** Takes one job that answers with its number. */
export type Add = (number: number) => Promise<unknown>

type Job = () => Promise<number>

/** Jobs that are each a function of their own; those of `fixed` are inputs of one function. */
export const JOBS: Readonly<Record<string, () => Add>> = {
  'WorkerPool.run': () => {
    const pool = createPool({ name: 'bench', concurrency: CONCURRENCY, queueMax: 10_000_000 })
    return (number) => pool.run(() => Promise.resolve(number))
  },
  'WorkerPool.submit, result': () => {
    const pool = createPool({ name: 'bench', concurrency: CONCURRENCY, queueMax: 10_000_000 })
    return (number) => pool.submit(() => Promise.resolve(number)).then((job) => job.result)
  },
  'p-limit': () => {
    const limit = pLimit(CONCURRENCY)
    return (number) => limit(() => Promise.resolve(number))
  },
  'p-queue': () => {
    const queue = new PQueue({ concurrency: CONCURRENCY })
    return (number) => queue.add(() => Promise.resolve(number))
  },
  'fastq.promise': () => {
    const queue = fastq.promise((job: Job) => job(), CONCURRENCY)
    return (number) => queue.push(() => Promise.resolve(number))
  },
  'async.queue': () => {
    const queue = async.queue(async (job: Job) => job(), CONCURRENCY)
    return (number) => queue.pushAsync(() => Promise.resolve(number))
  },
  'fastq.promise, fixed': () => {
    const queue = fastq.promise((number: number) => Promise.resolve(number), CONCURRENCY)
    return (number) => queue.push(number)
  },
  'async.queue, fixed': () => {
    const queue = async.queue(async (number: number) => Promise.resolve(number), CONCURRENCY)
    return (number) => queue.pushAsync(number)
  },
}

/** No-op tasks on two threads. */
export const THREADS: Readonly<Record<string, () => Add>> = {
  piscina: () => {
    const pool = new Piscina({ filename: NO_OP, minThreads: 2, maxThreads: 2 })
    return (number) => pool.run(number)
  },
  tinypool: () => {
    const pool = new Tinypool({ filename: NO_OP, minThreads: 2, maxThreads: 2 })
    return (number) => pool.run(number)
  },
}

/** Works through a generator and answers with the sum of its numbers. */
export const MAPS: Readonly<Record<string, (numbers: Iterable<number>) => Promise<number>>> = {
  'WorkerPool.map': async (numbers) => {
    const pool = createPool({ name: 'bench', concurrency: CONCURRENCY })
    let sum = 0
    for await (const result of pool.map(numbers, (number) => Promise.resolve(number))) {
      if (result.ok) sum += result.value
    }
    return sum
  },
  'WorkerPool.map, input order': async (numbers) => {
    const pool = createPool({ name: 'bench', concurrency: CONCURRENCY })
    let sum = 0
    for await (const result of pool.map(numbers, (number) => Promise.resolve(number), { order: 'input' })) {
      if (result.ok) sum += result.value
    }
    return sum
  },
  pMapIterable: async (numbers) => {
    let sum = 0
    const options = { concurrency: CONCURRENCY }
    for await (const number of pMapIterable(numbers, (number) => Promise.resolve(number), options))
      sum += number
    return sum
  },
  'p-map, results skipped': async (numbers) => {
    let sum = 0
    const add = (number: number) => {
      sum += number
      return Promise.resolve(pMapSkip)
    }
    await pMap(numbers, add, { concurrency: CONCURRENCY })
    return sum
  },
}

/** Queues jobs behind one that holds the only place, all with one signal. */
export const ABORTS: Readonly<Record<string, (jobs: number, signal: AbortSignal) => Promise<unknown>[]>> = {
  'WorkerPool.run': (jobs, signal) => {
    const pool = createPool({ name: 'bench', concurrency: 1, queueMax: 10_000_000 })
    void pool.run(() => new Promise(() => undefined))
    return Array.from({ length: jobs }, () => pool.run(() => 1, { signal }))
  },
  'p-queue': (jobs, signal) => {
    const queue = new PQueue({ concurrency: 1 })
    void queue.add(() => new Promise(() => undefined))
    return Array.from({ length: jobs }, () => queue.add(() => 1, { signal }))
  },
}
