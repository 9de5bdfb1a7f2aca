/** The read-through cache on a real redis-server that is killed, frozen, emptied and eaten away. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setTimeout as wait } from 'node:timers/promises'
import { KerpError } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import type { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { argsOf } from '../support/programs.js'
import { CacheWorld } from '../cache/cache-world.js'
import { freshCompany } from '../support/fresh-company.js'

const READS = process.env['KERP_TEST_FULL'] === '1' ? 200_000 : 3_000
const REQUEST_PATH = { maxRetriesPerRequest: 0, enableOfflineQueue: false, retryStrategy: () => 20 } as const
const PATIENCE = { timeout: 20_000, interval: 20 }

/** A world whose cache gives Redis as little time as a service does. */
function openWorld(redis: Redis) {
  redis.on('error', () => undefined)
  const world = new CacheWorld(redis)
  const items = world.define(world.newCache({ redisDeadlineMs: 25, invalidateDeadlineMs: 200, leaseMs: 500 }))
  const price = (): Promise<bigint | undefined> => world.price('a', items)
  /** Reads until Redis answers again. */
  const healed = async (): Promise<void> => {
    const hits = (): number => world.results()['hit'] ?? 0
    const before = hits()
    await expect.poll(async () => [await price(), hits() > before][1], PATIENCE).toBe(true)
  }
  return { world, items, price, healed }
}

test('a Redis that is killed fails no read of the cache, and one that comes back empty fills by itself', async () => {
  await using server = await openPrivateRedis()
  const redis = server.client(REQUEST_PATH)
  const { world, items, price, healed } = openWorld(redis)
  world.put('a', 1n)
  await healed()
  await server.kill()
  world.loads.length = 0
  world.put('a', 2n)
  const answers = await Promise.all(Array.from({ length: 1_000 }, price))
  expect(new Set(answers)).toEqual(new Set([2n]))
  expect(world.loads.length).toBeLessThanOrEqual(10)
  await expect(items.invalidate(world.ref('a'))).rejects.toMatchObject({ retryable: true })
  await server.restart()
  await healed()
  expect(await price()).toBe(2n)
  redis.disconnect()
})

test('a Redis that freezes fails no read of the cache, few loads are made, and an invalidation says that it may be lost', async () => {
  await using server = await openPrivateRedis()
  const redis = server.client(REQUEST_PATH)
  const { world, items, price, healed } = openWorld(redis)
  world.put('a', 1n)
  await healed()
  server.pause()
  world.loads.length = 0
  world.put('a', 2n)
  const answers = await Promise.all(Array.from({ length: 1_000 }, price))
  expect(new Set(answers)).toEqual(new Set([2n]))
  expect(world.loads.length).toBeLessThanOrEqual(10)
  await expect(items.invalidate(world.ref('a'))).rejects.toMatchObject({
    code: 'REDIS_UNKNOWN',
    retryable: true,
  })
  server.resume()
  await expect.poll(() => items.invalidate(world.ref('a')).then(() => 'done', codeOf), PATIENCE).toBe('done')
  expect(await price()).toBe(2n)
  await healed()
  redis.disconnect()
})

test('nothing is answered that was invalidated before, whatever Redis loses meanwhile', async () => {
  await using server = await openPrivateRedis()
  const connections = Array.from({ length: 4 }, () => server.client())
  const [first, ...others] = connections
  if (first === undefined) throw new RangeError('no connection')
  const seed = 11
  const random = seededRandom(seed)
  const world = new CacheWorld(first)
  const ids = ['a', 'b', 'ab', 'c']
  const committed = new Map(ids.map((id) => [id, 0n]))
  const voided = new Map(ids.map((id) => [id, 0n]))
  const processes = [first, ...others].map((redis) =>
    world.define(world.newCache({ redis, leaseMs: 40 }), {
      staleMs: 200,
      earlyRefresh: true,
      load: async ({ id }) => {
        await wait(6 * random.fraction() ** 3)
        const item = { name: id, price: committed.get(id) ?? 0n }
        await wait(12 * random.fraction() ** 3)
        return item
      },
    }),
  )
  let [reads, isOver] = [0, false]
  const tooOld: string[] = []
  const pick = <V>(list: readonly V[]): V => list[Math.floor(random.fraction() * list.length)] ?? pick(list)
  const read = async (): Promise<void> => {
    while (!isOver) {
      const [id, items] = [pick(ids), pick(processes)]
      const least = voided.get(id) ?? 0n
      const price = (await items.get(world.ref(id)))?.price ?? -1n
      if (price < least) tooOld.push(`${id}: ${price} after ${least}`)
      reads += 1
      isOver ||= reads >= READS
    }
  }
  const write = async (): Promise<void> => {
    while (!isOver) {
      const id = pick(ids)
      const version = (committed.get(id) ?? 0n) + 1n
      committed.set(id, version)
      await wait(2 * random.fraction())
      const way = random.fraction()
      if (way < 0.5) await pick(processes).invalidate(world.ref(id))
      else if (way < 0.9) await world.cache.invalidateTags(world.companyId, [`group:${id.slice(0, 1)}`])
      else await world.cache.invalidateAll(world.companyId)
      if ((voided.get(id) ?? 0n) < version) voided.set(id, version)
      await wait(10 * random.fraction())
    }
  }
  const lose = async (): Promise<void> => {
    while (!isOver) {
      await wait(20 * random.fraction())
      const key = world.keyOf(pick(ids))
      const tag = world.keys.cacheTag({ companyId: world.companyId, tag: 'items' })
      const generation = world.keys.cacheGeneration(world.companyId)
      if (random.fraction() < 0.1) await first.flushall()
      else await first.del(pick([key, world.keys.lease(key), tag, generation]))
    }
  }
  await Promise.all([...Array.from({ length: 16 }, read), write(), write(), lose()])
  for (const redis of connections) redis.disconnect()
  console.log(`seed ${seed}`, JSON.stringify({ reads, ...world.results() }))
  expect(tooOld, `seed ${seed}`).toEqual([])
  expect(world.results()['hit']).toBeGreaterThan(0)
})

test('four processes that want one cold value at once make one load', async () => {
  await using server = await openPrivateRedis()
  const companyId = freshCompany()
  const script = fileURLToPath(new URL('cold-value-child.ts', import.meta.url))
  const args = [...(await argsOf(script)), server.socketPath, companyId, '250']
  const children: ChildProcess[] = Array.from({ length: 4 }, () =>
    spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
  )
  await Promise.all(children.map((child) => once(child, 'message')))
  const answers = children.map((child) => once(child, 'message'))
  for (const child of children) child.send('read')
  expect((await Promise.all(answers)).map(([found]: unknown[]) => found)).toEqual(children.map(() => [1]))
  for (const child of children) child.disconnect()
  const redis = server.client()
  expect(await redis.get(`loads:{${companyId}}`)).toBe('1')
  redis.disconnect()
})

function codeOf(error: unknown): string {
  return error instanceof KerpError ? error.code : 'UNEXPECTED'
}
