/**
 * Invalidations that may not hold in Redis: those that it did not acknowledge, and those that it may have lost since, as a
 * failover loses the last writes and a restart may load an old dump. They are repeated until they are acknowledged, and
 * until then nothing that Redis says of the values is believed.
 */

import { flightMark, sleep, systemClock } from '@kerp/core'
import type { Key } from '@kerp/keys'
import { type RedisClient, redisCommand } from '@kerp/redis'
import { InvalidationMarks } from './invalidation-marks.js'
import type { Wanted } from './load-outcome.js'

/** Acknowledged keys that are remembered; beyond them the oldest are forgotten. */
const ACKNOWLEDGED_MAX = 10_000

/** How far back an acknowledged invalidation may have been lost, in ms. */
const MEMORY_MS = 60_000

/** Keys that are not acknowledged; beyond them each company counts as a whole, then the oldest are given up. */
export const UNACKNOWLEDGED_MAX = 10_000

/** A key and its lease, or two tags: companies of so few keys need not count as a whole. */
const FEW_KEYS = 2

/** Of one command that makes invalidations again, between two attempts, in ms, and commands at once. */
const DEADLINE_MS = 1_000
const RETRY_MS = 250
const COMMANDS_MAX = 100

/** Events of ioredis after which what was written may be gone: a new connection, another set of nodes. */
const CHANGES = ['ready', '+node', '-node']

/** What is removed by one command. */
export interface Removal {
  /** The generation of a company, which voids all of it; or a key that belongs to none. */
  readonly scope: Key
  readonly keys: readonly Key[]
}

type Doubted = Pick<Wanted<unknown>, 'scope' | 'key' | 'generationKeys'>

interface Acknowledged {
  readonly scope: Key
  readonly atMs: number
}

const memories = new WeakMap<RedisClient, InvalidationMemory>()

/** What one client invalidated, as far as Redis may not know of it. */
export class InvalidationMemory {
  /** Of all caches on the client, so that each hears of the invalidations of the others. */
  readonly marks = new InvalidationMarks(flightMark)
  /** In the order of their last removal. */
  readonly #acknowledged = new Map<Key, Acknowledged>()
  /** By scope, the oldest first: keys with the doubt that they were last named by. */
  readonly #unacknowledged = new Map<Key, Map<Key, number>>()
  readonly #redis: RedisClient
  #unacknowledgedKeys = 0
  #doubts = 0
  #givenUpAtMs = Number.NEGATIVE_INFINITY
  #isRepeating = false

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

  /** How many doubts there were: a removal that is sent now answers them, and none that comes later. */
  get doubts(): number {
    return this.#doubts
  }

  /** Redis has acknowledged a removal that was sent after so many doubts. */
  acknowledge({ scope, keys }: Removal, doubts: number): void {
    const atMs = systemClock.monotonicMs()
    for (const key of keys) {
      this.#acknowledged.delete(key)
      this.#acknowledged.set(key, { scope, atMs })
    }
    for (const key of this.#acknowledged.keys()) {
      if (this.#acknowledged.size <= ACKNOWLEDGED_MAX) break
      this.#acknowledged.delete(key)
    }
    this.#settle({ scope, keys }, doubts)
  }

  /**
   * Redis has not acknowledged a removal: it is repeated until it has. Returns whether so many wait for that that some
   * were given up, so that nothing is believed of any value until it has come to the end of its time.
   */
  doubt(removal: Removal): boolean {
    this.#add(removal)
    const isWithin = this.#keepWithinBounds()
    void this.#repeat()
    return !isWithin
  }

  /**
   * Says, whenever it is asked, whether what Redis has said since this call of a value may be answered. A value that
   * was not invalidated is gone after `lifeMs`.
   */
  trustIn(value: Doubted, lifeMs: number): () => boolean {
    const doubts = this.#doubts
    const isTrusted = !this.#isDoubtful(value, lifeMs)
    return () => isTrusted && doubts === this.#doubts
  }

  #isDoubtful({ scope, key, generationKeys }: Doubted, lifeMs: number): boolean {
    const keys = this.#unacknowledged.get(scope)
    if (keys !== undefined && [key, ...generationKeys].some((each) => keys.has(each))) return true
    return systemClock.monotonicMs() - this.#givenUpAtMs < lifeMs
  }

