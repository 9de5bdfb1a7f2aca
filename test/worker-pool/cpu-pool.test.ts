import { sleep, systemClock } from '@kerp/core'
import { CpuPool, type CpuPoolOptions } from '@kerp/worker-pool'
import { afterEach, describe, expect, it } from 'vitest'
import type { CpuOrder } from './cpu-task-module.js'

const ROUNDS = process.env['KERP_TEST_FULL'] === '1' ? 30 : 2
const PATIENCE = { timeout: 20_000, interval: 5 }

const open: CpuPool<CpuOrder, unknown>[] = []
afterEach(async () => {
  for (const pool of open.splice(0)) await pool.stop({ mode: 'abort', deadlineMs: 200 })
})

function makePool(options: Partial<CpuPoolOptions> = {}): CpuPool<CpuOrder, unknown> {
  const entry = new URL('cpu-task-module.ts', import.meta.url)
  const pool = new CpuPool<CpuOrder, unknown>({ entry, threads: 2, ...options })
  open.push(pool)
  return pool
}

/** Resolves when a job of this pool is on a thread and begun: it counted itself. */
async function begun(counters: Int32Array, jobs = 1): Promise<void> {
  await expect.poll(() => Atomics.load(counters, 0), PATIENCE).toBeGreaterThanOrEqual(jobs)
}

function counting(ms: number): { readonly order: CpuOrder; readonly counters: Int32Array } {
  const into = new SharedArrayBuffer(8)
  return { order: { do: 'count', into, ms }, counters: new Int32Array(into) }
}

