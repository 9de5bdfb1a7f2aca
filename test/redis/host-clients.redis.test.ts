import { GuardedBalances } from '@kerp/balance-cache'
import { ReadThrough, Warmer } from '@kerp/cache'
import { createQuorumLocks, Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { Consumer, erpEvents, EventRelay, Publisher, Subscriber } from '@kerp/pubsub'
import { createRedis, redisCommand, type RedisClient, whenReady } from '@kerp/redis'
import { OutboxRelay, Registers } from '@kerp/registers'
import { Cluster, Command, Redis, type RedisOptions } from 'ioredis'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'

async function clientWith(options: RedisOptions): Promise<RedisClient> {
  const redis = new Redis({ path: inject('redisSocket'), ...options })
  onTestFinished(() => redis.disconnect())
  await whenReady(redis)
  return redis
}

function locksOn(redis: RedisClient): Locks {
  const locks = new Locks({ redis, keys: createKeys(), closeMs: 0 })
  onTestFinished(() => locks.close())
  return locks
}

describe('a lock has one holder, whatever the client makes of the replies of Redis', () => {
  const path = inject('redisSocket')
  test.each([
    ['the client of a host with stringNumbers', () => clientWith({ stringNumbers: true })],
    ['createRedis with stringNumbers', () => createRedis({ path, ioredis: { stringNumbers: true } }, {})],
    ['the client of a host with enableAutoPipelining', () => clientWith({ enableAutoPipelining: true })],
    ['the client of a host with showFriendlyErrorStack', () => clientWith({ showFriendlyErrorStack: true })],
  ])('%s', async (_, open) => {
    const redis = await open()
    onTestFinished(() => redis.disconnect())
    await whenReady(redis)
    const resource = { companyId: freshCompany(), type: 'item', id: 'A' }
    const [one, other] = [locksOn(redis), locksOn(redis)]
    const lock = await one.acquire(resource)
    expect(BigInt(lock.fence)).toBeGreaterThan(0n)
    expect(await other.tryAcquire(resource)).toBeNull()
    await expect(other.acquire(resource, { waitMs: 30 })).rejects.toMatchObject({ code: 'LOCK_BUSY' })
    expect(await lock.extend(20_000)).toBe('extended')
    const raised = await lock.raiseFence(lock.fence)
    expect(lock.fence).toBe(raised)
    const waiting = other.acquire(resource, { waitMs: 10_000 })
    expect(await lock.release()).toBe('released')
    const next = await waiting
    expect(BigInt(next.fence)).toBeGreaterThan(BigInt(raised))
    expect(await next.release()).toBe('released')
  })

  test('a transformer of replies that a host has set changes none of ours', async () => {
    Command.setReplyTransformer('xrange', () => 'something else')
    onTestFinished(() => Command.setReplyTransformer('xrange', (reply: unknown) => reply))
    const redis = await clientWith({})
    const key = `{${freshCompany()}}:stream`
    await redisCommand(redis, 'xadd', [key, '1-1', 'a', 'b'])
    expect(await redisCommand(redis, 'xrange', [key, '-', '+'])).toEqual([['1-1', ['a', 'b']]])
  })
})

describe('a client that cannot be served is refused when it is given, in words', () => {
  const keys = createKeys()
  const source = {} as never
  const parts: readonly (readonly [string, (redis: RedisClient) => unknown])[] = [
    ['Locks', (redis) => new Locks({ redis, keys })],
    ['QuorumLocks', (redis) => createQuorumLocks({ nodes: [redis, redis, redis], keys })],
    ['Registers', (redis) => new Registers({ redis, keys, source })],
    ['OutboxRelay', (redis) => new OutboxRelay({ redis, keys, outbox: source })],
    ['ReadThrough', (redis) => new ReadThrough({ redis, keys })],
    ['Warmer', (redis) => new Warmer({ redis, sources: [] })],
    ['GuardedBalances', (redis) => new GuardedBalances({ redis, keys, source })],
    ['Publisher', (redis) => new Publisher({ redis, keys, events: erpEvents })],
    ['Subscriber', (redis) => new Subscriber({ redis, keys, events: erpEvents })],
    ['EventRelay', (redis) => new EventRelay({ redis, keys, source })],
    [
      'Consumer',
      (redis) =>
        new Consumer({
          redis,
          keys,
          group: 'g',
          companies: ['c1'],
          events: erpEvents,
          handler: () => Promise.resolve(),
        }),
    ],
  ]
  const clients: readonly (readonly [string, () => unknown, string])[] = [
    [
      'keyPrefix',
      () => new Redis({ keyPrefix: 'app:', lazyConnect: true }),
      'a client without the option `keyPrefix` (a namespace belongs into the keys, `createKeys({ namespace })`), got "app:" (string)',
    ],
    [
      'role',
      () =>
        new Redis({
          sentinels: [{ host: '127.0.0.1', port: 1 }],
          name: 'm',
          role: 'slave',
          lazyConnect: true,
        }),
      'a client without the option `role` (a replica',
    ],
    [
      'readOnly',
      () => new Redis({ readOnly: true, lazyConnect: true }),
      'a client without the option `readOnly` (a replica',
    ],
    [
      'scaleReads',
      () => new Cluster([{ host: '127.0.0.1', port: 1 }], { scaleReads: 'all', lazyConnect: true }),
      'a client without the option `scaleReads` (a replica',
    ],
    [
      'a client of node-redis',
      () => ({ isOpen: true, options: {}, sendCommand: () => 0, disconnect: () => 0, on: () => 0 }),
      'a client of ioredis (`createRedis()` makes one)',
    ],
    [
      'a URL',
      () => 'redis://user:secret@127.0.0.1',
      'a client of ioredis (`createRedis()` makes one), got "(a text, not shown)"',
    ],
    ['nothing', () => undefined, 'a client of ioredis (`createRedis()` makes one), got undefined'],
  ]

  test.each(clients)('%s', (_, open, words) => {
    for (const [owner, make] of parts) {
      const client = open() as RedisClient
      const option = owner === 'QuorumLocks' ? 'nodes[0]' : 'redis'
      expect(() => make(client), owner).toThrow(`${owner} option \`${option}\` must be ${words}`)
    }
  })
})
