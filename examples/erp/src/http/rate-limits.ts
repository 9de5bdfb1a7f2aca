/**
 * How often a user may call a route: counted for all processes in Redis, and by each for itself while Redis is away.
 *
 * It guards the app against a client that runs wild, not the books: those hold whatever is asked of them.
 */

import { type Clock, systemClock, withDeadline } from '@kerp/core'
import type { Keys, RateLimitKeyParts } from '@kerp/keys'
import { Circuit, type RedisClient } from '@kerp/redis'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { RateLimitedError } from './errors.js'

/** What limits are counted with. */
export interface RateLimitsOptions {
  /** Counters may be evicted: then a user has a few calls more. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** Calls of one user, or address, on one route in a minute; 0 for any number. */
  readonly perMinute: number
  readonly clock?: Clock
}

const WINDOW_S = 60
/** A Redis that does not answer holds a request up for so long, twice; then it is left alone for a while. */
const REDIS_DEADLINE_MS = 25
const SILENCES_MAX = 2
const PAUSE_MS = 250
/** Counters of this process; at one more it begins anew. */
const OWN_KEYS_MAX = 100_000

/** Counts calls. */
export class RateLimits {
  readonly #options: RateLimitsOptions
  readonly #circuit: Circuit
  readonly #shared: RateLimiterRedis
  readonly #ownKeys = new Set<string>()
  #own: RateLimiterMemory

  constructor(options: RateLimitsOptions) {
    const { redis, clock = systemClock, perMinute } = options
    this.#options = options
    this.#circuit = new Circuit({ owner: 'rate limits', clock, failuresMax: SILENCES_MAX, openMs: PAUSE_MS })
    this.#shared = new RateLimiterRedis({
      ...windowOf(perMinute),
      storeClient: redis,
      // Whoever is over the limit costs Redis nothing more.
      inMemoryBlockOnConsumed: perMinute + 1,
      rejectIfRedisNotReady: true,
    })
    this.#own = new RateLimiterMemory(windowOf(perMinute))
  }

  /** Counts a call. @throws {RateLimitedError} `RATE_LIMITED`, retryable: one too many in this minute. */
  async admit(call: RateLimitKeyParts): Promise<void> {
    const { keys, perMinute } = this.#options
    if (perMinute === 0) return
    const key = keys.rateLimit(call)
    if (this.#circuit.admits() && (await this.#isCounted(key))) return
    await admitted(this.#ownFor(key).consume(key))
  }

  /** Whether Redis counted it. */
  async #isCounted(key: string): Promise<boolean> {
    const bounds = { operation: 'counting calls', deadlineMs: REDIS_DEADLINE_MS, outcome: 'unknown' } as const
    try {
      await admitted(withDeadline(this.#shared.consume(key), bounds))
      this.#circuit.answered()
      return true
    } catch (error) {
      if (error instanceof RateLimitedError) {
        this.#circuit.answered()
        throw error
      }
      this.#circuit.silent()
      return false
    }
  }

  #ownFor(key: string): RateLimiterMemory {
    if (this.#ownKeys.size >= OWN_KEYS_MAX) {
      this.#ownKeys.clear()
      this.#own = new RateLimiterMemory(windowOf(this.#options.perMinute))
    }
    this.#ownKeys.add(key)
    return this.#own
  }
}

function windowOf(points: number): {
  readonly points: number
  readonly duration: number
  readonly keyPrefix: ''
} {
  return { points, duration: WINDOW_S, keyPrefix: '' }
}

/** The limiter rejects with its count, which is no error, when there is nothing left. */
async function admitted(counting: Promise<RateLimiterRes>): Promise<void> {
  try {
    await counting
  } catch (thrown) {
    if (thrown instanceof RateLimiterRes) throw new RateLimitedError(thrown.msBeforeNext)
    throw thrown
  }
}
