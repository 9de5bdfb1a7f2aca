/** What `Publisher` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  type EventTracing,
  type IdSource,
  objectOptions,
  type Observer,
  systemClock,
  timeOrderedIds,
  wholeNumberOption,
} from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, redisClientOption } from '@kerp/redis'
import { checkEventParts, type EventMap, type EventSchemas } from './event-map.js'
import { resolveSharded, type ShardedOption, type TellCommand, tellCommand } from './sharded.js'
import type { StreamLengths } from './trim-stream.js'

/** Options of `Publisher`. */
export interface PublisherOptions<S extends EventSchemas> extends StreamLengths, ShardedOption {
  /** Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** The types of events and their schemas: `erpEvents`, or your own by `defineEvents`. */
  readonly events: EventMap<S>
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** Events carry the trace of who publishes them. @defaultValue none */
  readonly tracing?: EventTracing | undefined
  /** Ids of events that are published without one. @defaultValue timeOrderedIds() */
  readonly ids?: IdSource | undefined
  /** Of one call to Redis, and of the wait before it, in ms. @defaultValue 1_000 */
  readonly deadlineMs?: number | undefined
  /** Events that wait or are being sent; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly queueMax?: number | undefined
  /** Characters of the events that wait or are being sent. @defaultValue 16_777_216 */
  readonly queueLengthMax?: number | undefined
  /** How many ids a company's stream remembers at least, so that none is published twice. @defaultValue 10_000 */
  readonly seenMax?: number | undefined
  /** For how long it remembers them after the last event, in ms. @defaultValue 3_600_000 */
  readonly seenMs?: number | undefined
}

/** The options with every choice made. */
export interface PublisherParts<S extends EventSchemas> {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly events: EventMap<S>
  readonly observer: Observer
  readonly clock: Clock
  readonly tracing: EventTracing | undefined
  readonly ids: IdSource
  readonly deadlineMs: number
  readonly queueMax: number
  readonly queueLengthMax: number
  readonly seenMax: string
  readonly seenMs: string
  readonly keep: number
  readonly keepMax: number
  readonly tell: TellCommand
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolvePublisherOptions<S extends EventSchemas>(
  options: PublisherOptions<S>,
): PublisherParts<S> {
  objectOptions('Publisher', options)
  checkEventParts('Publisher', options)
  const whole = (name: keyof PublisherOptions<S>, fallback: number, min = 1): number =>
    wholeNumberOption('Publisher', name, options[name], { min, max: 1_000_000_000, fallback })
  const keep = whole('keep', 10_000, 100)
  const clock = options.clock ?? systemClock
  return Object.freeze({
    redis: redisClientOption('Publisher', options.redis),
    keys: options.keys,
    events: options.events,
    observer: observerOfPart(options.observer),
    clock,
    tracing: options.tracing,
    ids: options.ids ?? timeOrderedIds(clock),
    deadlineMs: whole('deadlineMs', 1_000),
    queueMax: whole('queueMax', 10_000),
    queueLengthMax: whole('queueLengthMax', 16_777_216),
    seenMax: String(whole('seenMax', 10_000)),
    seenMs: String(whole('seenMs', 3_600_000)),
    keep,
    tell: tellCommand(resolveSharded('Publisher', options.redis, options.sharded)),
    keepMax: whole('keepMax', Math.max(keep, 100_000), keep),
  })
}
