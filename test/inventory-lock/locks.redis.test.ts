import { systemClock } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import { LockUnavailableError, Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { closeRedis, connectRedis, type RedisClient, RedisUnsuitableError } from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import type { Command } from 'ioredis'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { LockWorld } from './lock-world.js'

async function openServer(
  args: readonly string[] = [],
): Promise<{ server: PrivateRedis; redis: RedisClient }> {
  const server = await openPrivateRedis({ args })
  const redis = await connectRedis({ path: server.socketPath }, 5_000, {})
  onTestFinished(async () => {
    await closeRedis(redis)
    await server.close()
  })
  return { server, redis }
}

describe('a Redis that may evict locks', () => {
  test.each(['allkeys-lru', 'volatile-lru', 'volatile-ttl', 'allkeys-random'])(
    'is refused before the first lock, with the fix in the message: %s',
    async (policy) => {
      const { redis } = await openServer(['--maxmemory-policy', policy])
      const locks = new Locks({ redis, keys: createKeys() })
      const acquiring = locks.acquire({ companyId: freshCompany(), type: 'item', id: 'A' })
      await expect(acquiring).rejects.toThrow(RedisUnsuitableError)
      await expect(acquiring).rejects.toThrow(`its maxmemory-policy is ${policy}`)
      await expect(acquiring).rejects.toThrow('Set `maxmemory-policy noeviction`')
      expect(await redis.dbsize()).toBe(0)
      await locks.close()
    },
  )

  test('is used with a warning where that was asked for', async () => {
    const { redis } = await openServer(['--maxmemory-policy', 'allkeys-lru'])
    const observer = recordingObserver()
    const locks = new Locks({ redis, keys: createKeys(), observer, eviction: 'warn' })
    const lock = await locks.acquire({ companyId: freshCompany(), type: 'item', id: 'A' })
    expect(await lock.release()).toBe('released')
    expect(observer.of('backgroundError')).toMatchObject([{ source: 'locks', code: 'REDIS_UNSUITABLE' }])
    await locks.close()
  })

  test('is used with a warning when its policy cannot be read, as managed servers may deny INFO', async () => {
    const { redis } = await openServer()
    await redis.call('acl', ['setuser', 'default', '-info'])
    const observer = recordingObserver()
    const locks = new Locks({ redis, keys: createKeys(), observer })
    expect(await locks.tryAcquire({ companyId: freshCompany(), type: 'item', id: 'A' })).not.toBeNull()
    expect(observer.of('backgroundError')).toMatchObject([{ source: 'locks', code: 'REDIS_UNSUITABLE' }])
    await redis.call('acl', ['setuser', 'default', '+info'])
    await locks.close()
  })
})

describe('when Redis cannot be asked', () => {
  test('a try fails at once with a typed error, and a wait when it is over', async () => {
    const { server, redis } = await openServer()
    const locks = new Locks({ redis, keys: createKeys(), commandMs: 100 })
    const resource = { companyId: freshCompany(), type: 'item', id: 'A' }
    expect(await (await locks.acquire(resource)).release()).toBe('released')
    server.pause()
    await expect(locks.tryAcquire(resource)).rejects.toThrow(LockUnavailableError)
    const waiting = locks.acquire(resource, { waitMs: 300 })
    await expect(waiting).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', retryable: true })
    server.resume()
    // What the frozen server was still told to grant was given back.
    const lock = await locks.acquire(resource, { waitMs: 5_000 })
    expect(await lock.release()).toBe('released')
    await locks.close()
  })

  test('a wait goes on when Redis comes back in time', async () => {
    const { server, redis } = await openServer()
    const locks = new Locks({ redis, keys: createKeys(), commandMs: 100 })
    const resource = { companyId: freshCompany(), type: 'item', id: 'A' }
    expect(await (await locks.acquire(resource)).release()).toBe('released')
    await server.kill()
    const waiting = locks.acquire(resource, { waitMs: 20_000 })
    await server.restart()
    expect(await (await waiting).release()).toBe('released')
    await locks.close()
  })

  test('a key of another type is refused for good, and disturbs no other lock', async () => {
    const { redis } = await openServer()
    const world = new LockWorld(redis)
    const { locks } = world.process()
    await redis.hset(world.key('A'), 'a', 'b')
    const [bad, good] = await Promise.allSettled([
      locks.acquire(world.resource('A')),
      locks.acquire(world.resource('B')),
    ])
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'LOCK_UNAVAILABLE', retryable: false } })
    expect(good.status).toBe('fulfilled')
    await world[Symbol.asyncDispose]()
  })
})

test('a try whose grant came late ends when that grant cannot be renewed: it does not ask a second time', async () => {
  const { redis } = await openServer()
  let lateMs = 0
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + lateMs }
  let next: 'late' | 'lost' | 'well' = 'well'
  const sendCommand = async (command: Command): Promise<unknown> => {
    if (next === 'lost') {
      next = 'well'
      throw new Error('Connection is closed.')
    }
    const reply = await redis.sendCommand(command)
    if (next === 'late') [next, lateMs] = ['lost', 9_000]
    return reply
  }
  await using world = new LockWorld(redis)
  const { locks } = world.process({ clock, commandMs: 10_000 }, { sendCommand })
  expect(await (await locks.tryAcquire(world.resource('B')))?.release()).toBe('released')
  next = 'late'
  const trying = locks.tryAcquire(world.resource('A'), { ttlMs: 10_000 })
  await expect(trying).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', retryable: true })
  await expect.poll(() => redis.exists(world.key('A'))).toBe(0)
})

describe('what locks leave in Redis', () => {
  test('nothing but the last fence and a short-lived list', async () => {
    const redis = await connectRedis({ path: inject('redisSocket') }, 5_000, {})
    onTestFinished(() => closeRedis(redis))
    const world = new LockWorld(redis)
    const processes = [world.process(), world.process()]
    const work = processes.flatMap(({ locks }) =>
      Array.from({ length: 10 }, () => locks.withLock(world.resource('A'), { waitMs: 20_000 }, () => true)),
    )
    await Promise.all(work)
    await world[Symbol.asyncDispose]()
    const left = await redis.keys(`*{${world.companyId}}*`)
    expect(left.filter((key) => !key.endsWith(':held'))).toEqual([`lock:{${world.companyId}}:fence`])
    for (const key of left.filter((name) => name.endsWith(':held'))) {
      expect(await redis.pttl(key)).toBeGreaterThan(0)
    }
  })

  test('scripts survive a server that forgets them', async () => {
    const { redis } = await openServer()
    const world = new LockWorld(redis)
    const { locks } = world.process()
    for (let round = 0; round < 5; round += 1) {
      await redis.script('FLUSH')
      expect(await locks.withLock(world.resource('A'), {}, () => round)).toBe(round)
    }
    await world[Symbol.asyncDispose]()
  })
})
