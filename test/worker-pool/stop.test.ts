import { manualClock } from '@kerp/core/testing'
import { createPool, type StopReport } from '@kerp/worker-pool'
import { describe, expect, it } from 'vitest'
import { stopAtRandom } from './random-stops.js'

const STOPS = process.env['KERP_TEST_FULL'] === '1' ? 1_000 : 150

function sumOf(report: StopReport): number {
  return report.done + report.failed + report.cancelled + report.returned + report.abandoned
}

function pause(clock: ReturnType<typeof manualClock>, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(ms, resolve))
}

describe('a stop', () => {
  it('at any moment, in any mode, accounts for every accepted job exactly once', async () => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= STOPS; seed += 1) {
      const { report, begun, states, pending, late, results } = await stopAtRandom(seed)
      const place = `seed ${seed}`
      expect([place, sumOf(report)]).toStrictEqual([place, report.accepted])
      expect([place, pending]).toStrictEqual([place, 0])
      expect([place, late]).toStrictEqual([place, []])
      expect([place, report.returnedJobs.length, report.abandonedJobs.length]).toStrictEqual([
        place,
        report.returned,
        report.abandoned,
      ])
      for (const [number, state] of states.entries()) {
        expect([place, ['queued', 'running', 'waiting'].includes(state ?? '')]).toStrictEqual([place, false])
        if (state === 'returned') expect([place, begun[number]]).toStrictEqual([place, 0])
        if (state === 'done') expect([place, begun[number]]).not.toStrictEqual([place, 0])
      }
      for (const word of results.keys()) seen.add(word)
    }
    expect([...seen]).toEqual(
      expect.arrayContaining([
        'ok',
        'CLOSED',
        'JOB_CANCELLED',
        'JOB_RETURNED',
        'JOB_ABANDONED',
        'JOB_FAILED',
      ]),
    )
  })

  it('that drains runs everything that was accepted, and refuses what comes', async () => {
    const pool = createPool({ name: 'drain', concurrency: 2 })
    const results = Array.from({ length: 20 }, (_, index) => pool.run(() => index))
    const report = await pool.stop()
    expect(report).toMatchObject({ accepted: 20, done: 20, returned: 0, abandoned: 0 })
    expect(await Promise.all(results)).toHaveLength(20)
    await expect(pool.run(() => 1)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(pool.submit(() => 1)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('that finishes what runs returns the rest, with its functions, never run', async () => {
    const clock = manualClock()
    const pool = createPool({ name: 'return', concurrency: 1, clock })
    const first = pool.run(() => pause(clock, 5))
    const fn = () => 'never'
    const second = await pool.submit(fn, { id: 'v2', key: 'k', companyId: 'c1' })
    const stopping = pool.stop({ mode: 'finishRunning' })
    await expect(second.result).rejects.toMatchObject({ code: 'JOB_RETURNED', retryable: true })
    await clock.advance(10)
    await first
    const report = await stopping
    expect(report).toMatchObject({ accepted: 2, done: 1, returned: 1 })
    expect(report.returnedJobs).toStrictEqual([{ id: 'v2', companyId: 'c1', key: 'k', fn, input: undefined }])
  })

  it('that aborts tells what runs by its signal, and a job that ends well all the same is done', async () => {
    const clock = manualClock()
    const pool = createPool({ name: 'abort', concurrency: 2, clock })
    const obedient = pool.run(
      ({ signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stop')))),
    )
    const deaf = pool.run(() => pause(clock, 5).then(() => 'done'))
    const queued = pool.run(() => 'never')
    const stopping = pool.stop({ mode: 'abort' })
    await expect(obedient).rejects.toMatchObject({ code: 'JOB_CANCELLED', begun: true })
    await expect(queued).rejects.toMatchObject({ code: 'JOB_CANCELLED', begun: false })
    await clock.advance(10)
    expect(await deaf).toBe('done')
    expect(await stopping).toMatchObject({ accepted: 3, done: 1, cancelled: 2 })
  })

  it('names what still runs at its deadline, and its caller waits no longer', async () => {
    const clock = manualClock()
    const pool = createPool({ name: 'abandon', concurrency: 1, clock })
    const hung = await pool.submit(() => new Promise<void>(() => undefined), { id: 'hung' })
    const behind = pool.run(() => 1)
    behind.catch(() => undefined)
    const stopping = pool.stop({ deadlineMs: 50 })
    await clock.advance(50)
    await expect(hung.result).rejects.toMatchObject({ code: 'JOB_ABANDONED' })
    await expect(behind).rejects.toMatchObject({ code: 'JOB_RETURNED' })
    const report = await stopping
    expect(report).toMatchObject({ accepted: 2, returned: 1, abandoned: 1 })
    expect(report.abandonedJobs).toStrictEqual([{ id: 'hung', companyId: undefined, runningMs: 50 }])
    expect(clock.timersPending).toBeLessThanOrEqual(1)
  })

  it('waits for a function that timed out and still runs, and calls it abandoned if it outlasts the stop', async () => {
    const clock = manualClock()
    const pool = createPool({ name: 'late', concurrency: 1, timeoutMs: 10, graceMs: 10, clock })
    const slow = pool.run(() => pause(clock, 60))
    const hung = pool.run(() => new Promise(() => undefined))
    slow.catch(() => undefined)
    hung.catch(() => undefined)
    await clock.advance(45)
    await expect(slow).rejects.toMatchObject({ code: 'JOB_TIMEOUT' })
    await expect(hung).rejects.toMatchObject({ code: 'JOB_TIMEOUT' })
    expect(pool.stats().overdue).toBe(2)
    const stopping = pool.stop({ deadlineMs: 100 })
    await clock.advance(120)
    expect(await stopping).toMatchObject({ accepted: 2, failed: 1, abandoned: 1 })
  })

  it('may be called again: stricter or sooner, never milder, with one report', async () => {
    const clock = manualClock()
    const pool = createPool({ name: 'twice', concurrency: 1, clock })
    const running = pool.run(() => pause(clock, 20))
    const queued = pool.run(() => 1)
    const first = pool.stop()
    const second = pool.stop({ mode: 'abort' })
    await expect(queued).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    await clock.advance(30)
    await running
    expect(await first).toBe(await second)
    expect(await pool.stop()).toBe(await first)
    await pool.close()
  })

  it('of a paused pool ends too', async () => {
    const pool = createPool({ name: 'paused' })
    pool.pause()
    const job = pool.run(() => 1)
    expect(pool.stats().queued).toBe(1)
    await pool[Symbol.asyncDispose]()
    expect(await job).toBe(1)
  })

  it('refuses a mode that there is not and a deadline that is no time, and the pool goes on', async () => {
    const pool = createPool({ name: 'wrong' })
    await expect(pool.stop({ mode: 'now' as never })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'mode',
    })
    for (const deadlineMs of [-1, Number.NaN, 1.5, Number.POSITIVE_INFINITY]) {
      await expect(pool.stop({ deadlineMs })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(await pool.run(() => 1)).toBe(1)
    await pool.stop()
  })
})
