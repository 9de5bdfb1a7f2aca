/** One pool with every kind of job, stopped at a random moment; then every job must have ended in exactly one way. */

import { KerpError, OverloadedError } from '@kerp/core'
import { manualClock, seededRandom } from '@kerp/core/testing'
import { createPool, type Job, type JobOptions, type StopMode, type StopReport } from '@kerp/worker-pool'

/** What one round showed. */
export interface StopRound {
  readonly report: StopReport
  /** How often each function began, by number of the job. */
  readonly begun: readonly number[]
  /** What the handles say, by number of the job; undefined if it was not accepted. */
  readonly states: readonly (string | undefined)[]
  /** Promises that had not settled when the report was there. */
  readonly pending: number
  /** Numbers of jobs that began after the report. */
  readonly late: readonly number[]
  /** Results by the code of their error, or `ok`. */
  readonly results: ReadonlyMap<string, number>
  readonly mapEnds: number
}

const MODES: readonly [StopMode, ...StopMode[]] = ['drain', 'finishRunning', 'abort']

/** Runs one round; the same seed gives the same one. */
export async function stopAtRandom(seed: number): Promise<StopRound> {
  const random = seededRandom(seed)
  const upTo = (limit: number): number => Math.floor(random.fraction() * limit)
  const oneOf = <T>(choices: readonly [T, ...T[]]): T => choices[upTo(choices.length)] ?? choices[0]
  const clock = manualClock()
  const pool = createPool({
    name: 'stops',
    concurrency: 1 + upTo(5),
    queueMax: upTo(30),
    onFull: oneOf(['wait', 'reject', 'dropOldest', 'callerRuns'] as const),
    timeoutMs: 40,
    graceMs: 15,
    clock,
    random,
  })
  const jobs = 10 + upTo(40)
  const begun = Array.from({ length: jobs }, () => 0)
  const handles: (Job<number> | undefined)[] = []
  const late: number[] = []
  const results = new Map<string, number>()
  let isReported = false
  let pending = 0
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(ms, resolve))
  const follow = (promise: Promise<unknown>): void => {
    pending += 1
    const count = (word: string) => {
      pending -= 1
      results.set(word, (results.get(word) ?? 0) + 1)
    }
    promise.then(
      () => count('ok'),
      (error: unknown) => count(error instanceof KerpError ? error.code : 'its own'),
    )
  }
  const submit = async (number: number): Promise<void> => {
    const kind = oneOf(['quick', 'sync', 'slow', 'deaf', 'throws', 'text', 'obeys'] as const)
    const ms = upTo(30)
    const options: JobOptions = {
      ...(upTo(3) === 0 ? { key: `k${upTo(3)}` } : {}),
      ...(upTo(2) === 0 ? { companyId: `c${upTo(4)}` } : {}),
      ...(upTo(4) === 0 ? { waitMs: upTo(40) } : {}),
      ...(upTo(3) === 0 ? { retry: { attemptsMax: 3, isRetryable: () => true } } : {}),
      priority: oneOf(['high', 'normal', 'low'] as const),
    }
    const job = await pool.submit(async ({ signal }) => {
      begun[number] = (begun[number] ?? 0) + 1
      if (isReported) late.push(number)
      if (kind === 'slow') await wait(ms)
      if (kind === 'deaf') await wait(200)
      if (kind === 'obeys') await Promise.race([wait(ms), rejectWhenAborted(signal)])
      if (kind === 'throws') throw new Error('broken')
      if (kind === 'text') throw oneOf(['text', undefined, 7] as [unknown, unknown, unknown])
      return number
    }, options)
    handles[number] = job
    follow(job.result)
    if (upTo(8) === 0) job.cancel('changed its mind')
  }
  let mapEnds = 0
  const mapIt = async (): Promise<void> => {
    const source = upTo(2) === 0 ? [1, 2, 3, 4, 5, 6] : endless(wait)
    const run = pool.map(source, () => wait(upTo(10)), {
      order: oneOf(['input', 'completion'] as const),
      windowMax: 3,
    })
    for (let step = await run.next(); step.done !== true; step = await run.next()) mapEnds += 1
  }
  const stopAfterMs = upTo(60)
  const stopping = wait(stopAfterMs).then(async () => {
    const report = await pool.stop({ mode: oneOf(MODES), deadlineMs: upTo(80) })
    isReported = true
    return report
  })
  if (upTo(2) === 0) follow(mapIt())
  for (let number = 0; number < jobs; number += 1) {
    follow(submit(number))
    if (upTo(4) === 0) await clock.advance(upTo(10))
  }
  await clock.advance(400)
  const report = await stopping
  const left = pending
  await clock.advance(2_000)
  const states = Array.from({ length: jobs }, (_, number) => handles[number]?.state)
  return { report, begun, states, pending: left, late, results, mapEnds }
}

function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(new OverloadedError('a', 'b', 1))
    signal.addEventListener('abort', () => reject(new OverloadedError('a', 'b', 1)))
  })
}

async function* endless(wait: (ms: number) => Promise<void>): AsyncGenerator<number> {
  for (let number = 0; ; number += 1) {
    await wait(1)
    yield number
  }
}
