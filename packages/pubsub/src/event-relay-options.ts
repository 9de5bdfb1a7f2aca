/** What `EventRelay` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  type Complete,
  type EventSinks,
  type EventSource,
  objectOptions,
  type Observer,
  partOption,
  type RandomSource,
  systemClock,
  systemRandom,
  textOption,
  wholeNumberOption,
} from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, redisClientOption } from '@kerp/redis'
import { checkEventParts } from './event-map.js'
import { resolveSharded, type ShardedOption } from './sharded.js'

/** Options of `EventRelay`. */
export interface EventRelayOptions extends ShardedOption {
  /** Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** The database's log of events, which also remembers how far it was published. */
  readonly source: EventSource & EventSinks
  /** Under which name the log remembers that; one per Redis that is published to. @defaultValue 'redis' */
  readonly sink?: string | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** How often the log is looked at when nothing wakes the relay, in ms. @defaultValue 100 */
  readonly pollMs?: number | undefined
  /** How often the watermark of every company is compared with the log, in ms. @defaultValue 1_000 */
  readonly checkMs?: number | undefined
  /** The shortest time from one turn to the next that a wake-up asks for, in ms. @defaultValue 5 */
  readonly wakeGapMs?: number | undefined
  /** Changes numbered at once. From 1 to 10,000. @defaultValue 1_000 */
  readonly advanceMax?: number | undefined
  /** Events of one company read at once. From 1 to 1,000. @defaultValue 500 */
  readonly pageEvents?: number | undefined
  /** Companies that are published at once. @defaultValue 16 */
  readonly concurrency?: number | undefined
  /** The longest wait for one answer of Redis, in ms. @defaultValue 1_000 */
  readonly redisDeadlineMs?: number | undefined
  /** The longest wait for one answer of the log, in ms. @defaultValue 5_000 */
  readonly sourceDeadlineMs?: number | undefined
  /** The longest pause after a turn that failed, in ms; the first is a fortieth of it. @defaultValue 2_000 */
  readonly backoffMsMax?: number | undefined
}

/** The options with every choice made. */
export type EventRelayParts = Complete<EventRelayOptions>

const SINK = /^[a-z0-9][a-z0-9._-]{0,62}$/

/**
 * Checks the options; no I/O.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function resolveEventRelayOptions(options: EventRelayOptions): EventRelayParts {
  objectOptions('EventRelay', options)
  checkEventParts('EventRelay', options, false)
  const whole = (name: keyof EventRelayOptions, fallback: number, max = 3_600_000): number =>
    wholeNumberOption('EventRelay', name, options[name], { min: 1, max, fallback })
  const rule = { pattern: SINK, words: 'up to 63 of a-z 0-9 . _ -', fallback: 'redis' }
  const methods = ['advance', 'read', 'onWake', 'reached', 'positions']
  return Object.freeze({
    redis: redisClientOption('EventRelay', options.redis),
    keys: options.keys,
    source: partOption('EventRelay', 'source', options.source, { methods, words: 'the log of events' }),
    sink: textOption('EventRelay', 'sink', options.sink, rule),
    observer: observerOfPart(options.observer),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    sharded: resolveSharded('EventRelay', options.redis, options.sharded),
    pollMs: whole('pollMs', 100),
    checkMs: whole('checkMs', 1_000),
    wakeGapMs: whole('wakeGapMs', 5),
    advanceMax: whole('advanceMax', 1_000, 10_000),
    pageEvents: whole('pageEvents', 500, 1_000),
    concurrency: whole('concurrency', 16, 1_024),
    redisDeadlineMs: whole('redisDeadlineMs', 1_000),
    sourceDeadlineMs: whole('sourceDeadlineMs', 5_000),
    backoffMsMax: whole('backoffMsMax', 2_000),
  })
}
