/**
 * Values that Redis does not hold: leased, loaded and stored by one process, waited for by the others.
 *
 * The lease is taken before the load begins and names the generations of that moment. An invalidation removes a
 * lease or a generation, so a load that may have missed what was invalidated stores nothing.
 */

import { KerpError, OverloadedError, sleep } from '@kerp/core'
import type { Key } from '@kerp/keys'
import { askRedis } from '@kerp/redis'
import type { ResolvedDefinition } from './cache-definition.js'
import { CacheBackoffError } from './errors.js'
import { leaseEntry, type LeaseReply } from './lease-entry.lua.js'
import { giveBack, keepAlive, type Lease, markFailed } from './lease-keeper.js'
import type { LoadOutcome, Wanted } from './load-outcome.js'
import type { LoadSeat } from './load-round.js'
import type { ReadThroughParts } from './read-through-options.js'
import { storeEntry, type StoreReply } from './store-entry.lua.js'
import { formatEntry, GENERATION_RANDOM_BYTES, parseEntry, tokenIn } from './stored-entry.js'
import type { Loaded } from './value-loader.js'

/** How long generations live without being used, in ms; at least twice the TTL of what is stored under them. */
const GENERATION_MS = 86_400_000

/** The most by which jitter makes a TTL longer. */
const TTL_JITTER_MAX = 1.1

/** The waits between two looks for the load of another process, in ms: doubled each time, within these. */
const LOOK_MS = 4
const LOOK_MS_MAX = 100

/** Takes leases, loads, stores and waits, for the values of one type. */
export class EntryLoads<R, T> {
  readonly #parts: ReadThroughParts
  readonly #definition: ResolvedDefinition<R, T>

  constructor(parts: ReadThroughParts, definition: ResolvedDefinition<R, T>) {
    this.#parts = parts
    this.#definition = definition
  }

  /**
   * Loads the value at its seat, or waits for who does. `refused` is the token of an entry that is not taken, or empty.
   */
  async obtain(wanted: Wanted<R>, refused: string, seat: LoadSeat<R>): Promise<LoadOutcome> {
    const { clock, memory, waitMs } = this.#parts
    const isTrusted = this.trustIn(wanted)
    if (!isTrusted()) return this.#loadInDoubt(wanted, seat)
    this.#refuseInBackoff(wanted)
    const endMs = clock.monotonicMs() + waitMs
    let notTaken = refused
    for (let look = 0; ; look += 1) {
      const lease = this.#newLease(wanted)
      const askedAt = memory.marks.now()
      const reply = await this.#lease(wanted, lease, notTaken)
      if (reply !== undefined && !isTrusted()) return this.#loadInDoubt(wanted, seat)
      if (reply?.status === 'granted') return this.#loadAndStore(wanted, { ...lease, ...reply }, seat)
      if (reply?.status === 'failed') throw new CacheBackoffError(this.#definition.type, reply.loaderCode)
      if (reply?.status === 'entry') {
        const found = await this.#usable(wanted.key, reply.text)
        if (found !== undefined) return { payload: found.payload, result: 'wait', validAt: askedAt }
        notTaken = tokenIn(reply.text)
      }
      if (reply === undefined || clock.monotonicMs() >= endMs) return this.loadAlone(wanted, seat)
      seat.leave()
      if (reply.status === 'leased') await sleep(clock, this.#lookMs(look))
    }
  }

  /** Loads the value anew while the entry with this token is still answered; does nothing if somebody else does. */
  async refresh(wanted: Wanted<R>, token: string, seat: LoadSeat<R>): Promise<LoadOutcome> {
    const lease = this.#newLease(wanted)
    const reply = await this.#lease(wanted, lease, token)
    if (reply?.status === 'granted') return this.#loadAndStore(wanted, { ...lease, ...reply }, seat)
    return { payload: undefined, result: 'wait', validAt: 0 }
  }

  /** Whether what Redis says of the value from now on may be answered; to be asked when it has said it. */
  trustIn(wanted: Wanted<R>): () => boolean {
    const { memory, ttl, loadDeadlineMs } = this.#parts
    const { type, negativeTtlMs, staleMs } = this.#definition
    const lifeMs = Math.max(TTL_JITTER_MAX * ttl.ttlMs(type), negativeTtlMs) + staleMs + loadDeadlineMs
    return memory.trustIn(wanted, lifeMs)
  }

  #refuseInBackoff({ key }: Wanted<R>): void {
    const failure = this.#parts.failures.of(key)
    if (failure === undefined) return
    throw new CacheBackoffError(this.#definition.type, codeOf(failure.error), failure.error)
  }

  #newLease(wanted: Wanted<R>): Omit<Lease, 'generations'> {
    return { key: this.#parts.keys.lease(wanted.key), token: this.#parts.nextToken() }
  }

  #lookMs(look: number): number {
    const ceilingMs = Math.min(LOOK_MS_MAX, LOOK_MS * 2 ** Math.min(look, 10))
    return ceilingMs * (0.5 + 0.5 * this.#parts.random.fraction())
  }

  #lease(
    { key, generationKeys }: Wanted<R>,
    { key: lease, token }: Omit<Lease, 'generations'>,
    refused: string,
  ): Promise<LeaseReply | undefined> {
    const { redis, random, leaseMs, redisDeadlineMs, observer } = this.#parts
    const spare = random.hex(GENERATION_RANDOM_BYTES)
    return askRedis(this.#parts, () =>
      leaseEntry.run(
        redis,
        { entry: key, lease },
        { token, leaseMs: String(leaseMs), refused, spare, keepMs: String(GENERATION_MS) },
        { moreKeys: generationKeys, deadlineMs: redisDeadlineMs, observer, effect: 'idempotent' },
      ),
    )
  }

  async #usable(key: Key, text: string): Promise<{ payload: string | undefined } | undefined> {
    const entry = parseEntry(key, text)
    if (entry?.payload === undefined) return entry
    try {
      await this.#definition.decode(entry.payload)
      return entry
    } catch {
      return undefined
    }
  }

