/**
 * Pools in one process: CPU time of a job from its submission to its result, bytes of a queued job, lazy maps, and one
 * abort of many queued jobs.
 *
 * Every measurement is a process of its own, and the contestants take turns in each round, so that a busy machine is
 * busy for all of them; figures are medians of CPU time (user and system, all threads). Every run checks its sum.
 * With one of jobs, heap, maps, threads or abort behind it, it measures that alone.
 */

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { median, rounded } from './figures.js'
import { ABORTS, type Add, JOBS, MAPS, THREADS } from './pool-contestants.js'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '3')
const JOBS_PER_RUN = Number(process.env['BENCH_JOBS'] ?? '1000000')
/** Maps before the timed one, until its code is compiled for good: the first half million items cost twice as much. */
const MAP_WARM_UPS = 5
const THREAD_JOBS = 20_000
const ABORTED = 100_000
/** `submit` makes its result only when it is asked for, so that nothing of it is held while jobs are queued. */
const HELD = Object.keys(JOBS).filter((name) => !name.includes('submit'))
/** Of p-queue, whose cost grows with the square of the number. */
const ABORTED_OF_PEER = 5_000

type Kind = 'jobs' | 'heap' | 'threads' | 'maps' | 'abort'

interface Measured {
  readonly kind: Kind
  readonly name: string
  /** CPU time in µs for each job or item; bytes for each queued job; ms of one abort. */
  readonly figure: number
}

const WHAT: Readonly<Record<Kind, { readonly unit: string; readonly names: readonly string[] }>> = {
  jobs: { unit: `CPU µs per job, ${JOBS_PER_RUN} jobs`, names: Object.keys(JOBS) },
  heap: { unit: 'bytes per queued job, its function and promise included', names: HELD },
  maps: { unit: `CPU µs per item, ${JOBS_PER_RUN} items of a generator`, names: Object.keys(MAPS) },
  threads: { unit: `CPU µs per no-op task, ${THREAD_JOBS} tasks, two threads`, names: Object.keys(THREADS) },
  abort: {
    unit: `CPU ms for which abort() blocks: ${ABORTED} queued jobs (p-queue: ${ABORTED_OF_PEER})`,
    names: Object.keys(ABORTS),
  },
}

function cpuMicroseconds(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return user + system
}

async function runJobs(add: Add, jobs: number): Promise<number> {
  for (let number = 0; number < 2_000; number += 1) await add(number)
  const begin = process.cpuUsage()
  const results = Array.from({ length: jobs }, (_, number) => add(number))
  const sum = (await Promise.all(results)).reduce<number>((total, value) => total + Number(value), 0)
  check(sum, jobs)
  return cpuMicroseconds(begin) / jobs
}

async function queuedBytes(add: Add, jobs: number): Promise<number> {
  for (let number = 0; number < 2_000; number += 1) await add(number)
  const results = new Array<Promise<unknown>>(jobs)
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  for (let number = 0; number < jobs; number += 1) results[number] = add(number)
  globalThis.gc?.()
  const bytes = (process.memoryUsage().heapUsed - before) / jobs
  await Promise.all(results)
  return bytes
}

function* countTo(limit: number): Generator<number> {
  for (let number = 0; number < limit; number += 1) yield number
}

async function runMap(map: (numbers: Iterable<number>) => Promise<number>, items: number): Promise<number> {
  for (let warmUp = 0; warmUp < MAP_WARM_UPS; warmUp += 1) check(await map(countTo(items / 5)), items / 5)
  const begin = process.cpuUsage()
  check(await map(countTo(items)), items)
  return cpuMicroseconds(begin) / items
}

async function abortMs(
  queue: (jobs: number, signal: AbortSignal) => Promise<unknown>[],
  jobs: number,
): Promise<number> {
  const controller = new AbortController()
  const settled = Promise.allSettled(queue(jobs, controller.signal))
  await new Promise(setImmediate)
  const begin = process.cpuUsage()
  controller.abort()
  const blockedMs = cpuMicroseconds(begin) / 1_000
  const ends = await settled
  if (ends.some(({ status }) => status !== 'rejected')) throw new Error('A job was not cancelled.')
  return blockedMs
}

function check(sum: number, jobs: number): void {
  if (sum !== (jobs * (jobs - 1)) / 2) throw new Error(`The sum is ${sum}.`)
}

/** In the child: one measurement. */
function measure(kind: Kind, name: string): Promise<number> {
  const make = (kind === 'threads' ? THREADS : JOBS)[name]
  const map = MAPS[name]
  const abort = ABORTS[name]
  if (kind === 'maps' && map !== undefined) return runMap(map, JOBS_PER_RUN)
  if (kind === 'abort' && abort !== undefined)
    return abortMs(abort, name === 'p-queue' ? ABORTED_OF_PEER : ABORTED)
  if (make === undefined) throw new Error(`There is no ${kind} of ${name}.`)
  if (kind === 'heap') return queuedBytes(make(), Math.min(JOBS_PER_RUN, 500_000))
  return runJobs(make(), kind === 'threads' ? THREAD_JOBS : JOBS_PER_RUN)
}

function measureInChild(kind: Kind, name: string): Promise<Measured> {
  const execArgv = [...process.execArgv, '--expose-gc']
  const child = fork(fileURLToPath(import.meta.url), [kind, name], { execArgv })
  return new Promise((resolve, reject) => {
    child.once('message', (figure) => resolve({ kind, name, figure: Number(figure) }))
    child.once('exit', (code) => reject(new Error(`${kind} of ${name} ended with ${String(code)}.`)))
  })
}

async function compare(kind: Kind): Promise<readonly object[]> {
  const { unit, names } = WHAT[kind]
  const figures = new Map<string, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of names) figures.get(name)?.push((await measureInChild(kind, name)).figure)
  }
  const base = median(figures.get(names[0] ?? '') ?? [])
  const rows = names.map((name) => {
    const figure = median(figures.get(name) ?? [])
    return { name, figure: rounded(figure, 3), timesOurs: rounded(figure / base) }
  })
  console.log(unit)
  console.table(rows)
  return rows.map((row) => ({ kind, ...row }))
}

async function main(): Promise<void> {
  const [kind, name] = process.argv.slice(2)
  if (kind !== undefined && name !== undefined) {
    process.send?.(await measure(kind as Kind, name))
    process.exit()
  }
  const figures: object[] = []
  const kinds = kind === undefined ? Object.keys(WHAT) : [kind]
  for (const each of kinds as readonly Kind[]) figures.push(...(await compare(each)))
  console.log(JSON.stringify({ bench: 'pool', rounds: ROUNDS, jobs: JOBS_PER_RUN, figures }))
}

await main()
