import { setTimeout as sleep } from 'node:timers/promises'
import { FencedError } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import {
  createQuorumLocks,
  type HeldLock,
  type Lock,
  LockBusyError,
  LockLostError,
  LockUnavailableError,
  type QuorumLocks,
  type QuorumLocksOptions,
} from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import type { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, expectTypeOf, onTestFinished, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { abortOf } from './lock-world.js'

const keys = createKeys()
let servers: PrivateRedis[] = []
let clients: Redis[] = []

beforeAll(async () => {
  servers = await Promise.all([openPrivateRedis(), openPrivateRedis(), openPrivateRedis()])
  clients = servers.map((server) => server.client())
})
afterAll(async () => {
  for (const client of clients) client.disconnect()
  await Promise.all(servers.map((server) => server.close()))
})

function openLocks(options: Partial<QuorumLocksOptions> = {}): QuorumLocks<HeldLock> {
  const locks = createQuorumLocks({ nodes: clients, keys, closeMs: 0, ...options })
  onTestFinished(() => locks.close())
  return locks
}

function freshResource(): { companyId: string; type: string; id: string } {
  return { companyId: freshCompany(), type: 'item', id: 'A' }
}

function freeze(count: number): void {
  for (const server of servers.slice(0, count)) server.pause()
  onTestFinished(() => {
    for (const server of servers.slice(0, count)) server.resume()
  })
}

async function holdersOf(resource: { companyId: string; type: string; id: string }): Promise<number> {
  const found = await Promise.all(clients.map((client) => client.exists(keys.lock(resource))))
  return found.reduce((sum, count) => sum + count, 0)
}

describe('a lock of a quorum', () => {
  test('is taken on every node, held by one, and gone when it is given back', async () => {
    const resource = freshResource()
    const [one, other] = [openLocks(), openLocks()]
    const lock = await one.acquire(resource, { ttlMs: 30_000 })
    expect(await holdersOf(resource)).toBe(3)
    expect(lock.remainingMs).toBeGreaterThan(10_000)
    expect(await other.tryAcquire(resource)).toBeNull()
    expect(await one.tryAcquire(resource)).toBeNull()
    await expect(other.acquire(resource, { waitMs: 200 })).rejects.toThrow(LockBusyError)
    expect(await lock.release()).toBe('released')
    expect(await holdersOf(resource)).toBe(0)
    expect(() => lock.assertHeld()).toThrow(LockLostError)
  })

  test('goes to one caller after another, in this process and in others', async () => {
    const resource = freshResource()
    let inside = 0
    const sections = [openLocks(), openLocks()].flatMap((locks) =>
      Array.from({ length: 4 }, () =>
        locks.withLock(resource, { waitMs: 30_000 }, async () => {
          inside += 1
          expect(inside).toBe(1)
          await new Promise((resolve) => setImmediate(resolve))
          inside -= 1
          return true
        }),
      ),
    )
    expect(await Promise.all(sections)).toEqual(Array.from({ length: 8 }, () => true))
  })

  test('that this process holds is busy for a try, which is observed as it is for one Redis', async () => {
    const observer = recordingObserver()
    const locks = openLocks({ observer })
    const resource = freshResource()
    await locks.acquire(resource)
    expect(await locks.tryAcquire(resource)).toBeNull()
    expect(observer.of('lockAcquire').map(({ result }) => result)).toEqual(['acquired', 'busy'])
  })

  test('is not tried for a caller that has given up', async () => {
    const resource = freshResource()
    const signal = AbortSignal.abort(new RangeError('given up'))
    await expect(openLocks().tryAcquire(resource, { signal })).rejects.toThrow('given up')
    expect(await holdersOf(resource)).toBe(0)
  })

  test('names its own provider to those who wait for it, when too many do and when it is closed', async () => {
    const locks = openLocks({ waitersMax: 1 })
    const resource = freshResource()
    await locks.acquire(resource)
    const waiting = locks.acquire(resource)
    waiting.catch(() => undefined)
    await expect(locks.acquire(resource)).rejects.toThrow('QuorumLocks is full: waitersMax is 1.')
    await locks.close()
    await expect(waiting).rejects.toThrow('QuorumLocks is closed.')
  })

  test('has no fence unless one is given, and the types say so', async () => {
    const resource = freshResource()
    expectTypeOf<Awaited<ReturnType<QuorumLocks<HeldLock>['acquire']>>>().not.toHaveProperty('fence')
    let last = 41
    const fenced = createQuorumLocks({
      nodes: clients,
      keys,
      closeMs: 0,
      mintFence: (_, above = '0') => Promise.resolve(String((last = Math.max(last, Number(above)) + 1))),
    })
    onTestFinished(() => fenced.close())
    expectTypeOf(fenced).toEqualTypeOf<QuorumLocks<Lock>>()
    const section = fenced.withLock(resource, {}, (lock) => {
      expect(lock.fence).toBe('42')
      throw new FencedError('row', lock.fence, '100')
    })
    await expect(section).rejects.toThrow(FencedError)
    const next = await fenced.acquire(resource)
    expect(next.fence).toBe('102')
    expect(await next.raiseFence('200')).toBe('201')
  })

  test('is taken, renewed and given back while one of three nodes is frozen', async () => {
    const resource = freshResource()
    const locks = openLocks()
    await (await locks.acquire(freshResource())).release()
    freeze(1)
    const lock = await locks.acquire(resource, { ttlMs: 30_000 })
    expect(await lock.extend()).toBe('extended')
    expect(lock.remainingMs).toBeGreaterThan(10_000)
    expect(await lock.release()).toBe('released')
  })

  test('is not called lost while a node that does not answer may still keep it', async () => {
    const lock = await openLocks().acquire(freshResource(), { ttlMs: 30_000, renew: false })
    await clients[2]?.del(keys.lock(lock.resource))
    freeze(1)
    expect(await lock.extend()).toBe('unknown')
    expect(lock.signal.aborted).toBe(false)
    lock.assertHeld()
  })

  test('is refused with a typed error while two of three nodes are frozen, and held by nobody afterwards', async () => {
    const resource = freshResource()
    const locks = openLocks()
    await (await locks.acquire(freshResource())).release()
    freeze(2)
    await expect(locks.tryAcquire(resource)).rejects.toThrow(LockUnavailableError)
    const waiting = locks.acquire(resource, { waitMs: 300 })
    await expect(waiting).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', retryable: true })
    for (const server of servers) server.resume()
    await expect.poll(() => holdersOf(resource), { timeout: 20_000 }).toBe(0)
  })

  test('aborts its signal in time when most nodes freeze while it is held', async () => {
    const resource = freshResource()
    const observer = recordingObserver()
    const locks = openLocks({ observer })
    const lock = await locks.acquire(resource, { ttlMs: 1_000 })
    freeze(2)
    const leaseEnd = sleep(lock.remainingMs + 62, 'the end of the lease')
    const end = await Promise.race([abortOf(lock.signal), leaseEnd])
    expect(end).toMatchObject({ code: 'LOCK_LOST', reason: 'unreachable' })
    expect(await lock.release()).toBe('expired')
    expect(observer.of('lockLost')).toMatchObject([{ reason: 'unreachable' }])
  })

  test('is lost at the next renewal when most nodes have forgotten it', async () => {
    const resource = freshResource()
    const lock = await openLocks().acquire(resource, { ttlMs: 6_000 })
    await Promise.all(clients.slice(1).map((client) => client.del(keys.lock(resource))))
    expect(await abortOf(lock.signal)).toMatchObject({ reason: 'taken' })
    expect(await lock.release()).toBe('lost')
  })

  test('survives one node that has forgotten it', async () => {
    const resource = freshResource()
    const lock = await openLocks().acquire(resource, { ttlMs: 30_000 })
    await clients[0]?.del(keys.lock(resource))
    expect(await lock.extend()).toBe('extended')
    expect(await openLocks().tryAcquire(resource)).toBeNull()
    expect(await lock.release()).toBe('released')
  })
})

describe('a quorum is refused', () => {
  test.each([
    ['of two nodes', 2],
    ['of one node', 1],
  ])('%s', (_, count) => {
    expect(() => createQuorumLocks({ nodes: clients.slice(0, count), keys })).toThrow(
      'QuorumLocks option `nodes` must be an odd number, from three up, of single servers',
    )
  })

  test('with a lease that is too short for its nodes', async () => {
    await expect(openLocks().acquire(freshResource(), { ttlMs: 500 })).rejects.toThrow(
      '`ttlMs` must be at least 1000 ms, 10 times nodeMs, got 500 (number).',
    )
  })

  test('with a node that may evict locks', async () => {
    const locks = openLocks({ nodes: [...clients.slice(0, 2), await evictingNode()] })
    await expect(locks.acquire(freshResource())).rejects.toMatchObject({
      code: 'REDIS_UNSUITABLE',
      retryable: false,
    })
  })
})

test('a node of a quorum that may evict locks is used with a warning where that was asked for', async () => {
  const observer = recordingObserver()
  const nodes = [...clients.slice(0, 2), await evictingNode()]
  const lock = await openLocks({ nodes, observer, eviction: 'warn' }).acquire(freshResource())
  expect(await lock.release()).toBe('released')
  expect(observer.of('backgroundError')).toMatchObject([{ source: 'locks', code: 'REDIS_UNSUITABLE' }])
})

async function evictingNode(): Promise<Redis> {
  const server = await openPrivateRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] })
  const client = server.client()
  onTestFinished(async () => {
    client.disconnect()
    await server.close()
  })
  return client
}