describe('A pool of threads', () => {
  it('computes many small jobs, each answered in its place', async () => {
    const pool = makePool()
    const orders = Array.from({ length: 5_000 }, (_, of): CpuOrder => ({ do: 'square', of }))
    const answers = await pool.runMany(orders)
    expect(answers).toEqual(orders.map((_, of) => ({ result: of * of })))
    expect(await pool.run({ do: 'square', of: 12 })).toBe(144)
    expect(await pool.stop()).toMatchObject({ accepted: 5_001, done: 5_001 })
  })

  it('hands on the fields of the caller’s context, each job its own', async () => {
    let companyId = 'c0'
    const pool = makePool({ context: () => ({ companyId }) })
    const answers = Array.from({ length: 200 }, (_, n) => {
      companyId = `c${n}`
      return pool.run({ do: 'fields' })
    })
    expect(await Promise.all(answers)).toEqual(answers.map((_, n) => ({ companyId: `c${n}` })))
  })

  it('says what a task threw, with its code and whether it may be repeated; the others are not touched', async () => {
    const pool = makePool()
    const [thrown, text, good] = await pool.runMany([
      { do: 'throw', what: 'error' },
      { do: 'throw', what: 'text' },
      { do: 'square', of: 3 },
    ])
    expect(thrown).toMatchObject({
      error: { code: 'CPU_TASK_FAILED', taskCode: 'TAX_TABLE', retryable: true },
    })
    expect(text).toMatchObject({ error: { code: 'CPU_TASK_FAILED', retryable: false } })
    expect(good).toEqual({ result: 9 })
  })

  it('hands buffers over instead of copying them, both ways', async () => {
    const pool = makePool()
    const bytes = new Uint8Array(1_000)
    const back = await pool.run({ do: 'buffer', bytes }, { transfer: [bytes.buffer] })
    expect(bytes.byteLength).toBe(0)
    expect((back as Uint8Array).byteLength).toBe(1_000)
  })

  it('fails a value and a result that cannot be copied, and nothing beside them', async () => {
    const pool = makePool()
    const bad = { do: 'square', of: 2, beside: () => 1 } as CpuOrder
    const [uncopied, value, good] = await pool.runMany([{ do: 'uncopied' }, bad, { do: 'square', of: 5 }])
    expect(uncopied).toMatchObject({ error: { code: 'CPU_TASK_FAILED' } })
    expect(value).toMatchObject({ error: { code: 'CPU_TASK_FAILED' } })
    expect(good).toEqual({ result: 25 })
  })

  it('cancels a job that runs, and one that waits; the thread goes on to the next', async () => {
    const pool = makePool({ threads: 1 })
    const abort = new AbortController()
    const spin: CpuOrder = { do: 'spin', ms: 60_000, heed: true }
    const running = pool.run(spin, { signal: abort.signal })
    await expect.poll(() => pool.stats().inThreads, PATIENCE).toBe(1)
    const waiting = pool.run(spin, { signal: abort.signal })
    abort.abort()
    await expect(running).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    await expect(waiting).rejects.toMatchObject({ code: 'JOB_CANCELLED', begun: false, retryable: true })
    expect(await pool.run({ do: 'square', of: 4 })).toBe(16)
  })

  it('ends a thread whose job does not heed its end, and goes on with another', async () => {
    const pool = makePool({ threads: 1, timeoutMs: 100, graceMs: 50 })
    await expect(pool.run({ do: 'spin', ms: 60_000, heed: false })).rejects.toMatchObject({
      code: 'JOB_TIMEOUT',
    })
    expect(await pool.run({ do: 'square', of: 4 })).toBe(16)
  })

  it('loses only what ran when a thread dies', async () => {
    const pool = makePool()
    const answers = await pool.runMany([
      { do: 'exit' },
      ...Array.from({ length: 50 }, (_, of): CpuOrder => ({ do: 'square', of })),
    ])
    expect(answers[0]).toMatchObject({ error: { code: 'CPU_THREAD_LOST' } })
    expect(answers.slice(1)).toEqual(Array.from({ length: 50 }, (_, of) => ({ result: of * of })))
  })

  it('refuses what does not fit its queue, and what comes after its stop', async () => {
    const pool = makePool({ queueMax: 3 })
    const four = Array.from({ length: 4 }, (): CpuOrder => ({ do: 'square', of: 1 }))
    await expect(pool.runMany(four)).rejects.toMatchObject({ code: 'OVERLOADED', retryable: true })
    await pool.stop()
    await expect(pool.run({ do: 'square', of: 1 })).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('says that its module cannot be loaded, to every caller', async () => {
    const pool = makePool({ entry: new URL('no-such-module.ts', import.meta.url) })
    await expect(pool.run({ do: 'square', of: 1 })).rejects.toMatchObject({ code: 'CPU_ENTRY_FAILED' })
    await expect(pool.run({ do: 'square', of: 1 })).rejects.toMatchObject({ code: 'CPU_ENTRY_FAILED' })
  })

  it.each([{ threads: 0 }, { threads: 1.5 }, { queueMax: 0 }, { timeoutMs: -1 }, { graceMs: Number.NaN }])(
    'refuses %o by name',
    (options) => {
      expect(() => makePool(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error)
    },
  )
})

describe('A pool of threads that stops', () => {
  it('lets busy threads finish: everything that was accepted is done, and done once', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const pool = makePool()
      const { order, counters } = counting(1)
      const answers = Array.from({ length: 60 }, () => pool.run(order))
      await begun(counters)
      expect(await pool.stop()).toMatchObject({ accepted: 60, done: 60, failed: 0, abandoned: 0 })
      expect((await Promise.all(answers)).length).toBe(60)
      expect([...counters]).toEqual([60, 60])
    }
  }, 300_000)

  it('gives back what has not begun, and finishes the rest', async () => {
    const pool = makePool()
    const { order, counters } = counting(20)
    const settled = Promise.allSettled(Array.from({ length: 50 }, () => pool.run(order)))
    await begun(counters)
    const report = await pool.stop({ mode: 'finishRunning' })
    const results = await settled
    const done = results.filter(({ status }) => status === 'fulfilled').length
    expect(report).toEqual({ accepted: 50, done, failed: 0, cancelled: 0, returned: 50 - done, abandoned: 0 })
    expect([...counters]).toEqual([done, done])
  })

  it('names what it had to abandon; the five parts of its account add up, however it stops', async () => {
    const modes = ['drain', 'finishRunning', 'abort'] as const
    for (let round = 0; round < 12; round += 1) {
      const pool = makePool({ graceMs: 10 })
      const { order } = counting(3)
      const orders = [order, { do: 'spin', ms: round % 2 === 0 ? 60_000 : 2, heed: false } as CpuOrder]
      const settled = Promise.allSettled(
        Array.from({ length: 40 }, (_, n) => pool.run(orders[n % 2] ?? order)),
      )
      await sleep(systemClock, round * 8)
      const { accepted, ...ends } = await pool.stop({ mode: modes[round % 3] ?? 'drain', deadlineMs: 50 })
      expect(Object.values(ends).reduce((sum, part) => sum + part, 0)).toBe(accepted)
      const fulfilled = (await settled).filter(({ status }) => status === 'fulfilled').length
      expect([accepted, ends.done]).toEqual([40, fulfilled])
    }
  })

  it('refuses a mode that there is not and a deadline that is no time, and goes on', async () => {
    const pool = makePool()
    await expect(pool.stop({ mode: 'now' as never })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'mode',
    })
    for (const deadlineMs of [-1, Number.NaN, 1.5, Number.POSITIVE_INFINITY]) {
      await expect(pool.stop({ deadlineMs })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(await pool.run({ do: 'square', of: 3 })).toBe(9)
  })
})
