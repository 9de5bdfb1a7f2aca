import { getEventListeners } from 'node:events'
import { onAbort, retry, sleep, systemClock } from '@kerp/core'
import { Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { mockRedis } from '@kerp/redis/testing'
import { CpuPool, createPool, fanOut } from '@kerp/worker-pool'
import { describe, expect, onTestFinished, test } from 'vitest'

const CALLS = 20

/** Begins one call on a signal; it lasts until the signal aborts. */
type Begin = (signal: AbortSignal, at: number) => Promise<unknown>

const never = (): Promise<never> => new Promise(() => undefined)

function lockWaiters(): Begin {
  const locks = new Locks({ redis: mockRedis(), keys: createKeys(), closeMs: 0 })
  onTestFinished(() => locks.close())
  const resource = { companyId: 'c1', type: 'item', id: 'A' }
  const held = locks.acquire(resource)
  return async (signal) => {
    await held
    return locks.acquire(resource, { signal })
  }
}

function threads(): Begin {
  const entry = new URL('../worker-pool/cpu-task-module.ts', import.meta.url)
  const pool = new CpuPool<object, unknown>({ entry, threads: 1 })
  onTestFinished(() => void pool.stop({ mode: 'abort', deadlineMs: 100 }))
  return (signal) => pool.run({ do: 'spin', ms: 60_000 }, { signal })
}

function pools(): Begin {
  return async (signal, at) => {
    const job = await createPool({ name: `p${at}`, concurrency: 1 }).submit(never, { signal })
    return job.result
  }
}

function maps(): Begin {
  const pool = createPool({ name: 'p', concurrency: CALLS })
  return (signal) => pool.map([1], never, { signal }).summary()
}

describe('many calls that share one AbortSignal listen to it once, and all end with it', () => {
  test.each<[string, () => Begin]>([
    ['waiters of locks', lockWaiters],
    ['jobs of a pool of threads', threads],
    ['jobs of several pools', pools],
    ['maps', maps],
    ['fan-outs', () => (signal) => fanOut({ a: never }, { deadlineMs: 60_000, signal, need: 'all' })],
    ['waits', () => (signal) => sleep(systemClock, 60_000, signal)],
    [
      'retries',
      () => (signal) => {
        const fail = (): Promise<never> => Promise.reject(new Error('not yet'))
        const options = { operation: 'o', deadlineMs: 60_000, backoffMs: 30_000, backoffMsMax: 30_000 }
        const random = { fraction: () => 0.9, hex: () => '' }
        return retry(fail, { ...options, random, isRetryable: () => true, signal })
      },
    ],
  ])('%s', async (_, open) => {
    const begin = open()
    const controller = new AbortController()
    const { signal } = controller
    const calls = Array.from({ length: CALLS }, (__, at) => begin(signal, at))
    const ends = Promise.allSettled(calls)
    await expect.poll(() => getEventListeners(signal, 'abort').length).toBe(1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    controller.abort(new Error('enough'))
    expect((await ends).map(({ status }) => status)).toEqual(Array.from({ length: CALLS }, () => 'rejected'))
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

test('a signal to which nobody listens any more has no listener', () => {
  const { signal } = new AbortController()
  const heard: string[] = []
  const ends = ['a', 'b'].map((name) => onAbort(signal, () => heard.push(name)))
  ends[0]?.()
  ends[0]?.()
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  ends[1]?.()
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  expect(heard).toEqual([])
})
