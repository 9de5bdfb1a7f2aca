/**
 * Writers of one process among readers, fills, evictions, a Redis that refuses, and pushes that come late and in any
 * order: whoever wrote never reads anything older, from wherever he is answered.
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { RegisterSource } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import { OutboxRelay, Registers } from '@kerp/registers'
import { MemoryDatabase } from '@kerp/registers/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { expect, test } from 'vitest'

const WRITES = process.env['KERP_TEST_FULL'] === '1' ? 100_000 : 4_000
const WRITERS = 24
const ACCOUNTS = Array.from({ length: 16 }, (_, n) => `A${n}`)
const random = seededRandom(16)
const chance = (share: number): boolean => random.fraction() < share
const anyAccount = (): string => ACCOUNTS[Math.floor(random.fraction() * ACCOUNTS.length)] ?? 'A0'

/** Delivers each message after a time of its own, and refuses some commands: before they are done, or after. */
function unreliable(redis: RedisClient): RedisClient {
  const wrap = <T extends RedisClient>(client: T): T =>
    new Proxy(client, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args)
        if (property === 'duplicate') return (...args: unknown[]) => wrap(call(...args) as RedisClient)
        if (property === 'on') {
          return (event: string, handler: (...heard: unknown[]) => void): unknown =>
            call(event, event === 'message' ? late(handler) : handler)
        }
        if (property !== 'evalsha' || !chance(0.02)) return call
        const lost = new Error('Connection is closed.')
        return async (...args: unknown[]) => {
          if (chance(0.5)) await call(...args)
          throw lost
        }
      },
    })
  return wrap(redis)
}

function late(handler: (...heard: unknown[]) => void): (...heard: unknown[]) => void {
  return (...heard) => void wait(30 * random.fraction() ** 4).then(() => handler(...heard))
}

/** Loads of which some take long, so that commits fall between the reading of a row and its answer. */
function slow(database: MemoryDatabase): RegisterSource {
  return {
    list: (listing) => database.list(listing),
    async load(companyId, refs) {
      const loaded = await database.load(companyId, refs)
      if (chance(0.3)) await wait(20 * random.fraction() ** 2)
      return loaded
    },
  }
}

test.each(['with rows in its memory', 'without rows in its memory'])(
  'a process %s never reads anything older than what it wrote',
  async (kind) => {
    await using server = await openPrivateRedis()
    const redis = server.client()
    const keys = createKeys()
    const database = new MemoryDatabase()
    database.commit('c1', Object.fromEntries(ACCOUNTS.map((account) => [account, [1n, 0n] as const])))
    const localTier = { positions: database, maxStalenessMs: 500, entriesMax: 10 }
    const isHolding = kind.startsWith('with ')
    const registers = new Registers({
      redis: unreliable(redis),
      keys,
      source: slow(database),
      redisDeadlineMs: 60_000,
      silencesMax: 3,
      silencePauseMs: 5,
      ...(isHolding ? { localTier } : {}),
    })
    const others = new Registers({ redis, keys, source: database })
    const relay = new OutboxRelay({ redis, keys, outbox: database, pollMs: 5, heartbeatMs: 20 })
    relay.start()
    const refOf = (account: string) =>
      ({ companyId: 'c1', family: 'balance', parts: [account, '2026'] }) as const
    const older: string[] = []
    const sources: Record<string, number> = { l1: 0, redis: 0, database: 0, peeked: 0 }
    let left = WRITES
    const judge = (way: string, account: string, version: number | undefined, floor: number): void => {
      if (version !== undefined && version < floor) older.push(`${way} ${account} ${version} < ${floor}`)
    }

    async function write(): Promise<void> {
      while (left > 0) {
        left -= 1
        const [one, other] = [anyAccount(), anyAccount()]
        const committed = database.commit('c1', { [one]: [1n, 0n], [other]: [2n, 0n] })
        await registers.apply(committed)
        const floors = committed.images.map(({ ref, version }) => [ref.parts[0], version] as const)
        for (const [account, floor] of floors) {
          const peeked = registers.peek(refOf(account))
          if (peeked !== undefined) sources['peeked'] = (sources['peeked'] ?? 0) + 1
          judge('peek', account, peeked?.image.version, floor)
        }
        const cut = chance(0.1)
        const refs = [...floors.map(([account]) => refOf(account)), refOf(anyAccount())]
        const readings = await registers.getMany('c1', refs, { cut })
        for (const [index, [account, floor]] of floors.entries()) {
          const reading = readings[index]
          if (reading !== undefined) sources[reading.source] = (sources[reading.source] ?? 0) + 1
          judge(cut ? 'cut' : 'get', account, reading?.image.version, floor)
        }
      }
    }
    async function read(): Promise<void> {
      while (left > 0) {
        await Promise.all([registers.getMany('c1', [refOf(anyAccount())]), wait(1)])
      }
    }
    async function disturb(): Promise<void> {
      while (left > 0) {
        const account = anyAccount()
        if (chance(0.5)) await redis.del(keys.register(refOf(account)))
        else await others.apply(database.commit('c1', { [account]: [3n, 0n] }))
        if (chance(0.01)) await redis.del(keys.watermark('c1'))
        await wait(2)
      }
    }
    await Promise.all([...Array.from({ length: WRITERS }, write), read(), read(), disturb()])
    await relay.close()
    await registers.close()
    redis.disconnect()
    console.log(`${kind}: ${WRITES} writes, answers ${JSON.stringify(sources)}, older ${older.length}`)
    expect(older).toEqual([])
    expect(sources['redis']).toBeGreaterThan(0)
    if (isHolding) expect(sources['peeked']).toBeGreaterThan(0)
  },
)
