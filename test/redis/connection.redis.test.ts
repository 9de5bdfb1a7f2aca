/** Begin and end of a client, and what a server says of itself. */

import { inspect } from 'node:util'
import { recordingObserver } from '@kerp/core/testing'
import {
  assertCoordinationRedis,
  closeRedis,
  connectRedis,
  createRedis,
  RedisNotDoneError,
  RedisRefusedError,
  RedisUnknownError,
  RedisUnsuitableError,
  redisCommand,
  redisHealth,
  whenReady,
} from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const SECRET = 'hunter2-secret'

let server: PrivateRedis
beforeAll(async () => {
  server = await openPrivateRedis({ tcp: true })
})
afterAll(() => server.close())

describe('connecting', () => {
  it('is ready when it says so, by TCP and by socket', async () => {
    for (const options of [{ url: server.url }, { path: server.socketPath }]) {
      const redis = await connectRedis(options, 5_000, {})
      expect(await redisCommand(redis, 'ping', [])).toBe('PONG')
      await whenReady(redis)
      await closeRedis(redis)
      expect(redis.status).toBe('end')
    }
  })

  it('starts a lazy client', async () => {
    const redis = createRedis({ url: server.url, lazyConnect: true }, {})
    await whenReady(redis, 5_000)
    expect(await redisCommand(redis, 'ping', [])).toBe('PONG')
    await closeRedis(redis)
  })

  it('gives up at its deadline and says why there is no connection', async () => {
    const gone = await openPrivateRedis({ tcp: true })
    await gone.close()
    const observer = recordingObserver()
    const attempt = connectRedis({ url: gone.url, observer }, 100, {})
    await expect(attempt).rejects.toThrow('there was no connection within 100 ms (ECONNREFUSED)')
    await expect(attempt).rejects.toThrow(RedisNotDoneError)
    expect(observer.of('backgroundError')[0]).toMatchObject({ source: 'redis', code: 'REDIS_NOT_DONE' })
  })

  it('gives up at once when the password is wrong, without showing it', async () => {
    await using guarded = await openPrivateRedis({ args: ['--requirepass', SECRET] })
    const wrong: unknown = await connectRedis(
      { path: guarded.socketPath, password: `${SECRET}x` },
      30_000,
      {},
    ).catch((error: unknown) => error)
    expect(wrong).toBeInstanceOf(RedisRefusedError)
    expect(wrong).toMatchObject({ replyCode: 'WRONGPASS' })
    expect(inspect(wrong, { depth: 10 })).not.toContain(SECRET)

    const redis = await connectRedis({ path: guarded.socketPath, password: SECRET }, 5_000, {})
    expect(await redisCommand(redis, 'ping', [])).toBe('PONG')
    await closeRedis(redis)
  })

  it('answers any number of callers who wait at the same time', async () => {
    const redis = createRedis({ path: server.socketPath }, {})
    const listeners = redis.listenerCount('ready')
    const waiting = Promise.all(Array.from({ length: 100 }, () => whenReady(redis, 5_000)))
    expect(redis.listenerCount('ready')).toBe(listeners + 1)
    await waiting
    expect(redis.listenerCount('ready')).toBe(listeners)
    await closeRedis(redis)
  })

  it('is refused for a client that was closed', async () => {
    const redis = await connectRedis({ path: server.socketPath }, 5_000, {})
    await closeRedis(redis)
    await expect(whenReady(redis, 5_000)).rejects.toThrow(RedisNotDoneError)
  })
})

describe('closing', () => {
  it('lets calls in flight finish, and is at rest when repeated', async () => {
    const redis = await connectRedis({ path: server.socketPath }, 5_000, {})
    const calls = Array.from({ length: 100 }, () => redisCommand(redis, 'incr', ['closing']))
    await closeRedis(redis)
    await Promise.all(calls)
    await closeRedis(redis)
    expect(redis.status).toBe('end')
  })

  it('ends by its deadline when the server does not answer; calls in flight learn that', async () => {
    await using frozen = await openPrivateRedis()
    const redis = await connectRedis({ path: frozen.socketPath }, 5_000, {})
    frozen.pause()
    const call = redisCommand(redis, 'incr', ['n'], { deadlineMs: 10_000 })
    const outcome = call.catch((error: unknown) => error)
    await closeRedis(redis, 600)
    expect(redis.status).toBe('end')
    expect(await outcome).toBeInstanceOf(RedisUnknownError)
  })

  it('ends a client that is looking for its server', async () => {
    const gone = await openPrivateRedis()
    const redis = await connectRedis({ path: gone.socketPath }, 5_000, {})
    await gone.close()
    await closeRedis(redis, 500)
    await expect(redisCommand(redis, 'ping', [])).rejects.toThrow(RedisNotDoneError)
  })
})

describe('health', () => {
  it('tells role, version, policy, memory and persistence', async () => {
    const redis = await connectRedis({ path: server.socketPath }, 5_000, {})
    expect(await redisHealth(redis)).toMatchObject({
      reachable: true,
      unreadable: undefined,
      role: 'master',
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as unknown,
      maxmemoryPolicy: 'noeviction',
      maxmemoryBytes: 0,
      persistence: { appendOnly: false, lastWriteOk: true, loading: false },
      nodes: 1,
    })
    expect(await assertCoordinationRedis(redis)).toMatchObject({ maxmemoryPolicy: 'noeviction' })
    await closeRedis(redis)
  })

  it.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-lru', 'volatile-ttl'])(
    'refuses %s for coordination, with the fix in the message',
    async (policy) => {
      await using evicting = await openPrivateRedis({ args: ['--maxmemory-policy', policy] })
      const redis = await connectRedis({ path: evicting.socketPath }, 5_000, {})
      const check = assertCoordinationRedis(redis)
      await expect(check).rejects.toThrow(RedisUnsuitableError)
      await expect(check).rejects.toThrow(`its maxmemory-policy is ${policy}`)
      await expect(check).rejects.toThrow('CONFIG SET maxmemory-policy noeviction')
      await closeRedis(redis)
    },
  )

  it('says so when INFO may not be read, and when nobody answers', async () => {
    const admin = await connectRedis({ path: server.socketPath }, 5_000, {})
    await redisCommand(admin, 'acl', ['setuser', 'shy', 'on', `>${SECRET}`, '~*', '+@all', '-info'])
    const shy = { path: server.socketPath, username: 'shy', password: SECRET }
    const redis = await connectRedis({ ...shy, ioredis: { enableReadyCheck: false } }, 5_000, {})
    expect(await redisHealth(redis)).toMatchObject({
      reachable: true,
      unreadable: expect.stringContaining('NOPERM') as unknown,
      maxmemoryPolicy: undefined,
    })
    await expect(assertCoordinationRedis(redis)).rejects.toThrow('Let this user run INFO')
    await closeRedis(redis)
    await closeRedis(admin)
    expect(await redisHealth(redis)).toMatchObject({ reachable: false, role: undefined })
    await expect(assertCoordinationRedis(redis)).rejects.toThrow(RedisNotDoneError)
  })

  it('refuses a replica', async () => {
    await using replica = await openPrivateRedis({ args: ['--replicaof', '127.0.0.1', String(server.port)] })
    const redis = await connectRedis({ path: replica.socketPath }, 5_000, {})
    await expect(assertCoordinationRedis(redis)).rejects.toThrow('it is a replica')
    await closeRedis(redis)
  })
})
