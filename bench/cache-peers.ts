/** The caches that are compared: each with one server behind it, as two of its services would use it. */

import { ReadThrough } from '@kerp/cache'
import { jsonCodec } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { closeRedis, connectRedis } from '@kerp/redis'
import KeyvRedis from '@keyv/redis'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisDriver } from 'bentocache/drivers/redis'
import { createCache } from 'cache-manager'
import { Cacheable } from 'cacheable'
import { Keyv } from 'keyv'

/** One process of a service. */
export interface Instance {
  read(key: string, load: () => Promise<string>): Promise<string | undefined>
  invalidate(key: string): Promise<unknown>
  /** Everything that was read. */
  invalidateAll(): Promise<unknown>
  close(): Promise<unknown>
}

/** What is asked of a library. */
export interface OpenOptions {
  /** With its in-process tier. */
  readonly local?: boolean
  /** With its own deadlines; else slow answers on a busy machine are waited for, where that can be said. */
  readonly usualDeadlines?: boolean
}

/** A library. */
export interface Peer {
  readonly name: string
  open(url: string, options: OpenOptions): Promise<Instance>
}

const TTL_MS = 600_000
const LOCAL_MS = 60_000

const kerp: Peer = {
  name: '@kerp/cache',
  async open(url, { local = false, usualDeadlines = false }) {
    const keys = createKeys()
    const redis = await connectRedis({ url }, 5_000, {})
    const cache = new ReadThrough({ redis, keys, ...(usualDeadlines ? {} : { redisDeadlineMs: 1_000 }) })
    const loads = new Map<string, () => Promise<string>>()
    const values = cache.define<string, string>({
      type: 'report',
      key: (id) => keys.cached({ companyId: 'bench', type: 'value', id }),
      tags: () => ['all'],
      load: (id) => loads.get(id)?.() ?? Promise.resolve(id),
      codec: jsonCodec({ version: 1, check: String }),
      ...(local ? { local: { ttlMs: LOCAL_MS, entriesMax: 200_000 } } : {}),
    })
    return {
      read(key, load) {
        loads.set(key, load)
        return values.get(key)
      },
      invalidate: (key) => values.invalidate(key),
      invalidateAll: () => cache.invalidateTags('bench', ['all']),
      close: () => closeRedis(redis),
    }
  },
}

const bentocache: Peer = {
  name: 'bentocache 1.6',
  open(url, { local = false }) {
    const { hostname: host, port } = new URL(url)
    const l2 = redisDriver({ connection: { host, port: Number(port) } })
    const store = local
      ? bentostore()
          .useL1Layer(memoryDriver({ maxItems: 200_000 }))
          .useL2Layer(l2)
      : bentostore().useL2Layer(l2)
    const cache = new BentoCache({ default: 'bench', stores: { bench: store } })
    return Promise.resolve({
      read: (key, load) => cache.getOrSet({ key, ttl: TTL_MS, tags: ['all'], factory: load }),
      invalidate: (key) => cache.delete({ key }),
      invalidateAll: () => cache.deleteByTag({ tags: ['all'] }),
      close: () => cache.disconnectAll(),
    })
  },
}

const cacheable: Peer = {
  name: 'cacheable 2.5',
  open(url) {
    // It has no mode without its in-process tier.
    const cache = new Cacheable({ secondary: new Keyv({ store: new KeyvRedis(url) }), ttl: TTL_MS })
    return Promise.resolve({
      read: (key, load) => cache.getOrSet(key, load, { ttl: TTL_MS }),
      invalidate: (key) => cache.delete(key),
      invalidateAll: () => cache.clear(),
      close: () => cache.disconnect(),
    })
  },
}

const cacheManager: Peer = {
  name: 'cache-manager 7.2',
  open(url, { local = false }) {
    const remote = new Keyv({ store: new KeyvRedis(url), namespace: 'bench' })
    const cache = createCache({ stores: local ? [new Keyv(), remote] : [remote], ttl: TTL_MS })
    return Promise.resolve({
      read: (key, load) => cache.wrap(key, load, TTL_MS),
      invalidate: (key) => cache.del(key),
      invalidateAll: () => cache.clear(),
      close: () => cache.disconnect(),
    })
  },
}

/** Ours first. */
export const PEERS: readonly Peer[] = [kerp, bentocache, cacheable, cacheManager]
