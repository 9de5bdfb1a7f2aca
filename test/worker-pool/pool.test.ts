import { AsyncLocalStorage } from 'node:async_hooks'
import { OverloadedError } from '@kerp/core'
import { manualClock, seededRandom } from '@kerp/core/testing'
import { createPool, type PoolOptions } from '@kerp/worker-pool'
import { describe, expect, it, vi } from 'vitest'

const FULL = process.env['KERP_TEST_FULL'] === '1'

function open(options: Partial<PoolOptions> = {}) {
  const clock = manualClock()
  const pool = createPool({ name: 'test', concurrency: 1, clock, random: seededRandom(1), ...options })
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(ms, resolve))
  return { clock, pool, wait }
}

/** Holds the only place until it is let go. */
function block(pool: ReturnType<typeof open>['pool']) {
  let letGo: () => void = () => undefined
  const held = new Promise<void>((resolve) => (letGo = resolve))
  const job = pool.run(() => held)
  return { letGo, job }
}

describe('a job', () => {
  it('has a handle with its id, state, progress and result; the handle is no promise', async () => {
    const { pool, clock, wait } = open()
    const heard: unknown[] = []
    pool.notices.on('jobProgressed', (job) => heard.push([job.id, job.progress]))
    const job = await pool.submit(async ({ report, attempt, id }) => {
      await wait(5)
      return [attempt, id, typeof report]
    })
    expect('then' in job).toBe(false)
    expect([job.id, job.state, job.attempt]).toStrictEqual(['test-1', 'running', 1])
    await clock.advance(5)
    expect(await job.result).toStrictEqual([1, 'test-1', 'function'])
    expect(job.state).toBe('done')
    await pool.run((context) => context.report(3, 10))
    expect(heard).toStrictEqual([['test-2', { done: 3, total: 10 }]])
  })

  it('that fails where nobody asks for its result is counted, and is no unhandled rejection', async () => {
    const { pool } = open()
    const job = await pool.submit(() => Promise.reject(new Error('broken')))
    await pool.drain()
    expect([job.state, pool.stats().failed]).toStrictEqual(['failed', 1])
    await expect(job.result).rejects.toThrow('broken')
  })

  it.each([['text'], [undefined], [null], [7], [{ a: 1 }]])(
    'that throws %o fails with a typed error',
    async (thrown) => {
      const { pool } = open()
      const throwing = () => {
        throw thrown as unknown as Error
      }
      const error: unknown = await pool.run(throwing).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'JOB_FAILED', retryable: false })
      expect((error as Error).cause).toBe(thrown)
      await expect(pool.run(() => Promise.resolve().then(throwing))).rejects.toMatchObject({
        code: 'JOB_FAILED',
      })
      expect(await pool.run(() => 1)).toBe(1)
    },
  )

  it('of an id that is in the pool is joined, by its own company only', async () => {
    const { pool } = open()
    const { letGo } = block(pool)
    const ran = vi.fn((answer: string) => answer)
    const one = await pool.submit(() => ran('one'), { id: 'p', companyId: 'c1' })
    const same = await pool.submit(() => ran('two'), { id: 'p', companyId: 'c1' })
    const other = await pool.submit(() => ran('three'), { id: 'p', companyId: 'c2' })
    expect(same).toBe(one)
    expect(other).not.toBe(one)
    letGo()
    expect(await same.result).toBe('one')
    expect(await other.result).toBe('three')
    expect(await pool.run(() => ran('again'), { id: 'p', companyId: 'c1' })).toBe('again')
  })

  it('of a key runs after those of its key that came before, retries and cancellations included', async () => {
    const { pool, clock, wait } = open({ concurrency: 8 })
    const log: string[] = []
    let running = 0
    const work = (name: string) => async () => {
      running += 1
      expect(running).toBe(1)
      await wait(3)
      running -= 1
      log.push(name)
      if (name === 'b' && log.filter((entry) => entry === 'b').length < 3)
        throw new OverloadedError('x', 'y', 1)
    }
    const retry = { attemptsMax: 5 }
    const jobs = await Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map((name) => pool.submit(work(name), { key: 'k', companyId: 'c1', retry })),
    )
    const gone = jobs[3]
    expect(gone?.cancel()).toBe(true)
    gone?.result.catch(() => undefined)
    await clock.advance(1_000)
    expect(log).toStrictEqual(['a', 'b', 'b', 'b', 'c', 'e'])
    const free = [wait(0), pool.run(() => 'c2', { key: 'k', companyId: 'c2' })]
    await clock.advance(1)
    expect(await free[1]).toBe('c2')
  })

  it('runs in the async context of whoever submitted it, not of whoever freed its place', async () => {
    const jobs = FULL ? 1_000_000 : 100_000
    const company = new AsyncLocalStorage<number>()
    const pool = createPool({ name: 'context', concurrency: 50, queueMax: 2_000 })
    let wrong = 0
    let ran = 0
    const check = async (expected: number): Promise<void> => {
      ran += 1
      if (company.getStore() !== expected) wrong += 1
      await Promise.resolve()
      if (company.getStore() !== expected) wrong += 1
    }
    for (let index = 0; index < jobs; index += 1) {
      const of = index % 97
      await company.run(of, () => pool.submit(() => check(of), { companyId: `c${of}` }))
    }
    await company.run(-1, () => pool.stop())
    expect([ran, wrong]).toStrictEqual([jobs, 0])
  })
})

