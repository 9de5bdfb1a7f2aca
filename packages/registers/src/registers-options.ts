/** What `Registers` is made of, with its bounds and their defaults. */

import {
  type Clock,
  combineObservers,
  type Observer,
  type RandomSource,
  type RegisterSource,
  systemClock,
  systemRandom,
  wholeNumberOption,
} from '@kerp/core'
import { type Keys, type TtlPolicy, ttlPolicy } from '@kerp/keys'
import { Circuit, type RedisClient } from '@kerp/redis'
import { RegisterLoader } from './register-loader.js'

/** Options of `Registers`. */
export interface RegistersOptions {
  /** Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** The database: where registers are loaded from, and who answers when Redis cannot. */
  readonly source: RegisterSource
  readonly observer?: Observer
  readonly clock?: Clock
  readonly random?: RandomSource
  /** How long registers stay without being written. Frees memory; nothing depends on it. @defaultValue ttlPolicy() */
  readonly ttl?: TtlPolicy
  /** How long a missing register is reserved for who loads it, in ms. @defaultValue 3_000 */
  readonly leaseMs?: number
  /** How long a read waits for a load of another process before it asks the database itself, in ms. @defaultValue 50 */
  readonly waitMs?: number
  /** From the call of a read to its end, in ms. @defaultValue 5_000 */
  readonly readDeadlineMs?: number
  /** The longest that a read waits for one answer of Redis, in ms. @defaultValue 25 */
  readonly redisDeadlineMs?: number
  /** The longest that `apply` and the invalidations wait for Redis, in ms. @defaultValue 250 */
  readonly applyDeadlineMs?: number
  /** Answers of Redis in a row that did not come in time before reads stop asking it. @defaultValue 2 */
  readonly silencesMax?: number
  /** How long reads then go to the database alone, before one asks Redis again, in ms. @defaultValue 250 */
  readonly silencePauseMs?: number
  /** Statements that load missing rows at once. @defaultValue 8 */
  readonly loadsMax?: number
  /** Rows that wait for such a statement; a read that would exceed it is refused with `OVERLOADED`. @defaultValue 100_000 */
  readonly waitingRowsMax?: number
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
  readonly leaseMs: string
  readonly waitMs: number
  readonly readDeadlineMs: number
  readonly redisDeadlineMs: number
  readonly applyDeadlineMs: number
}

/** Rows of one statement of the loader. */
const ROWS_PER_LOAD_MAX = 1_000

/**
 * Checks the options and makes the parts; no I/O.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function resolveRegistersOptions(options: RegistersOptions): RegistersParts {
  const whole = (name: keyof RegistersOptions, fallback: number, min = 1): number =>
    wholeNumberOption('Registers', name, options[name], { min, max: 86_400_000, fallback })
  const clock = options.clock ?? systemClock
  const observer = combineObservers(options.observer)
  const readDeadlineMs = whole('readDeadlineMs', 5_000)
  return Object.freeze({
    redis: options.redis,
    keys: options.keys,
    observer,
    clock,
    random: options.random ?? systemRandom,
    ttl: options.ttl ?? ttlPolicy(),
    loader: new RegisterLoader({
      source: options.source,
      clock,
      observer,
      loadsMax: whole('loadsMax', 8),
      rowsPerLoadMax: ROWS_PER_LOAD_MAX,
      waitingRowsMax: whole('waitingRowsMax', 100_000),
      loadDeadlineMs: readDeadlineMs,
    }),
    circuit: new Circuit({
      owner: 'Registers',
      clock,
      failuresMax: whole('silencesMax', 2),
      openMs: whole('silencePauseMs', 250),
    }),
    leaseMs: String(whole('leaseMs', 3_000)),
    waitMs: whole('waitMs', 50, 0),
    readDeadlineMs,
    redisDeadlineMs: whole('redisDeadlineMs', 25),
    applyDeadlineMs: whole('applyDeadlineMs', 250),
  })
}
