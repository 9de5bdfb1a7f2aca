/** What `Locks` and a single call take, checked at the edge. */

import {
  type Clock,
  observerOfPart,
  InvalidInputError,
  type Observer,
  oneOfOption,
  type RandomSource,
  systemClock,
  systemRandom,
  textOption,
  wholeNumberOption,
  objectOptions,
  partOption,
  objectInput,
} from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, redisClientOption } from '@kerp/redis'
import { TTL_MS_MAX, TTL_MS_MIN } from './lease.js'
import type { AcquireOptions, HeldLock } from './lock.js'

/** What every provider of locks takes. */
export interface LockDefaults {
  /** For calls that name none. @defaultValue 30_000 */
  readonly ttlMs?: number | undefined
  /** For calls that name none. @defaultValue 10_000 */
  readonly waitMs?: number | undefined
  /** For calls that name none. @defaultValue 900_000 */
  readonly maxHoldMs?: number | undefined
  /** Callers of this process that wait for one lock; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly waitersMax?: number | undefined
  /** Locks that this process holds or asks for at once; one more is refused with `OVERLOADED`. @defaultValue 100_000 */
  readonly locksMax?: number | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
}

/** What `Locks` takes. */
export interface LocksOptions extends LockDefaults {
  /** A Redis with `maxmemory-policy noeviction`. Not closed with the locks. */
  readonly redis: RedisClient
  readonly keys: Keys
  /**
   * Who this process is to others that look at the list of locks: up to 40 of `A-Z a-z 0-9 . _ -`.
   * @defaultValue none: a random id
   */
  readonly holder?: string | undefined
  /** Deadline of one call to Redis, in ms. @defaultValue 1_000 */
  readonly commandMs?: number | undefined
  /**
   * What to do when Redis may evict locks. `refuse`: no lock is granted. `warn`: an observation. A policy that
   * cannot be read is a warning in either case. @defaultValue 'refuse'
   */
  readonly eviction?: 'refuse' | 'warn' | undefined
  /** How long `close` waits for sections that run, in ms, before their signals abort. @defaultValue 5_000 */
  readonly closeMs?: number | undefined
}

/** The defaults with nothing left out. */
export interface ResolvedDefaults {
  readonly ttlMs: number
  readonly waitMs: number
  readonly maxHoldMs: number
  readonly waitersMax: number
  readonly locksMax: number
  readonly observer: Observer
  readonly clock: Clock
  readonly random: RandomSource
}

/** `LocksOptions` with nothing left out. */
export interface ResolvedLocksOptions extends ResolvedDefaults {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly holder: string
  readonly commandMs: number
  readonly eviction: 'refuse' | 'warn'
  readonly closeMs: number
}

/** One call's options with nothing left out. */
export interface ResolvedAcquire {
  readonly ttlMs: number
  readonly waitMs: number
  readonly renew: boolean
  readonly maxHoldMs: number
  readonly signal: AbortSignal | undefined
  readonly within: HeldLock | undefined
}

const TTL = { min: TTL_MS_MIN, max: TTL_MS_MAX }
const HOLDER = { pattern: /^[\w.-]{1,40}$/, words: 'up to 40 of A-Z a-z 0-9 . _ -', fallback: '' }

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveDefaults(owner: string, options: LockDefaults): ResolvedDefaults {
  const whole = (option: keyof LockDefaults, min: number, fallback: number, max?: number): number =>
    wholeNumberOption(owner, option, options[option], {
      min,
      fallback,
      ...(max === undefined ? {} : { max }),
    })
  return {
    ttlMs: wholeNumberOption(owner, 'ttlMs', options.ttlMs, { ...TTL, fallback: 30_000 }),
    waitMs: whole('waitMs', 0, 10_000, TTL_MS_MAX),
    maxHoldMs: whole('maxHoldMs', TTL_MS_MIN, 900_000, TTL_MS_MAX),
    waitersMax: whole('waitersMax', 1, 10_000),
    locksMax: whole('locksMax', 1, 100_000),
    observer: observerOfPart(options.observer),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  }
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveLocksOptions(options: LocksOptions): ResolvedLocksOptions {
  objectOptions('Locks', options)
  return {
    ...resolveDefaults('Locks', options),
    redis: redisClientOption('Locks', options.redis),
    keys: partOption('Locks', 'keys', options.keys, { methods: ['lock'], words: '`createKeys()`' }),
    holder: textOption('Locks', 'holder', options.holder, HOLDER),
    commandMs: wholeNumberOption('Locks', 'commandMs', options.commandMs, { min: 10, fallback: 1_000 }),
    eviction: oneOfOption('Locks', 'eviction', options.eviction, ['refuse', 'warn'], 'refuse'),
    closeMs: wholeNumberOption('Locks', 'closeMs', options.closeMs, { min: 0, fallback: 5_000 }),
  }
}

const NO_OPTIONS: AcquireOptions = {}

/** @throws {InvalidInputError} `INVALID_INPUT` for the first option that is wrong; nothing was asked. */
export function resolveAcquire(
  defaults: ResolvedDefaults,
  options: AcquireOptions = NO_OPTIONS,
): ResolvedAcquire {
  objectInput('options', options)
  const { ttlMs = defaults.ttlMs, waitMs = defaults.waitMs, maxHoldMs = defaults.maxHoldMs } = options
  checkTtlMs(ttlMs)
  checkWhole('waitMs', waitMs, 0)
  checkWhole('maxHoldMs', maxHoldMs, TTL_MS_MIN)
  const { renew = true, signal, within } = options
  return { ttlMs, waitMs, renew, maxHoldMs, signal, within }
}

/** @throws {InvalidInputError} `INVALID_INPUT` */
export function checkTtlMs(value: unknown): void {
  checkWhole('ttlMs', value, TTL_MS_MIN)
}

function checkWhole(field: string, value: unknown, min: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= TTL_MS_MAX) return
  throw new InvalidInputError(field, `a whole number of ms from ${min} to ${TTL_MS_MAX}`, value)
}
