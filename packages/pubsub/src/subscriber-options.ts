/** What `Subscriber` is made of, with its bounds and their defaults. */

import {
  type Clock,
  observerOfPart,
  type EventTracing,
  objectOptions,
  type Observer,
  systemClock,
  wholeNumberOption,
} from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, redisClientOption } from '@kerp/redis'
import { checkEventParts, type EventMap, type EventSchemas } from './event-map.js'
import type { RingBounds } from './event-ring.js'
import { RingBudget } from './ring-budget.js'
import { resolveSharded, type ShardedOption } from './sharded.js'
import { TailReader } from './tail-reader.js'

/** Options of `Subscriber`. */
export interface SubscriberOptions<S extends EventSchemas> extends ShardedOption {
  /** Commands go here; the channels get one connection of their own, a duplicate. Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  /** The types of events and their schemas: `erpEvents`, or your own by `defineEvents`. */
  readonly events: EventMap<S>
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** Handlers run below the trace of who published. @defaultValue none */
  readonly tracing?: EventTracing | undefined
  /** How often the end of each company's stream is compared with what was heard, in ms. @defaultValue 1_000 */
  readonly tailMs?: number | undefined
  /** Of one call to Redis, in ms. @defaultValue 1_000 */
  readonly deadlineMs?: number | undefined
  /** The latest events of a company that are kept for its handlers. @defaultValue 5_000 */
  readonly ringEventsMax?: number | undefined
  /** Their characters. @defaultValue 8_388_608 */
  readonly ringLengthMax?: number | undefined
  /** The characters of all companies together; those that heard nothing for the longest time go. @defaultValue 268_435_456 */
  readonly ringsLengthMax?: number | undefined
  /** Events that a handler gets at once. @defaultValue 250 */
  readonly batchMax?: number | undefined
  /** Subscriptions that are open at once; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly subscriptionsMax?: number | undefined
  /** Companies that a subscription to all follows; more are left out, with a notice. @defaultValue 10_000 */
  readonly companiesMax?: number | undefined
  /** How long a company's channel stays subscribed without a subscription, in ms. @defaultValue 5_000 */
  readonly lingerMs?: number | undefined
}

/** The options with every choice made, save the events. */
export interface SubscriberParts {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly clock: Clock
  readonly tracing: EventTracing | undefined
  readonly tailMs: number
  readonly deadlineMs: number
  readonly ring: RingBounds
  readonly budget: RingBudget
  readonly tails: TailReader
  readonly sharded: boolean
  readonly batchMax: number
  readonly subscriptionsMax: number
  readonly companiesMax: number
  readonly lingerMs: number
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveSubscriberOptions<S extends EventSchemas>(
  options: SubscriberOptions<S>,
): SubscriberParts {
  objectOptions('Subscriber', options)
  checkEventParts('Subscriber', options)
  const whole = (name: keyof SubscriberOptions<S>, fallback: number, min = 1): number =>
    wholeNumberOption('Subscriber', name, options[name], { min, max: 1_000_000_000, fallback })
  const { keys } = options
  const redis = redisClientOption('Subscriber', options.redis)
  const observer = observerOfPart(options.observer)
  const deadlineMs = whole('deadlineMs', 1_000)
  return Object.freeze({
    redis,
    keys,
    observer,
    clock: options.clock ?? systemClock,
    tracing: options.tracing,
    tailMs: whole('tailMs', 1_000, 10),
    deadlineMs,
    ring: { entriesMax: whole('ringEventsMax', 5_000), lengthMax: whole('ringLengthMax', 8_388_608) },
    budget: new RingBudget(whole('ringsLengthMax', 268_435_456)),
    tails: new TailReader({ redis, keys, observer, deadlineMs }),
    sharded: resolveSharded('Subscriber', redis, options.sharded),
    batchMax: whole('batchMax', 250),
    subscriptionsMax: whole('subscriptionsMax', 10_000),
    companiesMax: whole('companiesMax', 10_000),
    lingerMs: whole('lingerMs', 5_000, 0),
  })
}
