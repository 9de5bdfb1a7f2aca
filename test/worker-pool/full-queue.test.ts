import { manualClock } from '@kerp/core/testing'
import { createPool, type JobOptions, type OnFull, type PoolOptions } from '@kerp/worker-pool'
import { describe, expect, it } from 'vitest'

function open(onFull: OnFull, options: Partial<PoolOptions> = {}) {
  const clock = manualClock()
  const pool = createPool({ name: 'full', concurrency: 1, queueMax: 2, onFull, clock, ...options })
  const log: string[] = []
  let letGo: () => void = () => undefined
  const held = new Promise<void>((resolve) => (letGo = resolve))
  const blocker = pool.run(() => held)
  const add = (name: string, options?: JobOptions) =>
    pool.submit(() => {
      log.push(name)
      return name
    }, options)
  return { clock, pool, log, letGo, add, blocker }
}

describe('a full queue', () => {
  it('lets callers wait for room, answers each on admission, and refuses one more than may wait', async () => {
    const { pool, letGo, add, log, clock } = open('wait', { waitersMax: 2 })
    await add('a')
    await add('b')
    const admitted: string[] = []
    const waiting = ['c', 'd'].map((name) => add(name).then((job) => admitted.push(job.id)))
    await expect(add('e')).rejects.toMatchObject({ code: 'OVERLOADED', bound: 'waitersMax', max: 2 })
    await clock.advance(5)
    expect([admitted, pool.stats().waiting, pool.stats().queued]).toStrictEqual([[], 2, 2])
    letGo()
    await Promise.all(waiting)
    await pool.stop()
    expect([log, admitted]).toStrictEqual([
      ['a', 'b', 'c', 'd'],
      ['full-4', 'full-5'],
    ])
  })

  it('lets go of a caller whose signal aborts, whose time is up, or whose pool stops, without accepting its job', async () => {
    const { pool, letGo, add, clock } = open('wait')
    const controller = new AbortController()
    await add('a')
    await add('b')
    const ends = Promise.allSettled([
      add('c', { signal: controller.signal }),
      add('d', { waitMs: 20 }),
      add('e'),
    ])
    controller.abort()
    await clock.advance(30)
    const stopping = pool.stop()
    letGo()
    const codes = (await ends).map((end) =>
      end.status === 'rejected' ? (end.reason as { code: string }).code : 'ok',
    )
    expect(codes).toStrictEqual(['JOB_CANCELLED', 'DEADLINE_EXCEEDED', 'CLOSED'])
    expect(await stopping).toMatchObject({ accepted: 3, done: 3 })
  })

  it('refuses, where that is asked for', async () => {
    const { pool, letGo, add } = open('reject')
    await add('a')
    await add('b')
    await expect(add('c')).rejects.toMatchObject({ code: 'OVERLOADED', bound: 'queueMax', retryable: true })
    letGo()
    expect(await pool.stop()).toMatchObject({ accepted: 3, done: 3 })
  })

  it('drops the oldest of the lowest priority, of the same company first, and tells its caller', async () => {
    const { pool, letGo, add, log } = open('dropOldest', { queueMax: 3 })
    const first = await add('c1 old', { companyId: 'c1' })
    await add('c2 old', { companyId: 'c2' })
    const low = await add('low', { priority: 'low' })
    const dropped = Promise.allSettled([first.result, low.result])
    await add('c1 new', { companyId: 'c1' })
    await add('c1 newer', { companyId: 'c1' })
    await expect(add('lowest', { priority: 'low' })).rejects.toMatchObject({ code: 'OVERLOADED' })
    letGo()
    const report = await pool.stop()
    expect(
      (await dropped).map((end) => end.status === 'rejected' && (end.reason as { code: string }).code),
    ).toStrictEqual(['JOB_DROPPED', 'JOB_DROPPED'])
    expect(log).toStrictEqual(['c1 new', 'c2 old', 'c1 newer'])
    expect(report).toMatchObject({ accepted: 6, done: 4, cancelled: 2 })
  })

  it('lets the caller run its job itself, and answers when it has ended', async () => {
    const { pool, letGo, add, log } = open('callerRuns')
    await add('a')
    await add('b')
    const own = await add('c')
    expect([own.state, log]).toStrictEqual(['done', ['c']])
    letGo()
    expect(await pool.stop()).toMatchObject({ accepted: 4, done: 4 })
  })

  it('of length 0 accepts only what can begin', async () => {
    const { pool, letGo, add } = open('reject', { queueMax: 0 })
    await expect(add('a')).rejects.toMatchObject({ code: 'OVERLOADED' })
    letGo()
    await pool.drain()
    expect(await (await add('b')).result).toBe('b')
  })
})

describe('turns', () => {
  it('are taken by companies: one with 100,000 jobs holds up another for one job', async () => {
    const { pool, letGo, add, log } = open('wait', { queueMax: 200_000 })
    for (let index = 0; index < 100_000; index += 1) void add('a', { companyId: 'a' })
    for (const name of ['b1', 'b2']) void add(name, { companyId: 'b' })
    letGo()
    await pool.stop({ deadlineMs: 1_000 })
    expect(log.indexOf('b1')).toBe(1)
    expect(log.indexOf('b2')).toBe(3)
    expect(log).toHaveLength(100_002)
  })

  it('are taken by companies that wait for room, too', async () => {
    const { pool, letGo, add, log } = open('wait')
    for (let index = 0; index < 50; index += 1) void add('a', { companyId: 'a' })
    void add('b', { companyId: 'b' })
    letGo()
    await pool.drain()
    expect(log.indexOf('b')).toBeLessThanOrEqual(4)
  })

  it('go to higher priorities first, and to a lower one after it was passed over often enough', async () => {
    const { pool, letGo, add, log } = open('wait', { queueMax: 1_000, passesMax: 4 })
    for (let index = 0; index < 20; index += 1) {
      void add('low', { priority: 'low' })
      void add('normal')
      void add('high', { priority: 'high' })
    }
    letGo()
    await pool.drain()
    expect(log.slice(0, 4)).toStrictEqual(['high', 'high', 'high', 'high'])
    expect(log.slice(0, 12).filter((name) => name === 'high').length).toBeGreaterThanOrEqual(7)
    expect(log.indexOf('normal')).toBeLessThanOrEqual(5)
    expect(log.indexOf('low')).toBeLessThanOrEqual(6)
  })
})