  /** Without Redis, or because who loads for all takes too long: answered and not stored. */
  async loadAlone(wanted: Wanted<R>, seat: LoadSeat<R>): Promise<LoadOutcome> {
    this.#refuseInBackoff(wanted)
    try {
      const { payload } = await seat.load(wanted.ref)
      return { payload, result: 'bypass', validAt: Number.POSITIVE_INFINITY }
    } catch (error) {
      this.#remember(wanted, error)
      throw error
    }
  }

  /** As `loadAlone`, and not for readers who came before it ends: they ask Redis again, which may know more by then. */
  async #loadInDoubt(wanted: Wanted<R>, seat: LoadSeat<R>): Promise<LoadOutcome> {
    return { ...(await this.loadAlone(wanted, seat)), validAt: 0 }
  }

  async #loadAndStore(wanted: Wanted<R>, lease: Lease, seat: LoadSeat<R>): Promise<LoadOutcome> {
    const stop = keepAlive(this.#parts, lease)
    try {
      const loaded = await seat.load(wanted.ref)
      stop()
      const askedAt = this.#parts.memory.marks.now()
      const isStored = await this.#store(wanted, lease, loaded)
      return { payload: loaded.payload, result: 'miss', validAt: isStored ? askedAt : 0 }
    } catch (error) {
      stop()
      const forMs = this.#remember(wanted, error)
      await (forMs === 0
        ? giveBack(this.#parts, lease)
        : markFailed(this.#parts, lease, codeOf(error), forMs))
      throw error
    }
  }

  /** Keeps others from loading what just failed. Returns for how long, in ms. */
  #remember({ key }: Wanted<R>, error: unknown): number {
    const { failures, backoffMs } = this.#parts
    // A load that was not even begun has not failed.
    if (error instanceof OverloadedError) return 0
    failures.add(key, error, backoffMs)
    return backoffMs
  }

  /** Whether it was stored, so that no invalidation came in between. */
  async #store(wanted: Wanted<R>, lease: Lease, loaded: Loaded): Promise<boolean> {
    const { observer } = this.#parts
    const { type, bytesMax } = this.#definition
    const ttlMs = this.#ttlMsOf(loaded)
    const isTooLarge = loaded.payload !== undefined && Buffer.byteLength(loaded.payload) > bytesMax
    if (isTooLarge || ttlMs === 0) {
      if (isTooLarge) observer.cacheRefusal?.({ type, reason: 'size' })
      await giveBack(this.#parts, lease)
      return false
    }
    const reply = await askRedis(this.#parts, () => this.#sendEntry(wanted, lease, loaded, ttlMs))
    if (reply === 'lost' || reply === 'superseded') observer.cacheRefusal?.({ type, reason: 'superseded' })
    return reply === 'stored'
  }

  #ttlMsOf({ payload }: Loaded): number {
    const { ttl, random } = this.#parts
    const { type, jitter, staleMs, negativeTtlMs } = this.#definition
    if (payload === undefined) return negativeTtlMs
    return (jitter ? ttl.jitteredTtlMs(type, random) : ttl.ttlMs(type)) + staleMs
  }

  #sendEntry(
    { key, generationKeys }: Wanted<R>,
    { key: lease, token, generations }: Lease,
    { payload, elapsedMs }: Loaded,
    ttlMs: number,
  ): Promise<StoreReply> {
    const { redis, redisDeadlineMs, observer } = this.#parts
    const text = formatEntry(key, { token, loadMs: Math.ceil(elapsedMs), payload, generations })
    const leastMs = Math.max(ttlMs, GENERATION_MS / 2)
    return storeEntry.run(
      redis,
      { entry: key, lease },
      {
        token,
        generations,
        text,
        ttlMs: String(ttlMs),
        leastMs: String(leastMs),
        keepMs: String(2 * leastMs),
      },
      { moreKeys: generationKeys, deadlineMs: redisDeadlineMs, observer, effect: 'idempotent' },
    )
  }
}

const CODE = /^[A-Z][A-Z\d_]{0,63}$/

function codeOf(error: unknown): string {
  return error instanceof KerpError && CODE.test(error.code) ? error.code : 'UNEXPECTED'
}
