/** What `OutboxRelay` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  type Observer,
  type OutboxSource,
  type RandomSource,
  systemClock,
  systemRandom,
  wholeNumberOption,
  objectOptions,
  partOption,
} from '@kerp/core'
import { type Keys, type TtlPolicy, ttlPolicy } from '@kerp/keys'
import { type RedisClient, redisClientOption } from '@kerp/redis'

/** Options of `OutboxRelay`. */
export interface OutboxRelayOptions {
  /** Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** Committed changes in order: `Outbox` of `@kerp/postgres`, or the host's own. */
  readonly outbox: OutboxSource
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** How long registers stay after a change. @defaultValue ttlPolicy() */
  readonly ttl?: TtlPolicy | undefined
  /** How often the outbox is looked at when nothing wakes the relay, in ms. @defaultValue 100 */
  readonly pollMs?: number | undefined
  /** How often the watermark of every company is checked and moved, changed or not, in ms. @defaultValue 250 */
  readonly heartbeatMs?: number | undefined
  /** The shortest time from one pass to the next that a wake-up asks for, in ms. @defaultValue 2 */
  readonly wakeGapMs?: number | undefined
  /** Rows read at once; a longer backlog is read in pages. From 1 to 1,000. @defaultValue 1_000 */
  readonly pageRows?: number | undefined
  /** Companies that are written at once. @defaultValue 32 */
  readonly concurrency?: number | undefined
  /** The longest wait for one answer of Redis, in ms. @defaultValue 1_000 */
  readonly redisDeadlineMs?: number | undefined
  /** The longest wait for one answer of the outbox, in ms. @defaultValue 5_000 */
  readonly outboxDeadlineMs?: number | undefined
  /** The longest pause after a pass that failed, in ms; the first is a fortieth of it. @defaultValue 2_000 */
  readonly backoffMsMax?: number | undefined
}

/** The options with every choice made. */
export interface RelayParts {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly outbox: OutboxSource
  readonly observer: Observer
  readonly clock: Clock
  readonly random: RandomSource
  readonly ttl: TtlPolicy
  readonly pollMs: number
  readonly heartbeatMs: number
  readonly wakeGapMs: number
  readonly pageRows: number
  readonly concurrency: number
  readonly redisDeadlineMs: number
  readonly outboxDeadlineMs: number
  readonly backoffMsMax: number
}

/** A page is one script call for a company that wrote all of it. */
const PAGE_ROWS_MAX = 1_000

/**
 * Checks the options; no I/O.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function resolveRelayOptions(options: OutboxRelayOptions): RelayParts {
  objectOptions('OutboxRelay', options)
  const whole = (name: keyof OutboxRelayOptions, fallback: number, max = 3_600_000): number =>
    wholeNumberOption('OutboxRelay', name, options[name], { min: 1, max, fallback })
  return Object.freeze({
    redis: redisClientOption('OutboxRelay', options.redis),
    keys: partOption('OutboxRelay', 'keys', options.keys, {
      methods: ['watermark'],
      words: '`createKeys()`',
    }),
    outbox: partOption('OutboxRelay', 'outbox', options.outbox, {
      methods: ['tick', 'page'],
      words: 'the outbox',
    }),
    observer: observerOfPart(options.observer),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    ttl: options.ttl ?? ttlPolicy(),
    pollMs: whole('pollMs', 100),
    heartbeatMs: whole('heartbeatMs', 250),
    wakeGapMs: whole('wakeGapMs', 2),
    pageRows: whole('pageRows', PAGE_ROWS_MAX, PAGE_ROWS_MAX),
    concurrency: whole('concurrency', 32, 1_024),
    redisDeadlineMs: whole('redisDeadlineMs', 1_000),
    outboxDeadlineMs: whole('outboxDeadlineMs', 5_000),
    backoffMsMax: whole('backoffMsMax', 2_000),
  })
}
