/** What users' unit tests rely on when they pass `mockRedis()` in the place of a server. */

import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import {
  assertCoordinationRedis,
  closeRedis,
  defineScript,
  type RedisClient,
  RedisNotDoneError,
  redisCommand,
  redisHealth,
  redisHealthCauses,
  whenReady,
} from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import { describe, expect, it } from 'vitest'

const increment = defineScript({
  name: 'increment-by-script',
  keys: ['n'],
  args: [],
  lua: `return redis.call('INCR', n)`,
  parse: Number,
})

describe('mockRedis', () => {
  it('opens a data set of its own each time', async () => {
    const [one, other] = [mockRedis(), mockRedis()]
    await one.set('k', 'v')
    expect(await one.get('k')).toBe('v')
    expect(await other.get('k')).toBeNull()
  })

  it('shares its data, scripts and channels with its duplicates', async () => {
    const redis = mockRedis()
    const twin = redis.duplicate()
    await redis.set('k', 'v')
    expect(await twin.get('k')).toBe('v')
    expect(await increment.run(twin, { n: 'n' }, {})).toBe(1)
    expect(await increment.run(redis, { n: 'n' }, {})).toBe(2)
    expect(await increment.run(twin.duplicate(), { n: 'n' }, {})).toBe(3)

    const heard = new Promise((resolve) => twin.on('message', (...message) => resolve(message)))
    await twin.subscribe('channel')
    await redisCommand(redis, 'publish', ['channel', 'hello'])
    expect(await heard).toStrictEqual(['channel', 'hello'])
  })

  it('fails calls at once when it is closed, as a server that is gone does', async () => {
    const redis = mockRedis()
    await whenReady(redis)
    await closeRedis(redis)
    expect(redis.status).toBe('end')
    await expect(redisCommand(redis, 'get', ['k'])).rejects.toThrow(RedisNotDoneError)
    await expect(increment.run(redis, { n: 'n' }, {})).rejects.toThrow(RedisNotDoneError)
  })

  it('runs scripts that a duplicate subscribes beside', async () => {
    const subscriber = mockRedis()
    await subscriber.subscribe('channel')
    await expect(increment.run(subscriber, { n: 'n' }, {})).rejects.toThrow('the connection is a subscriber')
  })

  it('passes the check for coordination', async () => {
    expect(await redisHealth(mockRedis())).toMatchObject({ reachable: true, role: 'master' })
    expect(await assertCoordinationRedis(mockRedis())).toMatchObject({ maxmemoryPolicy: 'noeviction' })
  })

  it('is in good health: it has no version whose holes it could share', async () => {
    const health = await redisHealth(mockRedis())
    expect(health).toMatchObject({ reachable: true, version: undefined, unreadable: undefined })
    expect(redisHealthCauses(health, 'coordination')).toEqual([])
  })

  it('forgets scripts at SCRIPT FLUSH and gets them again', async () => {
    const redis = mockRedis()
    expect(await increment.run(redis, { n: 'n' }, {})).toBe(1)
    expect(await redisCommand(redis, 'script', ['EXISTS', increment.sha1])).toStrictEqual([1])
    await redisCommand(redis, 'script', ['FLUSH'])
    expect(await redisCommand(redis, 'script', ['EXISTS', increment.sha1])).toStrictEqual([0])
    expect(await increment.run(redis, { n: 'n' }, {})).toBe(2)
    expect(await redisCommand(redis, 'script', ['LOAD', 'return 1'])).toMatch(/^[0-9a-f]{40}$/)
  })

  it('keeps what a script wrote before it failed, as a server does', async () => {
    const redis = mockRedis()
    const half = defineScript({
      name: 'half-done',
      keys: ['k'],
      args: [],
      lua: `redis.call('SET', k, 'written') return nothing`,
      parse: String,
    })
    await expect(half.run(redis, { k: 'k' }, {})).rejects.toMatchObject({ code: 'REDIS_REFUSED' })
    expect(await redis.get('k')).toBe('written')
    expect(await increment.run(redis, { n: 'n' }, {})).toBe(1)
  })

  it('goes on after more different scripts than it keeps compiled', async () => {
    const redis = mockRedis()
    for (let index = 0; index < 600; index += 1) {
      const script = defineScript({ name: 'many', keys: [], args: [], lua: `return ${index}`, parse: Number })
      expect(await script.run(redis, {}, {})).toBe(index)
    }
    expect(await increment.run(redis, { n: 'n' }, {})).toBe(1)
  })

  it('can be printed', () => {
    expect(inspect(mockRedis(), { depth: 0 })).toContain('mock-')
  })
})

describe('a plain ioredis-mock, which a user may pass as well', () => {
  it('runs scripts and commands, slowly', async () => {
    const require = createRequire(import.meta.url)
    const RedisMock = require('ioredis-mock') as new (options: object) => RedisClient
    const redis = new RedisMock({ host: 'plain' })
    expect(await increment.run(redis, { n: 'n' }, {})).toBe(1)
    expect(await increment.run(redis, { n: 'n' }, {})).toBe(2)
    expect(await redisCommand(redis, 'mget', ['n', 'm'])).toStrictEqual(['2', null])
  })
})
