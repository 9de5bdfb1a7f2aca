/** What `Subscriber` is made of, with its bounds and their defaults. */

import { type Clock, combineObservers, type Observer, systemClock, wholeNumberOption } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import type { EventMap, EventSchemas } from './event-map.js'
import type { RingBounds } from './event-ring.js'

/** Options of `Subscriber`. */
export interface SubscriberOptions<S extends EventSchemas> {
  /** Commands go here; the channels get one connection of their own, a duplicate. Never closed by this class. */
  readonly redis: RedisClient
  readonly keys: Keys
  readonly events: EventMap<S>
  readonly observer?: Observer
  readonly clock?: Clock
  /** How often the end of each company's stream is compared with what was heard, in ms. @defaultValue 1_000 */
  readonly tailMs?: number
  /** Of one call to Redis, in ms. @defaultValue 1_000 */
  readonly deadlineMs?: number
  /** The latest events of a company that are kept for its handlers. @defaultValue 5_000 */
  readonly ringEventsMax?: number
  /** Their characters. @defaultValue 8_388_608 */
  readonly ringLengthMax?: number
  /** Events that a handler gets at once. @defaultValue 250 */
  readonly batchMax?: number
  /** Subscriptions that are open at once; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly subscriptionsMax?: number
  /** How long a company's channel stays subscribed without a subscription, in ms. @defaultValue 5_000 */
  readonly lingerMs?: number
}

/** The options with every choice made, save the events. */
export interface SubscriberParts {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer: Observer
  readonly clock: Clock
  readonly tailMs: number
  readonly deadlineMs: number
  readonly ring: RingBounds
  readonly batchMax: number
  readonly subscriptionsMax: number
  readonly lingerMs: number
}

/** @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveSubscriberOptions<S extends EventSchemas>(
  options: SubscriberOptions<S>,
): SubscriberParts {
  const whole = (name: keyof SubscriberOptions<S>, fallback: number, min = 1): number =>
    wholeNumberOption('Subscriber', name, options[name], { min, max: 1_000_000_000, fallback })
  return Object.freeze({
    redis: options.redis,
    keys: options.keys,
    observer: combineObservers(options.observer),
    clock: options.clock ?? systemClock,
    tailMs: whole('tailMs', 1_000, 10),
    deadlineMs: whole('deadlineMs', 1_000),
    ring: { entriesMax: whole('ringEventsMax', 5_000), lengthMax: whole('ringLengthMax', 8_388_608) },
    batchMax: whole('batchMax', 250),
    subscriptionsMax: whole('subscriptionsMax', 10_000),
    lingerMs: whole('lingerMs', 5_000, 0),
  })
}
