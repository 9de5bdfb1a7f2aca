/**
 * Invalidations that Redis acknowledged and may have lost since: a failover loses the last writes, a restart may load an
 * old dump. What was invalidated would be there again, so whoever made an invalidation makes it again when its
 * connection, or a node of its cluster, is another than before.
 */

import { sleep, systemClock } from '@kerp/core'
import type { Key } from '@kerp/keys'
import { type RedisClient, redisCommand } from '@kerp/redis'

/** Keys that are remembered; beyond them the oldest are forgotten. */
const KEYS_MAX = 10_000

/** How far back an invalidation may have been lost, in ms. */
const MEMORY_MS = 60_000

/** Of one command that makes invalidations again, and between two attempts, in ms. */
const DEADLINE_MS = 1_000
const RETRY_MS = 250

/** Events of ioredis after which what was written may be gone: a new connection, another set of nodes. */
const CHANGES = ['ready', '+node', '-node']

interface Removed {
  /** What lies in one slot: a company, or a key that belongs to none. */
  readonly scope: string
  readonly atMs: number
}

const memories = new WeakMap<RedisClient, InvalidationMemory>()

/** What one client invalidated in the last minute. */
export class InvalidationMemory {
  /** In the order of their last removal. */
  readonly #removed = new Map<Key, Removed>()
  readonly #redis: RedisClient
  #isRepeating = false
  #changes = 0

  private constructor(redis: RedisClient) {
    this.#redis = redis
    for (const change of CHANGES) redis.on(change, () => this.#changed())
  }

  /** The memory of a client; all caches on it share it. */
  static of(redis: RedisClient): InvalidationMemory {
    const memory = memories.get(redis) ?? new InvalidationMemory(redis)
    memories.set(redis, memory)
    return memory
  }

  /** Keys of one slot whose removal Redis has acknowledged. */
  remember(scope: string, keys: readonly Key[]): void {
    const atMs = systemClock.monotonicMs()
    for (const key of keys) {
      this.#removed.delete(key)
      this.#removed.set(key, { scope, atMs })
    }
    for (const key of this.#removed.keys()) {
      if (this.#removed.size <= KEYS_MAX) return
      this.#removed.delete(key)
    }
  }

  #changed(): void {
    this.#changes += 1
    if (!this.#isRepeating) void this.#repeat()
  }

  /** Until all are acknowledged and nothing changed meanwhile, they are too old, or the client was closed. */
  async #repeat(): Promise<void> {
    this.#isRepeating = true
    while (this.#redis.status !== 'end') {
      const changes = this.#changes
      const scopes = this.#remembered()
      const removals = [...scopes.values()].map((keys) => this.#remove(keys))
      const areDone = (await Promise.all(removals)).every(Boolean)
      if (areDone && changes === this.#changes) break
      await sleep(systemClock, RETRY_MS)
    }
    this.#isRepeating = false
  }

  /** Keys by slot; what is too old to have been lost is forgotten. */
  #remembered(): ReadonlyMap<string, readonly Key[]> {
    const oldestMs = systemClock.monotonicMs() - MEMORY_MS
    const scopes = new Map<string, Key[]>()
    for (const [key, { scope, atMs }] of this.#removed) {
      if (atMs < oldestMs) this.#removed.delete(key)
      else (scopes.get(scope) ?? added(scopes, scope)).push(key)
    }
    return scopes
  }

  #remove(keys: readonly Key[]): Promise<boolean> {
    const call = { deadlineMs: DEADLINE_MS, effect: 'idempotent' } as const
    return redisCommand(this.#redis, 'del', keys, call).then(
      () => true,
      () => false,
    )
  }
}

function added(scopes: Map<string, Key[]>, scope: string): Key[] {
  const keys: Key[] = []
  scopes.set(scope, keys)
  return keys
}
