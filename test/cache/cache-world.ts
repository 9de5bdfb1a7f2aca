/** What a test of the read-through cache works in: a fresh company, a table in memory, and a Redis that others share. */

import { type CacheDefinition, type CachedValues, ReadThrough, type ReadThroughOptions } from '@kerp/cache'
import type { StandardSchema } from '@kerp/core'
import { type RecordingObserver, recordingObserver } from '@kerp/core/testing'
import { createKeys, type Key, type Keys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import { freshCompany } from '../support/fresh-company.js'

/** A busy machine is no fault here. */
const PATIENT = {
  redisDeadlineMs: 60_000,
  invalidateDeadlineMs: 60_000,
  readDeadlineMs: 60_000,
  loadDeadlineMs: 60_000,
  waitMs: 60_000,
  leaseMs: 60_000,
} as const

export interface Item {
  readonly name: string
  readonly price: bigint
}

export interface ItemRef {
  readonly companyId: string
  readonly id: string
}

/** As a validator of the service would be; `price` travels as text. */
const itemSchema: StandardSchema<Item> = {
  '~standard': {
    version: 1,
    vendor: 'tests',
    validate(value) {
      const { name, price } = Object(value) as Partial<Record<keyof Item, unknown>>
      if (typeof name !== 'string' || typeof price !== 'string' || !/^-?\d+$/.test(price)) {
        return { issues: [{ message: 'not an item' }] }
      }
      return { value: { name, price: BigInt(price) } }
    },
  },
}

/** A load that is held back until it is told what to do. */
export interface HeldLoad {
  readonly id: string
  readonly signal: AbortSignal
  release(): void
  fail(error: Error): void
}

export class CacheWorld {
  readonly companyId = freshCompany()
  readonly keys: Keys = createKeys()
  readonly observer: RecordingObserver = recordingObserver()
  /** The table that is cached. */
  readonly rows = new Map<string, Item>()
  /** Which rows were loaded, in order; those of one call joined by commas. */
  readonly loads: string[] = []
  /** While true, a load reads its row and is then held back. */
  holding = false
  readonly held: HeldLoad[] = []
  /** What loads throw. */
  failure: Error | undefined
  /** What loads of several rows refuse single ones with. */
  readonly refused = new Map<string, Error>()
  readonly cache: ReadThrough
  readonly items: CachedValues<ItemRef, Item>

  constructor(readonly redis: RedisClient) {
    this.cache = this.newCache()
    this.items = this.define(this.cache)
  }

  /** As another process would hold it. */
  newCache(options: Partial<ReadThroughOptions> = {}): ReadThrough {
    const { redis, keys, observer } = this
    return new ReadThrough({ redis, keys, observer, ...PATIENT, ...options })
  }

  /** A type whose values are loaded several at once only. */
  defineMany(
    cache: ReadThrough,
    options: Partial<CacheDefinition<ItemRef, Item>> = {},
  ): CachedValues<ItemRef, Item> {
    return cache.define<ItemRef, Item>({
      ...this.#definition(),
      loadMany: (refs, { signal }) => this.#loadMany(refs, signal),
      ...options,
    })
  }

  define(
    cache: ReadThrough,
    options: Partial<CacheDefinition<ItemRef, Item>> = {},
  ): CachedValues<ItemRef, Item> {
    return cache.define<ItemRef, Item>({
      ...this.#definition(),
      load: ({ id }, { signal }) => this.#load(id, signal),
      ...options,
    })
  }

  ref(id: string): ItemRef {
    return { companyId: this.companyId, id }
  }

  refs(...ids: readonly string[]): readonly ItemRef[] {
    return ids.map((id) => this.ref(id))
  }

  put(id: string, price: bigint): Item {
    const item = { name: `item ${id}`, price }
    this.rows.set(id, item)
    return item
  }

  /** The price of an item as the cache shows it. */
  async price(id: string, from: CachedValues<ItemRef, Item> = this.items): Promise<bigint | undefined> {
    return (await from.get(this.ref(id)))?.price
  }

  keyOf(id: string): Key {
    return this.items.keyOf(this.ref(id))
  }

  raw(id: string): Promise<string | null> {
    return this.redis.get(this.keyOf(id))
  }

  lease(id: string): Promise<string | null> {
    return this.redis.get(this.keys.lease(this.keyOf(id)))
  }

  /** As if a process loaded the value, and were never heard of again. */
  async leaseElsewhere(id: string, forMs: number): Promise<void> {
    this.holding = true
    const other = this.define(this.newCache({ loadDeadlineMs: 120_000 }))
    other.get(this.ref(id)).catch(() => undefined)
    await until(async () => (await this.lease(id)) !== null && this.held.length > 0)
    await this.redis.pexpire(this.keys.lease(this.keyOf(id)), forMs)
    this.holding = false
    this.loads.length = 0
  }

  /** How reads were answered so far. */
  results(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { result, count } of this.observer.of('cacheRequest')) {
      counts[String(result)] = (counts[String(result)] ?? 0) + Number(count)
    }
    return counts
  }

  refusals(): readonly unknown[] {
    return this.observer.of('cacheRefusal').map(({ reason }) => reason)
  }

  #definition(): Pick<CacheDefinition<ItemRef, Item>, 'type' | 'key' | 'tags' | 'schema'> {
    return {
      type: 'master_data',
      key: ({ companyId, id }) => this.keys.cached({ companyId, type: 'item', id }),
      tags: ({ id }) => ['items', `group:${id.slice(0, 1)}`],
      schema: itemSchema,
    }
  }

  /** Is held back as one load. */
  async #loadMany(
    refs: readonly ItemRef[],
    signal: AbortSignal,
  ): Promise<readonly (Item | Error | undefined)[]> {
    const ids = refs.map(({ id }) => id)
    await this.#load(ids.join(), signal)
    return ids.map((id) => this.refused.get(id) ?? this.rows.get(id))
  }

  async #load(id: string, signal: AbortSignal): Promise<Item | undefined> {
    this.loads.push(id)
    const row = this.rows.get(id)
    if (this.holding) {
      await new Promise<void>((resolve, reject) => {
        this.held.push({ id, signal, release: resolve, fail: reject })
      })
    }
    if (this.failure !== undefined) throw this.failure
    return row
  }
}

/** How a process reaches Redis. */
export interface Line {
  /** What is sent from now on fails, or is answered again. */
  isCut: boolean
}

const COMMANDS = new Set(['evalsha', 'eval', 'mget', 'mgetBuffer', 'call', 'sendCommand', 'del'])

/** A client in front of another, as another process has it. */
export function ownClient(redis: RedisClient): { readonly redis: RedisClient; readonly line: Line } {
  const line: Line = { isCut: false }
  const wrapped = new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (!line.isCut || !COMMANDS.has(String(name))) return Reflect.apply(value, target, args)
        return Promise.reject(new Error('Connection is closed.'))
      }
    },
  })
  return { redis: wrapped, line }
}

const READY_MS = 20_000

/** Lets everything that is ready run, until `ready` says true. */
export async function until(ready: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + READY_MS
  while (performance.now() < endMs) {
    if (await ready()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new RangeError('it did not happen')
}
