import { AsyncLocalStorage } from 'node:async_hooks'
import { OverloadedError } from '@kerp/core'
import { manualClock, seededRandom } from '@kerp/core/testing'
import { createPool } from '@kerp/worker-pool'
import { describe, expect, it, vi } from 'vitest'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const ITEMS = FULL ? 1_000_000 : 100_000

function open(concurrency = 4) {
  const clock = manualClock()
  const pool = createPool({ name: 'maps', concurrency, clock, random: seededRandom(3) })
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.setTimer(ms, resolve))
  return { clock, pool, wait }
}

function* countTo(limit: number, onEnd: () => void = () => undefined): Generator<number> {
  try {
    for (let number = 0; number < limit; number += 1) yield number
  } finally {
    onEnd()
  }
}

async function* slowly(limit: number, wait: (ms: number) => Promise<void>): AsyncGenerator<number> {
  for (let number = 0; number < limit; number += 1) {
    await wait(1)
    yield number
  }
}

describe('a map', () => {
  it.each(['completion', 'input'] as const)(
    'over a source of any length holds no more items than its window, in the order of %s',
    async (order) => {
      const pool = createPool({ name: 'flat', concurrency: 20 })
      let read = 0
      let taken = 0
      let mostOpen = 0
      const source = function* (): Generator<number> {
        for (const number of countTo(ITEMS)) {
          read += 1
          mostOpen = Math.max(mostOpen, read - taken)
          yield number
        }
      }
      let sum = 0
      let inOrder = true
      for await (const result of pool.map(source(), (number) => Promise.resolve(number), {
        order,
        windowMax: 64,
      })) {
        inOrder &&= result.index === taken
        taken += 1
        if (result.ok) sum += result.value
      }
      expect([taken, sum]).toStrictEqual([ITEMS, (ITEMS * (ITEMS - 1)) / 2])
      // The result that the loop works on is taken.
      expect(mostOpen).toBeLessThanOrEqual(64 + 1)
      if (order === 'input') expect(inOrder).toBe(true)
      expect(await pool.stop()).toMatchObject({ accepted: ITEMS, done: ITEMS })
    },
  )

  it('reads an async source while it works, keeps the order where that is asked for, and shows progress', async () => {
    const { pool, clock, wait } = open()
    const run = pool.map(slowly(40, wait), (number) => wait(number % 7).then(() => number), {
      order: 'input',
      total: 40,
    })
    const heard: number[] = []
    run.notices.on('progressed', ({ done }) => heard.push(done))
    const values = run.values()
    await clock.advance(2_000)
    expect(await values).toStrictEqual([...countTo(40)])
    expect(run.progress).toMatchObject({ done: 40, failed: 0, total: 40, remainingMs: 0 })
    expect(heard.at(-1)).toBe(40)
    expect(heard.length).toBeLessThan(10)
  })

  it('tells rate and remaining time', async () => {
    const { pool, clock, wait } = open(1)
    const run = pool.map(countTo(100), () => wait(10), { total: 100 })
    const summary = run.summary()
    await clock.advance(500)
    expect(run.progress.done).toBe(50)
    const { perSecond = 0, remainingMs = 0 } = run.progress
    expect(perSecond).toBeGreaterThan(80)
    expect(perSecond).toBeLessThan(110)
    expect(remainingMs).toBeCloseTo(50_000 / perSecond)
    await clock.advance(1_000)
    expect(await summary).toStrictEqual({
      read: 100,
      done: 100,
      failed: 0,
      cancelled: 0,
      returned: 0,
      abandoned: 0,
    })
  })

  it('reads nothing before a result is asked for, and nothing beyond a window that nobody empties', async () => {
    const { pool, clock } = open()
    let read = 0
    const source = function* () {
      for (const number of countTo(1_000)) {
        read += 1
        yield number
      }
    }
    const run = pool.map(source(), (number) => number, { windowMax: 5 })
    await clock.advance(10)
    expect(read).toBe(0)
    await run.next()
    await clock.advance(10)
    expect(read).toBeLessThanOrEqual(6)
    await run.return()
  })

  it.each(['completion', 'input'] as const)(
    'throws the first failure and begins nothing after it (%s)',
    async (order) => {
      const { pool, clock, wait } = open(2)
      const closed = vi.fn()
      const begun: number[] = []
      const run = pool.map(
        countTo(100, closed),
        async (number, { signal }) => {
          begun.push(number)
          if (number === 5) throw new Error('five')
          if (number > 5)
            await new Promise((_, reject) =>
              signal.addEventListener('abort', () => reject(new Error('told'))),
            )
          else await wait(1)
        },
        { order },
      )
      const seen: number[] = []
      const loop = (async () => {
        for await (const { index } of run) seen.push(index)
      })()
      loop.catch(() => undefined)
      await clock.advance(100)
      await expect(loop).rejects.toThrow('five')
      expect(closed).toHaveBeenCalledOnce()
      expect(begun.length).toBeLessThanOrEqual(7)
      expect(seen.length).toBeGreaterThanOrEqual(4)
      const counts = run.counts
      expect(counts.done + counts.failed + counts.cancelled).toBe(counts.read)
      expect(pool.stats().running).toBe(0)
    },
  )

  it('collects failures, all or as many as its budget allows', async () => {
    const { pool } = open()
    const odd = (number: number) => {
      if (number % 2 === 1) throw new Error(`odd ${number}`)
      return number
    }
    const results = await pool.map(countTo(10), odd, { onError: 'collect' }).results()
    expect(results.map(({ ok }) => ok)).toStrictEqual([...countTo(10)].map((number) => number % 2 === 0))
    expect(await pool.map(countTo(10), odd, { onError: { errorsMax: 5 } }).summary()).toMatchObject({
      done: 5,
      failed: 5,
    })
    const over = pool.map(countTo(1_000), odd, { onError: { errorsMax: 3 } })
    await expect(over.summary()).rejects.toMatchObject({ code: 'ERROR_BUDGET_EXCEEDED', errorsMax: 3 })
    expect(over.counts.read).toBeLessThan(50)
  })

  it.each(['sync', 'async'] as const)(
    'works through all that a %s source gave before it threw, and says so',
    async (kind) => {
      const { pool, clock, wait } = open()
      const failing = function* () {
        yield* countTo(7)
        throw new Error('page 8 is lost')
      }
      const failingLater = async function* () {
        yield* slowly(7, wait)
        throw new Error('page 8 is lost')
      }
      const run = pool.map(kind === 'sync' ? failing() : failingLater(), (number) =>
        wait(2).then(() => number),
      )
      const seen: number[] = []
      const loop = (async () => {
        for await (const { index } of run) seen.push(index)
      })()
      loop.catch(() => undefined)
      await clock.advance(200)
      await expect(loop).rejects.toMatchObject({
        code: 'SOURCE_FAILED',
        itemsRead: 7,
        cause: { message: 'page 8 is lost' },
      })
      expect(seen.sort()).toStrictEqual([...countTo(7)])
      expect(run.counts).toMatchObject({ read: 7, done: 7 })
    },
  )

  it('of a source that throws at once, or is not even one, says so', async () => {
    const { pool } = open()
    const broken = {
      [Symbol.iterator]: () => {
        throw new Error('closed')
      },
    }
    await expect(pool.map(broken as unknown as Iterable<number>, () => 1).summary()).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      itemsRead: 0,
    })
    for (const source of [undefined, null, 7, {}]) {
      expect(() => pool.map(source as never, () => 1)).toThrow(
        expect.objectContaining({ field: 'source' }) as Error,
      )
    }
    expect(await pool.map([], () => 1).values()).toStrictEqual([])
  })

  it('that is left cancels what runs, closes its source, and answers when all has ended', async () => {
    const { pool, clock, wait } = open(3)
    const closed = vi.fn()
    const aborted = vi.fn()
    const run = pool.map(countTo(100, closed), async (number, { signal }) => {
      signal.addEventListener('abort', aborted)
      await wait(number === 0 ? 1 : 50)
    })
    const loop = (async () => {
      await run.next()
      await run.return()
    })()
    await clock.advance(5)
    expect([closed.mock.calls.length, aborted.mock.calls.length]).toStrictEqual([1, 3])
    await clock.advance(100)
    await loop
    expect(await run.next()).toStrictEqual({ done: true, value: undefined })
    expect(run.inFlight).toBe(0)
  })

  it('ends when its signal aborts, with one listener whatever its length', async () => {
    const { pool, clock, wait } = open(3)
    const controller = new AbortController()
    const add = vi.spyOn(controller.signal, 'addEventListener')
    const summary = pool.map(countTo(1_000), () => wait(1), { signal: controller.signal }).summary()
    summary.catch(() => undefined)
    await clock.advance(20)
    controller.abort('enough')
    await clock.advance(20)
    await expect(summary).rejects.toMatchObject({ code: 'JOB_CANCELLED', cause: 'enough' })
    expect(add).toHaveBeenCalledOnce()
    await expect(pool.map([1], () => 1, { signal: controller.signal }).summary()).rejects.toMatchObject({
      cause: 'enough',
    })
  })

  it('repeats items and times them out as jobs are', async () => {
    const { pool, clock, wait } = open(2)
    const flaky = pool.map(
      countTo(4),
      (number, { attempt }) => {
        if (attempt < 3) throw new OverloadedError('bank', 'calls', 1)
        return number * attempt
      },
      { retry: { attemptsMax: 3 }, order: 'input' },
    )
    const values = flaky.values()
    await clock.advance(5_000)
    expect(await values).toStrictEqual([0, 3, 6, 9])
    const hung = pool.map([1, 2], () => wait(10_000), { timeoutMs: 50, onError: 'collect' }).results()
    await clock.advance(1_200)
    expect((await hung).map((result) => !result.ok && result.error)).toMatchObject([
      { code: 'JOB_TIMEOUT' },
      { code: 'JOB_TIMEOUT' },
    ])
  })

  it('takes turns with the jobs of the pool and with other companies', async () => {
    const { pool, clock, wait } = open(1)
    const log: string[] = []
    const work = (name: string) => () => wait(1).then(() => log.push(name))
    const maps = ['a', 'b'].map((companyId) =>
      pool.map(countTo(50), work(companyId), { companyId, windowMax: 4 }).summary(),
    )
    const job = pool.run(work('job'), { companyId: 'a' })
    await clock.advance(500)
    await Promise.all([...maps, job])
    expect(log.indexOf('job')).toBeLessThan(6)
    expect(log.slice(0, 20).filter((name) => name === 'b').length).toBeGreaterThanOrEqual(8)
  })

  it('may have a source that uses the same pool', async () => {
    const { pool, clock } = open(2)
    const jobs: Promise<number>[] = []
    const source = function* () {
      for (const number of countTo(50)) {
        jobs.push(pool.run(() => number))
        yield number
      }
    }
    const values = pool.map(source(), (number) => number, { order: 'input', windowMax: 3 }).values()
    await clock.advance(100)
    expect(await values).toStrictEqual([...countTo(50)])
    expect(await Promise.all(jobs)).toStrictEqual([...countTo(50)])
  })

  it('runs its function and its source in the async context of its caller', async () => {
    const company = new AsyncLocalStorage<string>()
    const pool = createPool({ name: 'als', concurrency: 7 })
    let wrong = 0
    const one = (name: string) =>
      company.run(name, () => {
        const source = function* () {
          for (const number of countTo(2_000)) {
            if (company.getStore() !== name) wrong += 1
            yield number
          }
        }
        return pool.map(source(), () => Promise.resolve(company.getStore() === name)).values()
      })
    const seen = await Promise.all(['c1', 'c2', 'c3'].map(one))
    expect(seen.flat().every(Boolean)).toBe(true)
    expect(wrong).toBe(0)
  })

  it('stops reading when its pool stops; what it read ends as the stop says', async () => {
    const { pool, clock, wait } = open(2)
    const run = pool.map(countTo(1_000), () => wait(10))
    const summary = run.summary()
    summary.catch(() => undefined)
    await clock.advance(35)
    const stopping = pool.stop()
    await clock.advance(20)
    await expect(summary).rejects.toMatchObject({ code: 'CLOSED' })
    expect(await stopping).toMatchObject({ accepted: 8, done: 8 })
    await expect(pool.map([1], () => 1).summary()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('work that ends at once leaves the event loop its turns', () => {
  const MANY = 3_000_000

  it('a map over a long synchronous source hears an abort before the source is at its end', async () => {
    const pool = createPool({ name: 'quick', concurrency: 4 })
    const controller = new AbortController()
    let read = 0
    function* source(): Generator<number> {
      for (; read < MANY; read += 1) yield read
    }
    setImmediate(() => controller.abort(new Error('enough')))
    const summary = pool.map(source(), (x) => x, { signal: controller.signal }).summary()
    await expect(summary).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    expect(read).toBeLessThan(MANY)
  })
})
