/** The peers in the race, each with an in-process tier, Redis behind it, and the means it has to tell other processes. */

import KeyvRedis from '@keyv/redis'
import { createCache as createDedupe } from 'async-cache-dedupe'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis'
import { createCache } from 'cache-manager'
import { Cacheable } from 'cacheable'
import { Redis } from 'ioredis'
import { Keyv } from 'keyv'
import { LRUCache } from 'lru-cache'
import { createClient } from 'redis'
import { type Contestant, inMemory, type StartPeer } from './race-world.js'

const TTL_MS = 60_000

const bentocache: StartPeer = (redisUrl, load) => {
  const { hostname: host, port } = new URL(redisUrl)
  const connection = { host, port: Number(port) }
  const store = bentostore()
    .useL1Layer(memoryDriver())
    .useL2Layer(redisDriver({ connection }))
    .useBus(redisBusDriver({ connection }))
  const cache = new BentoCache({ default: 'race', stores: { race: store } })
  return Promise.resolve({
    read: (key) => cache.getOrSet({ key, ttl: TTL_MS, factory: () => load(key) }),
    announce: (key) => cache.delete({ key }),
    close: () => cache.disconnectAll(),
  })
}

const cacheable: StartPeer = (redisUrl, load) => {
  const cache = new Cacheable({ secondary: new Keyv({ store: new KeyvRedis(redisUrl) }), ttl: TTL_MS })
  cache.on('error', () => undefined)
  return Promise.resolve({
    read: (key) => cache.getOrSet(key, () => load(key), { ttl: TTL_MS }),
    announce: (key) => cache.delete(key),
    close: () => cache.disconnect(),
  })
}

const cacheManager: StartPeer = (redisUrl, load) => {
  const remote = new Keyv({ store: new KeyvRedis(redisUrl), namespace: 'race' })
  remote.on('error', () => undefined)
  const cache = createCache({ stores: [new Keyv(), remote], ttl: TTL_MS })
  return Promise.resolve({
    read: (key) => cache.wrap(key, () => load(key), TTL_MS),
    announce: (key) => cache.del(key),
    close: () => cache.disconnect(),
  })
}

const dedupe: StartPeer = (redisUrl, load) => {
  const client = new Redis(redisUrl)
  client.on('error', () => undefined)
  const options = { client, invalidation: { referencesTTL: TTL_MS / 1_000 } }
  const cache = createDedupe({ ttl: TTL_MS / 1_000, storage: { type: 'redis', options } }).define(
    'balance',
    { references: (_args, key) => [key] },
    (key: string) => load(key),
  )
  return Promise.resolve({
    read: (key) => cache.balance(key),
    announce: (key) => cache.invalidateAll(key),
    close: () => {
      client.disconnect()
      return Promise.resolve()
    },
  })
}

const lruCache: StartPeer = (_redisUrl, load) => {
  const cache = new LRUCache<string, string>({ max: 10_000, ttl: TTL_MS, fetchMethod: (key) => load(key) })
  return Promise.resolve({
    read: (key) => cache.fetch(key),
    announce: (key) => Promise.resolve(cache.delete(key)),
    close: () => Promise.resolve(),
  })
}

const nodeRedis: StartPeer = async (redisUrl, load) => {
  const client = createClient({
    url: redisUrl,
    RESP: 3,
    clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' },
  })
  client.on('error', () => undefined)
  await client.connect()
  return {
    async read(key) {
      const cached = await client.get(key)
      if (cached !== null) return cached
      const value = await load(key)
      await client.set(key, value, { PX: TTL_MS })
      return value
    },
    announce: (key) => client.del(key),
    close: () => {
      client.destroy()
      return Promise.resolve()
    },
  }
}

/** What each can do beyond one process is said in its name. */
export const RACE_PEERS: readonly Contestant[] = [
  inMemory('bentocache 1.6, bus', bentocache),
  inMemory('cacheable 2.5', cacheable),
  inMemory('cache-manager 7.2', cacheManager),
  inMemory('async-cache-dedupe 3.4', dedupe),
  inMemory('lru-cache 11, one process', lruCache),
  inMemory('node-redis 6, client-side cache', nodeRedis),
]
