/**
 * What a hit in the memory of the process costs in other libraries: each holds the same balances, already read.
 *
 * They answer what was stored until its time is over; none of them says how old that is, or knows of a commit.
 */

import { createCache as createDedupe } from 'async-cache-dedupe'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { createCache } from 'cache-manager'
import { Cacheable } from 'cacheable'
import { Keyv } from 'keyv'
import { LRUCache } from 'lru-cache'
import { createClient } from 'redis'

/** A balance as a service would keep it. */
export interface HeldBalance {
  readonly debit: bigint
  readonly credit: bigint
}

/** A library that holds balances by their keys. */
export interface HeldPeer {
  readonly name: string
  hold(key: string, balance: HeldBalance): unknown
  /** A promise, except where the library has a synchronous way. */
  read(key: string): unknown
  /** Of those that hold a connection. */
  close?(): void
}

const TTL_MS = 3_600_000
const ENTRIES_MAX = 20_000

function lru(): HeldPeer {
  const cache = new LRUCache<string, HeldBalance>({ max: ENTRIES_MAX, ttl: TTL_MS })
  return {
    name: 'lru-cache 11 (bare floor)',
    hold: (key, balance) => cache.set(key, balance),
    read: (key) => cache.get(key),
  }
}

function asyncCacheDedupe(): HeldPeer {
  const held = new Map<string, HeldBalance>()
  const cache = createDedupe({
    ttl: TTL_MS / 1_000,
    storage: { type: 'memory', options: { size: ENTRIES_MAX } },
  }).define('balance', (key: string) => Promise.resolve(held.get(key)))
  return {
    name: 'async-cache-dedupe 3',
    hold: async (key, balance) => {
      held.set(key, balance)
      await cache.balance(key)
    },
    read: (key) => cache.balance(key),
  }
}

function bentocache(): HeldPeer {
  const store = bentostore().useL1Layer(memoryDriver({ maxItems: ENTRIES_MAX, serialize: false }))
  const cache = new BentoCache({ default: 'held', stores: { held: store } })
  return {
    name: 'bentocache 1.6, memory',
    hold: (key, value) => cache.set({ key, value, ttl: TTL_MS }),
    read: (key) => cache.get({ key }),
  }
}

function cacheable(): HeldPeer {
  const cache = new Cacheable({ ttl: TTL_MS })
  return {
    name: 'cacheable 2.5, memory',
    hold: (key, balance) => cache.set(key, balance),
    read: (key) => cache.get(key),
  }
}

function cacheManager(): HeldPeer {
  // Its own default would turn each value into JSON and back.
  const store = new Keyv()
  store.serialize = undefined
  store.deserialize = undefined
  const cache = createCache({ stores: [store], ttl: TTL_MS })
  return {
    name: 'cache-manager 7.2, memory',
    hold: (key, balance) => cache.set(key, balance),
    read: (key) => cache.get(key),
  }
}

/**
 * Over RESP3, where the server tells which keys changed. It holds the text that Redis does, so that its reader has still
 * to make numbers of it.
 */
async function nodeRedis(socketPath: string): Promise<HeldPeer> {
  const client = createClient({
    socket: { path: socketPath, tls: false },
    RESP: 3,
    clientSideCache: { ttl: TTL_MS, maxEntries: ENTRIES_MAX, evictPolicy: 'LRU' },
  })
  await client.connect()
  return {
    name: 'node-redis 6, client-side cache',
    hold: async (key, { debit, credit }) => {
      await client.set(key, `${debit}|${credit}`)
      await client.get(key)
    },
    read: (key) => client.get(key),
    close: () => client.destroy(),
  }
}

/** The floor first; it checks nothing but a time. */
export async function heldPeers(socketPath: string): Promise<readonly HeldPeer[]> {
  const node = await nodeRedis(socketPath)
  return [lru(), asyncCacheDedupe(), bentocache(), cacheable(), cacheManager(), node]
}
