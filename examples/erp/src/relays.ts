/**
 * What brings committed changes out of the database: rows into the registers, events into the streams and to listeners;
 * and what compares the registers with the rows, for ever.
 */

import type { Observer, RegisterSource } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type DatabasePool, EventLog, type Outbox, Retention } from '@kerp/postgres'
import { erpEvents, type ErpEventSchemas, EventRelay, Subscriber } from '@kerp/pubsub'
import { OutboxRelay, RegisterSampler, type Registers } from '@kerp/registers'
import type { Opened, RedisPart } from './parts.js'
import type { Tracing } from './tracing.js'

/** What relays are made of. */
export interface RelaysOptions {
  readonly pool: DatabasePool
  readonly redis: RedisPart
  readonly keys: Keys
  readonly outbox: Outbox
  readonly observer: Observer
  readonly tracing: Tracing
  readonly registers: Registers
  readonly source: RegisterSource
}

/** Both relays, the log that one of them reads, and how this process hears events. */
export interface Relays {
  readonly relay: OutboxRelay
  readonly eventRelay: EventRelay
  readonly eventLog: EventLog
  readonly subscriber: Subscriber<ErpEventSchemas>
  /** As soon as the database has its schema. */
  readonly start: () => void
}

/** A Redis that is back is in use again within about this time. */
const BACKOFF_MS_MAX = 500

/** Events stay where nothing is evicted; figures may be cached elsewhere. */
export function openRelays(
  { pool, redis, keys, outbox, observer, tracing, registers, source }: RelaysOptions,
  opened: Opened,
): Relays {
  const shared = { keys, observer, backoffMsMax: BACKOFF_MS_MAX }
  const eventLog = new EventLog({ pool, observer, ...tracing.ofEvents })
  const relay = opened(new OutboxRelay({ ...shared, redis: redis.client, outbox }))
  const eventRelay = opened(new EventRelay({ ...shared, redis: redis.coordination, source: eventLog }))
  const listening = { redis: redis.coordination, keys, events: erpEvents, observer, ...tracing.ofEvents }
  const subscriber = opened(new Subscriber(listening))
  const retention = opened(new Retention({ outbox, eventLog, observer }))
  const sampler = opened(new RegisterSampler({ registers, source, invalidations: outbox, observer }))
  const start = (): void => {
    relay.start()
    eventRelay.start()
    retention.start()
    sampler.start()
  }
  return { relay, eventRelay, eventLog, subscriber, start }
}