  #add({ scope, keys }: Removal): void {
    this.#doubts += 1
    const known = this.#unacknowledged.get(scope) ?? new Map<Key, number>()
    this.#unacknowledged.set(scope, known)
    // Where all of a company is to be voided, that voids these too.
    const named = known.has(scope) && !keys.includes(scope) ? [scope] : keys
    const before = known.size
    for (const key of named) known.set(key, this.#doubts)
    this.#unacknowledgedKeys += known.size - before
  }

  #keepWithinBounds(): boolean {
    if (this.#unacknowledgedKeys <= UNACKNOWLEDGED_MAX) return true
    for (const [scope, keys] of this.#unacknowledged) {
      if (keys.size <= FEW_KEYS) continue
      this.#unacknowledgedKeys -= keys.size - 1
      this.#unacknowledged.set(scope, new Map([[scope, this.#doubts]]))
    }
    let isWithin = true
    for (const [scope, keys] of this.#unacknowledged) {
      if (this.#unacknowledgedKeys <= UNACKNOWLEDGED_MAX) break
      this.#unacknowledgedKeys -= keys.size
      this.#unacknowledged.delete(scope)
      this.#givenUpAtMs = systemClock.monotonicMs()
      isWithin = false
    }
    return isWithin
  }

  #settle({ scope, keys }: Removal, doubts: number): void {
    const known = this.#unacknowledged.get(scope)
    if (known === undefined) return
    const before = known.size
    for (const key of keys.includes(scope) ? [...known.keys()] : keys) {
      if ((known.get(key) ?? Number.POSITIVE_INFINITY) <= doubts) known.delete(key)
    }
    this.#unacknowledgedKeys -= before - known.size
    if (known.size === 0) this.#unacknowledged.delete(scope)
  }

  /** What was acknowledged lately may be lost; what is older was on its way to every replica and dump. */
  #changed(): void {
    const oldestMs = systemClock.monotonicMs() - MEMORY_MS
    const scopes = new Map<Key, Key[]>()
    for (const [key, { scope, atMs }] of this.#acknowledged) {
      if (atMs < oldestMs) this.#acknowledged.delete(key)
      else (scopes.get(scope) ?? added(scopes, scope)).push(key)
    }
    for (const [scope, keys] of scopes) this.#add({ scope, keys })
    this.#keepWithinBounds()
    void this.#repeat()
  }

  /** Until all are acknowledged, or the client was closed. */
  async #repeat(): Promise<void> {
    if (this.#isRepeating) return
    this.#isRepeating = true
    while (this.#unacknowledged.size > 0 && this.#redis.status !== 'end') {
      const doubts = this.#doubts
      const removals = [...this.#unacknowledged].map(([scope, keys]) => ({ scope, keys: [...keys.keys()] }))
      for (let at = 0; at < removals.length; at += COMMANDS_MAX) {
        const together = removals.slice(at, at + COMMANDS_MAX)
        await Promise.all(together.map((removal) => this.#remove(removal, doubts)))
      }
      if (this.#unacknowledged.size > 0) await sleep(systemClock, RETRY_MS)
    }
    this.#isRepeating = false
  }

  #remove(removal: Removal, doubts: number): Promise<void> {
    const call = { deadlineMs: DEADLINE_MS, effect: 'idempotent' } as const
    return redisCommand(this.#redis, 'del', removal.keys, call).then(
      () => this.acknowledge(removal, doubts),
      () => undefined,
    )
  }
}

function added(scopes: Map<Key, Key[]>, scope: Key): Key[] {
  const keys: Key[] = []
  scopes.set(scope, keys)
  return keys
}
