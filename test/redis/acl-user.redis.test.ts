/** Users with the rules of `aclUser` on a real server: each part of the library works with its role, and nothing else does. */

import { readdirSync, readFileSync } from 'node:fs'
import { InvalidOptionError } from '@kerp/core'
import { Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { Consumer, erpEvents, EventRelay, Publisher, Subscriber } from '@kerp/pubsub'
import {
  aclUser,
  type AclUserOptions,
  closeRedis,
  connectRedis,
  type RedisClient,
  redisHealth,
  type RedisRole,
} from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { CacheWorld } from '../cache/cache-world.js'
import { MemoryEventLog } from '../pubsub/memory-event-log.js'
import { Record, until } from '../pubsub/event-world.js'
import { World } from '../registers/world.js'
import { freshCompany } from '../support/fresh-company.js'

const PASSWORD = 'a-password-of-this-test'
const ALL: readonly RedisRole[] = [
  ...(['registers', 'relay', 'cache', 'sessions', 'locks'] as const),
  ...(['publisher', 'subscriber', 'consumer', 'batches', 'rateLimits'] as const),
]
/** What belongs to no company, so that no user of one company may do it. */
const OF_NO_COMPANY: readonly RedisRole[] = ['sessions', 'batches']

let server: PrivateRedis
let admin: RedisClient
let users = 0
beforeAll(async () => {
  server = await openPrivateRedis()
  admin = await connectRedis({ path: server.socketPath }, 10_000, {})
})
beforeEach(() => admin.call('ACL', 'LOG', 'RESET'))
afterAll(async () => {
  await closeRedis(admin)
  await server.close()
})

/** A connection of a new user. */
async function as(
  roles: readonly RedisRole[],
  more: Pick<AclUserOptions, 'companyId' | 'namespace'> = {},
): Promise<RedisClient> {
  users += 1
  const name = `user-${users}`
  await admin.call('ACL', ...aclUser({ name, password: PASSWORD, roles, ...more }).setUser)
  const options = { path: server.socketPath, username: name, password: PASSWORD }
  const redis = await connectRedis(options, 10_000, {})
  onTestFinished(() => closeRedis(redis))
  return redis
}

/** What the server refused since the test began. CLIENT SETINFO is how ioredis introduces itself, refused or not. */
async function refusals(): Promise<readonly string[]> {
  const log = (await admin.call('ACL', 'LOG', '128')) as readonly (readonly unknown[])[]
  return log
    .map((entry) => `${String(entry[3])}: ${String(entry[7])}`)
    .filter((line) => !line.includes('client|setinfo'))
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'done',
    (error: unknown) => String(error instanceof Error ? error.message : error).split(' ')[0] ?? '',
  )

describe('A user with one role can do all that the role is for', () => {
  it('registers and their relay, with the tier in the process', async () => {
    const world = new World(await as(['registers']))
    const relay = world.newRelay({ redis: await as(['relay']), pollMs: 10, heartbeatMs: 20 })
    const near = world.newRegisters({ localTier: { positions: world.database } })
    onTestFinished(async () => {
      await near.close()
      await relay.close()
    })
    relay.start()
    world.commit({ a: [5n, 0n] })
    await until('a balance from memory', async () => (await world.get('a', near)).source === 'l1')
    await near.apply(world.commit({ a: [2n, 0n] }))
    await until('the next one', async () => (await world.get('a', near)).image.fields[0] === '7')
    await world.registers.invalidate(world.ref('a'))
    await relay.caughtUp()
    expect(await refusals()).toEqual([])
  })

  it('a cache of values, and one of sessions', async () => {
    const world = new CacheWorld(await as(['cache']))
    world.put('a', 5n)
    expect([await world.price('a'), await world.price('a')]).toEqual([5n, 5n])
    await world.cache.invalidateKeys([world.keyOf('a')])
    await world.cache.invalidateTags(world.companyId, ['accounts'])
    await world.cache.invalidateAll(world.companyId)
    world.failure = new Error('the table is gone')
    await expect(world.price('b')).rejects.toThrow()
    const other = new CacheWorld(await as(['sessions']))
    const key = ({ id }: { readonly id: string }) => createKeys().session(id)
    const sessions = other.define(other.cache, { type: 'session', key })
    other.put('s1', 7n)
    expect([await other.price('s1', sessions), await other.price('s1', sessions)]).toEqual([7n, 7n])
    expect(other.loads).toEqual(['s1'])
    await other.cache.invalidateKeys([key({ id: 's1' })])
    expect(await refusals()).toEqual([])
  })

  it('locks of several processes that hand over to each other', async () => {
    const resource = { companyId: freshCompany(), type: 'item', id: 'A' }
    const [one, other] = await Promise.all(
      [1, 2].map(async () => new Locks({ redis: await as(['locks']), keys: createKeys() })),
    )
    if (one === undefined || other === undefined) throw new Error('two were made')
    onTestFinished(() => Promise.all([one.close(), other.close()]).then(() => undefined))
    const held = await one.acquire(resource, { ttlMs: 60_000 })
    const waiting = other.acquire(resource, { waitMs: 20_000 })
    expect(await other.tryAcquire(resource)).toBeNull()
    await until('a waiter', async () => (await one.list(resource.companyId, { limit: 10 })).length > 0)
    await held.extend()
    await held.release()
    const handed = await waiting
    await handed.release()
    await one.raiseFence(resource, String(BigInt(handed.fence) + 5n))
    expect(await refusals()).toEqual([])
  })

  it.each([false, true])(
    'events, published, relayed, heard and consumed, on sharded channels: %s',
    async (sharded) => {
      const keys = createKeys({ namespace: `acl-${sharded}` })
      const of = async (role: RedisRole) => ({
        redis: await as([role], { namespace: `acl-${sharded}` }),
        keys,
        events: erpEvents,
        sharded,
      })
      const [companyId, relayed] = [freshCompany(), freshCompany()]
      const source = new MemoryEventLog()
      const publisher = new Publisher(await of('publisher'))
      const relay = new EventRelay({ ...(await of('publisher')), source })
      const subscriber = new Subscriber({ ...(await of('subscriber')), tailMs: 50 })
      let isBroken = true
      const consumer = new Consumer({
        ...(await of('consumer')),
        group: 'g',
        companies: [companyId, relayed],
        pollMs: 20,
        attemptsMax: 1,
        handler: () => (isBroken ? Promise.reject(new Error('broken')) : Promise.resolve()),
      })
      onTestFinished(async () => {
        await Promise.all([consumer.close(), subscriber.close(), relay.close(), publisher.close()])
      })
      const [one, all] = [new Record(), new Record()]
      await subscriber.subscribe({ companyId, from: 'beginning' }, one).started
      await subscriber.subscribeAll({ from: 'beginning' }, all).started
      consumer.start()
      await publisher.publish({ companyId, type: 'events:voucher:approved', payload: { id: 'V-1' } })
      source.commit(relayed, 3)
      await relay.tick()
      await all.has(4)
      await until('dead letters', async () => (await consumer.deadLetters(relayed)).length === 3)
      isBroken = false
      expect(await consumer.redrive(relayed)).toMatchObject({ handled: 3, failed: 0 })
      await publisher.publish({ companyId, type: 'events:voucher:approved', payload: { id: 'V-2' } })
      await one.has(2)
      expect(await refusals()).toEqual([])
    },
  )

  it('knows the server’s health, whatever the role', async () => {
    for (const role of ALL) {
      expect(await redisHealth(await as([role]))).toMatchObject({
        reachable: true,
        maxmemoryPolicy: 'noeviction',
      })
    }
    expect(await refusals()).toEqual([])
  })

  it('has every command that a script of its part calls', () => {
    const roles = {
      registers: ['registers', 'relay'],
      cache: ['cache', 'sessions'],
      'inventory-lock': ['locks'],
      pubsub: ['publisher', 'consumer'],
    } as const
    for (const [name, its] of Object.entries(roles)) {
      const { setUser } = aclUser({ name: 'x', password: PASSWORD, roles: its })
      const granted = new Set(setUser.map((rule) => /^\+([a-z]+)/.exec(rule)?.[1]))
      const folder = new URL(`../../packages/${name}/src/`, import.meta.url)
      const scripts = readdirSync(folder).filter((file) => /lua\.ts$/.test(file))
      const called = scripts.flatMap((file) => [
        ...readFileSync(new URL(file, folder), 'utf8').matchAll(/\bcall\('([A-Z]+)'/g),
      ])
      expect(called.length).toBeGreaterThan(5)
      expect(
        called.map(([, command]) => command?.toLowerCase()).filter((each) => !granted.has(each)),
      ).toEqual([])
    }
  })
})

describe('A user is refused', () => {
  const [own, other] = ['c1', 'c2']
  const everyKey = (companyId: string): Readonly<Partial<{ [R in RedisRole]: string }>> => {
    const keys = createKeys()
    return {
      registers: keys.balance({ companyId, account: '1101', fiscalYear: 2026 }),
      cache: keys.report({ companyId, type: 'financial', parameters: {} }),
      sessions: keys.session('s'),
      batches: '{kerp-bullmq}:batches:1',
      locks: keys.lock({ companyId, type: 'item', id: 'A' }),
      publisher: keys.eventsStream(companyId),
      consumer: keys.deadEvents({ companyId, group: 'g' }),
      rateLimits: keys.rateLimit({ companyId, user: 'kim', endpoint: 'vouchers' }),
    }
  }
  const write = (redis: RedisClient, key: string): Promise<string> =>
    codeOf(redis.eval(`return redis.call('SET', KEYS[1], '1', 'PX', '1')`, 1, key))

  it('the keys of every other role, in commands and in scripts', async () => {
    const keys = Object.entries(everyKey(own)) as [RedisRole, string][]
    for (const [role] of keys) {
      const redis = await as([role])
      for (const [owner, key] of keys) {
        // A consumer reads the stream that a publisher writes.
        if (role === owner || (role === 'consumer' && owner === 'publisher')) continue
        expect([
          role,
          owner,
          await codeOf(redis.eval(`return redis.call('SET', KEYS[1], '1')`, 1, key)),
        ]).toEqual([role, owner, 'NOPERM'])
      }
    }
    const reader = await as(['subscriber'])
    expect(await codeOf(reader.xadd(createKeys().eventsStream(own), '*', 'e', 'forged'))).toBe('NOPERM')
    expect(await codeOf(reader.publish(createKeys().eventsChannel(own), 'forged'))).toBe('NOPERM')
  })

  it('what would show, stop or empty the server, with all roles together', async () => {
    const redis = await as(ALL)
    for (const command of [
      'FLUSHALL|FLUSHDB|KEYS *|SCAN 0|RANDOMKEY|DBSIZE|MONITOR|SHUTDOWN NOSAVE|SAVE|BGSAVE|BGREWRITEAOF',
      'CONFIG GET *|CONFIG SET maxmemory 1|ACL LIST|ACL WHOAMI|CLIENT LIST|CLIENT KILL ID 1|CLIENT PAUSE 1|SWAPDB 0 1',
      'SCRIPT FLUSH|SCRIPT KILL|FUNCTION FLUSH|REPLICAOF NO ONE|FAILOVER|CLUSTER RESET|CLUSTER FAILOVER|LATENCY RESET',
      'SLOWLOG GET|MODULE LIST|MIGRATE 127.0.0.1 1 x 0 1|PSUBSCRIBE *|SORT x|OBJECT ENCODING x|WAIT 0 1|PUBLISH other x',
    ].flatMap((line) => line.split('|'))) {
      const [name = '', ...args] = command.split(' ')
      expect([command, await codeOf(redis.call(name, ...args))]).toEqual([command, 'NOPERM'])
    }
    for (const script of [
      `redis.call('FLUSHALL')`,
      `redis.call('GET', 'session-of-others')`,
      `redis.call('CONFIG', 'GET', '*')`,
    ]) {
      expect(await codeOf(redis.eval(script, 0))).not.toBe('done')
    }
  })

  it('every key and channel of another company, when it is of one', async () => {
    const redis = await as(
      ALL.filter((role) => !OF_NO_COMPANY.includes(role)),
      { companyId: own },
    )
    for (const [role, key] of Object.entries(everyKey(own))) {
      const isCompanys = !OF_NO_COMPANY.includes(role as RedisRole)
      expect([role, await write(redis, key)]).toEqual([role, isCompanys ? 'done' : 'NOPERM'])
    }
    const keys = createKeys()
    for (const key of [
      ...Object.values(everyKey(other)),
      keys.watermark(other),
      keys.cacheGeneration(other),
    ]) {
      expect([key, await codeOf(redis.get(key)), await write(redis, key)]).toEqual([key, 'NOPERM', 'NOPERM'])
    }
    expect(await codeOf(redis.publish(keys.eventsChannel(own), 'x'))).toBe('done')
    expect(await codeOf(redis.publish(keys.eventsChannel(other), 'x'))).toBe('NOPERM')
    expect(await codeOf(redis.subscribe(keys.registersChannel(other)))).toBe('NOPERM')
    // A company whose name begins as its own does is another one.
    expect(await codeOf(redis.get(keys.watermark(`${own}0`)))).toBe('NOPERM')
  })

  it('a namespace that is not its own', async () => {
    const redis = await as(ALL, { namespace: 'prod' })
    const key = (namespace: string): string => createKeys({ namespace }).watermark(own)
    expect([await codeOf(redis.get(key('prod'))), await codeOf(redis.get(key('test')))]).toEqual([
      'done',
      'NOPERM',
    ])
    expect(await codeOf(redis.get(createKeys().watermark(own)))).toBe('NOPERM')
  })
})

describe('aclUser', () => {
  it('writes a line that the server loads, without the password', async () => {
    const user = aclUser({
      name: 'posting',
      password: PASSWORD,
      roles: ['registers', 'locks'],
      companyId: 'c1',
    })
    expect(user.line).not.toContain(PASSWORD)
    expect(user.line.split(' ').slice(0, 2)).toEqual(['user', 'posting'])
    await admin.call('ACL', ...user.setUser)
    const once = await admin.call('ACL', 'GETUSER', 'posting')
    await admin.call('ACL', ...user.setUser)
    expect(await admin.call('ACL', 'GETUSER', 'posting')).toEqual(once)
  })

  it('refuses what could not be meant, and quotes no password', () => {
    const good = { name: 'x', password: PASSWORD, roles: ['locks'] } as const
    const wrong: readonly Readonly<globalThis.Record<string, unknown>>[] = [
      { name: '' },
      { name: 'a b' },
      { name: undefined },
      { password: 'short-secret' },
      { password: undefined },
      { roles: [] },
      { roles: ['admin'] },
      { roles: ['sessions'], companyId: 'c1' },
      { roles: ['batches'], companyId: 'c1' },
      { companyId: 'c1}:*' },
      { companyId: '*' },
      { namespace: 'a*' },
    ]
    for (const part of wrong) {
      const call = (): unknown => aclUser({ ...good, ...part })
      expect(call).toThrow(InvalidOptionError)
      expect(call).not.toThrow(/short-secret/)
    }
  })
})
