/** What `ReadThrough` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  type Observer,
  type RandomSource,
  RecentFailures,
  SingleFlight,
  systemClock,
  systemRandom,
  wholeNumberOption,
  objectOptions,
  partOption,
} from '@kerp/core'
import { type Keys, type TtlPolicy, ttlPolicy } from '@kerp/keys'
import { Circuit, type RedisClient, redisClientOption } from '@kerp/redis'
import { InvalidationMemory } from './invalidation-memory.js'
import { LoadGate } from './load-gate.js'
import type { LoadOutcome } from './load-outcome.js'

/** Options of `ReadThrough`. */
export interface ReadThroughOptions {
  /** Never closed by this class. It may evict: an entry or a generation that is gone is a miss. */
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** How long values of each type are kept. @defaultValue ttlPolicy() */
  readonly ttl?: TtlPolicy | undefined
  /** From the call of a read to its end, in ms. @defaultValue 25_000 */
  readonly readDeadlineMs?: number | undefined
  /** The longest that one load may take, in ms; its signal aborts then. @defaultValue 10_000 */
  readonly loadDeadlineMs?: number | undefined
  /** How long a read waits for a load of another process before it loads for itself, in ms. @defaultValue 10_000 */
  readonly waitMs?: number | undefined
  /** How long the right to load outlives the process that has it, in ms; it is renewed while the load runs. @defaultValue 3_000 */
  readonly leaseMs?: number | undefined
  /** How long a value whose load failed is not loaded again, in all processes, in ms. @defaultValue 1_000 */
  readonly backoffMs?: number | undefined
  /** The longest that a read waits for one answer of Redis, in ms. @defaultValue 25 */
  readonly redisDeadlineMs?: number | undefined
  /** The longest that an invalidation waits for Redis, in ms. @defaultValue 1_000 */
  readonly invalidateDeadlineMs?: number | undefined
  /** Answers of Redis in a row that did not come in time before reads stop asking it. @defaultValue 2 */
  readonly silencesMax?: number | undefined
  /** How long reads then go to the loaders alone, before one asks Redis again, in ms. @defaultValue 250 */
  readonly silencePauseMs?: number | undefined
  /** Loads at once, over all types. @defaultValue 32 */
  readonly loadsMax?: number | undefined
  /** Loads that wait for their turn; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly waitingLoadsMax?: number | undefined
}

/** The options with every choice made, and the parts that all types share. */
export interface ReadThroughParts {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly clock: Clock
  readonly random: RandomSource
  readonly ttl: TtlPolicy
  readonly circuit: Circuit
  readonly gate: LoadGate
  readonly flights: SingleFlight<LoadOutcome>
  readonly failures: RecentFailures
  readonly memory: InvalidationMemory
  readonly readDeadlineMs: number
  readonly loadDeadlineMs: number
  readonly waitMs: number
  readonly leaseMs: number
  readonly backoffMs: number
  readonly redisDeadlineMs: number
  readonly invalidateDeadlineMs: number
  /** Names the next load, for ever: a counter that Redis kept would repeat after a failover. */
  readonly nextToken: () => string
}

/**
 * Checks the options and makes the parts; no I/O.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function resolveReadThroughOptions(options: ReadThroughOptions): ReadThroughParts {
  objectOptions('ReadThrough', options)
  const whole = (name: keyof ReadThroughOptions, fallback: number, min = 1): number =>
    wholeNumberOption('ReadThrough', name, options[name], { min, max: 86_400_000, fallback })
  const redis = redisClientOption('ReadThrough', options.redis)
  const clock = options.clock ?? systemClock
  const random = options.random ?? systemRandom
  const processId = random.hex(8)
  const [loadsMax, waitingLoadsMax] = [whole('loadsMax', 32), whole('waitingLoadsMax', 10_000, 0)]
  const flights = new SingleFlight<LoadOutcome>('ReadThrough', loadsMax + waitingLoadsMax)
  let loads = 0
  return Object.freeze({
    redis,
    keys: partOption('ReadThrough', 'keys', options.keys, { methods: ['cached'], words: '`createKeys()`' }),
    observer: observerOfPart(options.observer),
    clock,
    random,
    ttl: options.ttl ?? ttlPolicy(),
    circuit: new Circuit({
      owner: 'ReadThrough',
      clock,
      failuresMax: whole('silencesMax', 2),
      openMs: whole('silencePauseMs', 250),
    }),
    gate: new LoadGate(loadsMax, waitingLoadsMax),
    flights,
    failures: new RecentFailures(clock),
    memory: InvalidationMemory.of(redis),
    readDeadlineMs: whole('readDeadlineMs', 25_000),
    loadDeadlineMs: whole('loadDeadlineMs', 10_000),
    waitMs: whole('waitMs', 10_000, 0),
    leaseMs: whole('leaseMs', 3_000, 10),
    backoffMs: whole('backoffMs', 1_000, 0),
    redisDeadlineMs: whole('redisDeadlineMs', 25),
    invalidateDeadlineMs: whole('invalidateDeadlineMs', 1_000),
    nextToken: () => {
      loads += 1
      return `${processId}:${loads}`
    },
  })
}
