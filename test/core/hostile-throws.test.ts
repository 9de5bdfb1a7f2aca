import {
  FencedError,
  InvalidInputError,
  isRetryableError,
  retry,
  SingleFlight,
  sleep,
  systemClock,
} from '@kerp/core'
import { Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { errorAnswer } from '@kerp/realtime'
import { mockRedis } from '@kerp/redis/testing'
import { CpuPool, createPool, fanOut } from '@kerp/worker-pool'
import { CacheWorld } from '../cache/cache-world.js'
import type { CpuOrder } from '../worker-pool/cpu-task-module.js'
import { describe, expect, onTestFinished, test } from 'vitest'

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** Throws whatever it is, as a host may. */
function raise(thrown: unknown): never {
  throw thrown
}

/** The same as a promise. */
async function rejected(thrown: unknown): Promise<never> {
  await Promise.resolve()
  return raise(thrown)
}

/** What a host may throw, by mistake or by malice. */
const THROWN: readonly (readonly [string, () => unknown])[] = [
  ['a proxy that was revoked', revoked],
  [
    'an error whose getters throw',
    () =>
      Object.defineProperties(new Error('m'), {
        message: {
          get: () => {
            raise(revoked())
          },
        },
        name: {
          get: () => {
            raise(revoked())
          },
        },
        code: {
          get: () => {
            raise(revoked())
          },
        },
      }),
  ],
  ['an object that has no text', () => Object.create(null) as unknown],
  [
    'a proxy of an error of ours that lies',
    () =>
      new Proxy(new InvalidInputError('a', 'b', 'c'), {
        get() {
          raise(revoked())
        },
      }),
  ],
]

/** The very thing that was thrown, without looking at it. */
async function caught(work: () => Promise<unknown>): Promise<{ readonly thrown: unknown } | 'nothing'> {
  try {
    await work()
    return 'nothing'
  } catch (thrown) {
    return { thrown }
  }
}

describe.each(THROWN)('%s is thrown', (_, make) => {
  test('by a section: the lock is given back, and the caller gets what was thrown', async () => {
    const redis = mockRedis()
    const locks = new Locks({ redis, keys: createKeys(), closeMs: 0 })
    onTestFinished(() => locks.close())
    const resource = { companyId: 'c1', type: 'item', id: 'A' }
    const thrown = make()
    const end = await caught(() => locks.withLock(resource, {}, () => rejected(thrown)))
    expect(end !== 'nothing' && end.thrown === thrown).toBe(true)
    expect(await redis.exists(createKeys().lock(resource))).toBe(0)
    const both = await caught(() => locks.withLocks([resource], {}, () => rejected(thrown)))
    expect(both !== 'nothing' && both.thrown === thrown).toBe(true)
    expect(await redis.exists(createKeys().lock(resource))).toBe(0)
  })

  test('by a job, by an item of a map, by a source: each ends as failed, and the pool goes on', async () => {
    const pool = createPool({ name: 'p', concurrency: 1 })
    const job = await pool.submit(
      () => {
        raise(make())
      },
      { retry: { attemptsMax: 2, backoffMs: 1 } },
    )
    await caught(() => job.result)
    expect(job.state).toBe('failed')
    const map = pool.map([1, 2], () => rejected(make()), { onError: 'collect' })
    expect(await map.summary()).toMatchObject({ failed: 2 })
    function* source(): Generator<number> {
      yield 1
      raise(make())
    }
    await expect(pool.map(source(), (x) => x).summary()).rejects.toMatchObject({ code: 'SOURCE_FAILED' })
    expect(await pool.run(() => 7)).toBe(7)
    expect(await pool.stop()).toMatchObject({ done: 2, failed: 3 })
  })

  test('by a section of a fan-out: it is missing, and the others are there', async () => {
    const answer = await fanOut({ bad: () => rejected(make()), good: () => 1 }, { deadlineMs: 1_000 })
    expect(answer.values).toEqual({ good: 1 })
    expect(answer.missing).toEqual(['bad'])
  })

  test('by a loader: the caller hears of it, and the next one gets the value', async () => {
    const world = new CacheWorld(mockRedis())
    let isBroken = true
    const values = world.define(world.newCache(), {
      load: ({ id }) => (isBroken ? rejected(make()) : Promise.resolve({ name: id, price: 1n })),
    })
    expect(await caught(() => values.get(world.ref('a')))).not.toBe('nothing')
    isBroken = false
    expect(await values.get(world.ref('b'))).toEqual({ name: 'b', price: 1n })
  })

  test('by a task in a thread: the job fails, and the thread goes on', async () => {
    const entry = new URL('../worker-pool/cpu-task-module.ts', import.meta.url)
    const pool = new CpuPool<CpuOrder, unknown>({ entry, threads: 1 })
    onTestFinished(() => void pool.stop({ mode: 'abort', deadlineMs: 100 }))
    for (const what of ['revoked', 'unreadable'] as const) {
      await expect(pool.run({ do: 'throw', what })).rejects.toMatchObject({ code: 'CPU_TASK_FAILED' })
    }
    expect(await pool.run({ do: 'square', of: 3 })).toBe(9)
  })

  test('to what core has: it is no error of ours, and it is not repeated', async () => {
    const thrown = make()
    expect(thrown instanceof FencedError).toBe(false)
    expect(isRetryableError(thrown)).toBe(false)
    expect(errorAnswer(thrown)).toBeUndefined()
    const end = await caught(() => retry(() => rejected(thrown), { operation: 'o', deadlineMs: 1_000 }))
    expect(end !== 'nothing' && end.thrown === thrown).toBe(true)
    const flights = new SingleFlight<number>('f')
    await caught(() => flights.run('k', () => rejected(thrown)))
    expect(await flights.run('k', () => Promise.resolve(7))).toBe(7)
    const controller = new AbortController()
    const wait = caught(() => sleep(systemClock, 60_000, controller.signal))
    controller.abort(thrown)
    expect(await wait).not.toBe('nothing')
    expect(new InvalidInputError('f', 'x', thrown).message).toContain('`f` must be x, got an ')
  })
})