describe('a timeout', () => {
  it('answers the caller, aborts the signal, and gives the place to others after the grace', async () => {
    const { pool, clock } = open({ timeoutMs: 100, graceMs: 50 })
    let aborted: unknown
    const hung = pool.run(({ signal }) => {
      signal.addEventListener('abort', () => (aborted = signal.reason as unknown))
      return new Promise(() => undefined)
    })
    const next = vi.fn()
    void pool.run(next)
    hung.catch(() => undefined)
    await clock.advance(110)
    await expect(hung).rejects.toMatchObject({ code: 'JOB_TIMEOUT', retryable: false, timeoutMs: 100 })
    expect(aborted).toMatchObject({ code: 'JOB_TIMEOUT' })
    expect(next).not.toHaveBeenCalled()
    await clock.advance(70)
    expect(next).toHaveBeenCalledOnce()
    expect(pool.stats()).toMatchObject({ running: 0, overdue: 1 })
  })

  it('counts from the start of the job, not from its submission; waitMs bounds the wait', async () => {
    const { pool, clock, wait } = open({ timeoutMs: 100 })
    const first = pool.run(() => wait(90))
    const second = pool.run(() => wait(90))
    const impatient = pool.run(() => 1, { waitMs: 50 })
    impatient.catch(() => undefined)
    await clock.advance(200)
    await Promise.all([first, second])
    await expect(impatient).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', outcome: 'notDone' })
    expect(pool.stats()).toMatchObject({ accepted: 3, done: 2, cancelled: 1 })
  })

  it('leaves no timer behind when the pool is idle', async () => {
    const { pool, clock } = open()
    await pool.run(() => 1)
    await clock.advance(50)
    expect(clock.timersPending).toBe(0)
  })
})

describe('a retry', () => {
  it('repeats what may be repeated, in front of its company, without holding a place', async () => {
    const { pool, clock } = open({ retry: { attemptsMax: 3, backoffMs: 10 } })
    let attempts = 0
    const flaky = pool.run(({ attempt }) => {
      attempts = attempt
      if (attempt < 3) throw new OverloadedError('bank', 'calls', 1)
      return 'paid'
    })
    expect(await pool.run(() => 'meanwhile')).toBe('meanwhile')
    await clock.advance(1_000)
    expect([await flaky, attempts]).toStrictEqual(['paid', 3])
  })

  it('does not repeat what may not, gives up after the last attempt, and survives a rule that throws', async () => {
    const { pool, clock } = open()
    const work = vi.fn(() => Promise.reject(new Error('no')))
    await expect(pool.run(work, { retry: { attemptsMax: 9 } })).rejects.toThrow('no')
    expect(work).toHaveBeenCalledTimes(1)
    const again = pool.run(work, { retry: { attemptsMax: 3, isRetryable: () => true } })
    again.catch(() => undefined)
    await clock.advance(5_000)
    await expect(again).rejects.toThrow('no')
    expect(work).toHaveBeenCalledTimes(4)
    const isRetryable = () => {
      throw new Error('rule')
    }
    await expect(pool.run(work, { retry: { attemptsMax: 3, isRetryable } })).rejects.toThrow('rule')
  })
})

