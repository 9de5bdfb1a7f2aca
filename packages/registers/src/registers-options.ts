/** What `Registers` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  type Observer,
  type RandomSource,
  type RegisterSource,
  systemClock,
  systemRandom,
  wholeNumberOption,
  objectOptions,
  partOption,
} from '@kerp/core'
import { type Keys, type TtlPolicy, ttlPolicy } from '@kerp/keys'
import { Circuit, readMany, type RedisClient, redisClientOption, RedisRefusedError } from '@kerp/redis'
import { LocalTier } from './local-tier.js'
import { type LocalTierOptions, resolveLocalTierOptions } from './local-tier-options.js'
import { OwnEpoch } from './own-epoch.js'
import { OwnWrites } from './own-writes.js'
import { RegisterLoader } from './register-loader.js'

/** Options of `Registers`. */
export interface RegistersOptions {
  /** Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** The database: where registers are loaded from, and who answers when Redis cannot. */
  readonly source: RegisterSource
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** How long registers stay without being written. Frees memory; nothing depends on it. @defaultValue ttlPolicy() */
  readonly ttl?: TtlPolicy | undefined
  /**
   * How long a missing register is reserved for a process that loads it and is then never heard of again, in ms. It is
   * renewed as long as the load runs. @defaultValue 1_000
   */
  readonly leaseMs?: number | undefined
  /**
   * How long a read waits for a load of another process before it asks the database itself, in ms. What it waits for is
   * alive, or loses its lease. @defaultValue three fifths of `readDeadlineMs`, so that there is time to load
   */
  readonly waitMs?: number | undefined
  /** From the call of a read to its end, in ms. @defaultValue 5_000 */
  readonly readDeadlineMs?: number | undefined
  /** The longest that a read waits for one answer of Redis, in ms. @defaultValue 25 */
  readonly redisDeadlineMs?: number | undefined
  /** The longest that `apply` and the invalidations wait for Redis, in ms. @defaultValue 250 */
  readonly applyDeadlineMs?: number | undefined
  /** Answers of Redis in a row that did not come in time before reads stop asking it. @defaultValue 1 */
  readonly silencesMax?: number | undefined
  /**
   * Reads then go to the database alone. Redis is asked again in the background, at once and then after jittered waits
   * of this and up to four times this, in ms. @defaultValue 250
   */
  readonly silencePauseMs?: number | undefined
  /** Statements that load missing rows at once. @defaultValue 8 */
  readonly loadsMax?: number | undefined
  /**
   * After a load that failed its rows are not loaded again for this long, less up to half of it by chance, in ms: in no
   * process, as far as Redis can say so, and else not in this one. Reads of them fail with `LOAD_BACKOFF`. 0: load at once.
   * @defaultValue 250
   */
  readonly loadBackoffMs?: number | undefined
  /** Rows that wait for such a statement; a read that would exceed it is refused with `OVERLOADED`. @defaultValue 100_000 */
  readonly waitingRowsMax?: number | undefined
  /**
   * Holds rows in this process, and bounds the age of everything that is answered from a cache. Left out: reads cost a
   * round trip, and answers of Redis are as old as the relay is behind.
   */
  readonly localTier?: LocalTierOptions | undefined
}

/** The options with every choice made, and the parts that all reads share. */
export interface RegistersParts {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly clock: Clock
  readonly random: RandomSource
  readonly ttl: TtlPolicy
  readonly loader: RegisterLoader
  readonly circuit: Circuit
  /** Undefined: there is none. */
  readonly tier: LocalTier | undefined
  readonly own: OwnWrites
  readonly ownEpoch: OwnEpoch
  readonly leaseMs: string
  readonly waitMs: number
  readonly readDeadlineMs: number
  readonly redisDeadlineMs: number
  readonly applyDeadlineMs: number
}

/** The share of a read's time in which it waits for others. */
const WAIT_SHARE = 0.6

/** Rows of one statement of the loader. */
const ROWS_PER_LOAD_MAX = 1_000

/**
 * Checks the options and makes the parts; no I/O.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function resolveRegistersOptions(options: RegistersOptions): RegistersParts {
  objectOptions('Registers', options)
  const whole = (name: keyof RegistersOptions, fallback: number, min = 1): number =>
    wholeNumberOption('Registers', name, options[name], { min, max: 86_400_000, fallback })
  const clock = options.clock ?? systemClock
  const observer = observerOfPart(options.observer)
  const readDeadlineMs = whole('readDeadlineMs', 5_000)
  const random = options.random ?? systemRandom
  const keys = partOption('Registers', 'keys', options.keys, {
    methods: ['watermark'],
    words: '`createKeys()`',
  })
  const redis = redisClientOption('Registers', options.redis)
  const redisDeadlineMs = whole('redisDeadlineMs', 25)
  const tier = options.localTier === undefined ? undefined : resolveLocalTierOptions(options.localTier)
  const own = new OwnWrites(clock, tier?.maxStalenessMs)
  const source = partOption('Registers', 'source', options.source, {
    methods: ['load'],
    words: 'a source of rows',
  })
  const ownEpoch = new OwnEpoch({ source, clock, observer, deadlineMs: readDeadlineMs })
  return Object.freeze({
    redis,
    keys,
    observer,
    clock,
    random,
    tier: tier && new LocalTier({ redis, keys, observer, clock, random }, tier, own),
    own,
    ownEpoch,
    ttl: options.ttl ?? ttlPolicy(),
    loader: new RegisterLoader({
      source: ownEpoch,
      clock,
      random,
      observer,
      backoffMs: whole('loadBackoffMs', 250, 0),
      loadsMax: whole('loadsMax', 8),
      rowsPerLoadMax: ROWS_PER_LOAD_MAX,
      waitingRowsMax: whole('waitingRowsMax', 100_000),
      loadDeadlineMs: readDeadlineMs,
    }),
    circuit: new Circuit({
      owner: 'Registers',
      clock,
      failuresMax: whole('silencesMax', 1),
      openMs: whole('silencePauseMs', 250),
      probe: () => answers(redis, keys, redisDeadlineMs),
      random,
      observer,
    }),
    leaseMs: String(whole('leaseMs', 1_000)),
    waitMs: whole('waitMs', Math.floor(readDeadlineMs * WAIT_SHARE), 0),
    readDeadlineMs,
    redisDeadlineMs,
    applyDeadlineMs: whole('applyDeadlineMs', 250),
  })
}

/** Whether Redis answers in time, if only with a refusal; on behalf of reads that do not wait for it. */
async function answers(redis: RedisClient, keys: Keys, deadlineMs: number): Promise<boolean> {
  try {
    await readMany(redis, [keys.trustProbes()], { deadlineMs })
    return true
  } catch (error) {
    return error instanceof RedisRefusedError
  }
}
