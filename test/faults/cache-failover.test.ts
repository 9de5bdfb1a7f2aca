/** Invalidations that Redis acknowledged and then lost, so that what they voided is there again. */

import { closeRedis, connectRedis, type CreateRedisOptions } from '@kerp/redis'
import {
  openPrivateCluster,
  openPrivateRedis,
  openPrivateReplicas,
  type PrivateRedis,
} from '@kerp/redis/testing'
import { expect, test } from 'vitest'
import { CacheWorld } from '../cache/cache-world.js'

const PATIENCE = { timeout: 60_000, interval: 20 }

/** A cache that gives Redis little time, and one value of it for each way to void it. */
async function openCaches(place: CreateRedisOptions) {
  const redis = await connectRedis(place, 20_000, {})
  const world = new CacheWorld(redis)
  const cache = world.newCache({ redisDeadlineMs: 100, invalidateDeadlineMs: 1_000, leaseMs: 1_000 })
  const items = world.define(cache)
  const ids = ['key', 'tag', 'company']
  for (const id of ids) world.put(id, 1n)
  const prices = (): Promise<unknown> => Promise.all(ids.map((id) => world.price(id, items)))
  const hits = (): number => world.results()['hit'] ?? 0
  return {
    world,
    prices,
    /** Reads until Redis has answered for each. */
    async cached(): Promise<void> {
      await expect
        .poll(async () => {
          const before = hits()
          await prices()
          return hits() - before
        }, PATIENCE)
        .toBe(ids.length)
    },
    /** Changes all, and voids each in its own way. */
    async change(): Promise<void> {
      for (const id of ids) world.put(id, 2n)
      await items.invalidate(world.ref('key'))
      await cache.invalidateTags(world.companyId, ['group:t'])
      await cache.invalidateAll(world.companyId)
    },
    [Symbol.asyncDispose]: () => closeRedis(redis),
  }
}

/** From here on nothing that the master acknowledges reaches those who follow it. */
async function cutOff(master: PrivateRedis, followers: readonly PrivateRedis[]): Promise<void> {
  for (const follower of followers) follower.pause()
  const operator = master.client()
  await operator.client('KILL', 'TYPE', 'REPLICA')
  operator.disconnect()
}

test('an invalidation that was lost with an older dump is made again, and nothing before it is answered', async () => {
  await using server = await openPrivateRedis()
  await using caches = await openCaches({ path: server.socketPath })
  await caches.cached()
  const operator = server.client()
  await operator.save()
  operator.disconnect()
  await caches.change()
  await server.kill()
  await server.restart({ keepData: true })
  await caches.cached()
  expect(await caches.prices()).toEqual([2n, 2n, 2n])
})

test('an invalidation that was lost in a failover to a replica that lags is made again', async () => {
  await using replicas = await openPrivateReplicas()
  await using caches = await openCaches({ sentinel: replicas.sentinel })
  await caches.cached()
  const master = await replicas.master()
  const followers = replicas.servers.filter((server) => server !== master)
  await expect.poll(() => areEqual(master, followers), PATIENCE).toBe(true)
  await cutOff(master, followers)
  await caches.change()
  await master.kill()
  for (const follower of followers) follower.resume()
  await replicas.replaced(master)
  await caches.cached()
  expect(await caches.prices()).toEqual([2n, 2n, 2n])
})

test('an invalidation that was lost with a master of a cluster is made again', async () => {
  await using nodes = await openPrivateCluster()
  await using caches = await openCaches({ cluster: nodes.cluster })
  await caches.cached()
  const generation = caches.world.keys.cacheGeneration(caches.world.companyId)
  const master = await nodes.masterOf(generation)
  const followers = await followersOf(master, nodes.nodes)
  expect(followers).toHaveLength(1)
  await expect.poll(() => areEqual(master, followers), PATIENCE).toBe(true)
  await cutOff(master, followers)
  await caches.change()
  await master.kill()
  for (const follower of followers) follower.resume()
  await nodes.replaced(generation, master)
  await caches.cached()
  // The new master is found by the next call, and what was lost is repeated to it then.
  await expect.poll(() => caches.prices(), PATIENCE).toEqual([2n, 2n, 2n])
})

/** Whether the replicas have all that the master has. */
async function areEqual(master: PrivateRedis, followers: readonly PrivateRedis[]): Promise<boolean> {
  const infos = await Promise.all([master, ...followers].map(replicationOf))
  return new Set(infos.map((info) => /(?:slave|master)_repl_offset:(\d+)/.exec(info)?.[1])).size === 1
}

async function followersOf(
  master: PrivateRedis,
  nodes: readonly PrivateRedis[],
): Promise<readonly PrivateRedis[]> {
  const infos = await Promise.all(nodes.map(replicationOf))
  return nodes.filter((_node, at) => infos[at]?.includes(`master_port:${master.port}\r\n`))
}

async function replicationOf(server: PrivateRedis): Promise<string> {
  const client = server.client()
  const info = await client.info('replication')
  client.disconnect()
  return info
}