describe('an abort', () => {
  it('of one signal ends all jobs that share it, with one listener, and the rest goes on', async () => {
    const jobs = 100_000
    const controller = new AbortController()
    const add = vi.spyOn(controller.signal, 'addEventListener')
    const remove = vi.spyOn(controller.signal, 'removeEventListener')
    const { pool } = open({ queueMax: jobs + 10 })
    const { letGo } = block(pool)
    const begun = vi.fn()
    const shared = { signal: controller.signal }
    const results = Array.from({ length: jobs }, () => pool.run(begun, shared))
    const other = pool.run(() => 'mine')
    const settled = Promise.allSettled(results)
    controller.abort(new Error('the user left'))
    letGo()
    expect(await other).toBe('mine')
    const codes = (await settled).map((end) => (end.status === 'rejected' ? String(end.reason) : 'done'))
    expect(new Set(codes).size).toBe(jobs)
    expect(begun).not.toHaveBeenCalled()
    expect(pool.stats()).toMatchObject({ accepted: jobs + 2, cancelled: jobs, queued: 0 })
    expect([add.mock.calls.length, remove.mock.calls.length]).toStrictEqual([1, 1])
    await expect(results[0]).rejects.toMatchObject({ code: 'JOB_CANCELLED', begun: false })
    await expect(pool.run(begun, shared)).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
  })

  it('of a job that runs ends it when its function does, or after the grace', async () => {
    const { pool, clock } = open({ graceMs: 50 })
    const hung = await pool.submit(() => new Promise(() => undefined))
    expect(hung.cancel('enough')).toBe(true)
    expect(hung.cancel('again')).toBe(false)
    hung.result.catch(() => undefined)
    expect(hung.state).toBe('running')
    await clock.advance(70)
    expect(hung.state).toBe('cancelled')
    await expect(hung.result).rejects.toMatchObject({ code: 'JOB_CANCELLED', begun: true, cause: 'enough' })
    expect(await pool.run(() => 1)).toBe(1)
  })

  it('reaches a function that reads its signal only afterwards', async () => {
    const { pool, clock, wait } = open()
    const job = await pool.submit(async (context) => {
      await wait(5)
      context.signal.throwIfAborted()
    })
    job.cancel()
    job.result.catch(() => undefined)
    await clock.advance(10)
    await expect(job.result).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
  })
})

describe('places', () => {
  it('are at most as many as the concurrency, which can grow and shrink; a pause begins nothing', async () => {
    const { pool, clock, wait } = open({ concurrency: 3 })
    let running = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, (running += 1))
      await wait(10)
      running -= 1
    }
    const jobs = Array.from({ length: 60 }, () => pool.run(work))
    await clock.advance(10)
    expect(most).toBe(3)
    pool.resize(7)
    await clock.advance(10)
    expect(most).toBe(7)
    pool.resize(2)
    await clock.advance(10)
    most = 0
    await clock.advance(20)
    expect(most).toBe(2)
    pool.pause()
    await clock.advance(50)
    expect(running).toBe(0)
    expect(pool.stats().queued).toBeGreaterThan(0)
    pool.resume()
    await clock.advance(1_000)
    await Promise.all(jobs)
    await pool.drain()
  })

  it('do not overflow the stack, whatever the number of jobs that end at once', async () => {
    const { pool } = open({ queueMax: 100_000 })
    const results = await Promise.all(Array.from({ length: 20_000 }, (_, index) => pool.run(() => index)))
    expect(results.at(-1)).toBe(19_999)
  })

  it('are drained when nothing waits and nothing runs, or the drain says that it took too long', async () => {
    const { pool, clock, wait } = open()
    const job = pool.run(() => wait(100))
    const late = pool.drain({ deadlineMs: 50 })
    late.catch(() => undefined)
    const drained = pool.drain()
    await clock.advance(50)
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    await clock.advance(50)
    await drained
    await job
  })
})
