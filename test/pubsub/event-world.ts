/** What tests of events need: a publisher and a subscriber of one company, and a record of what was handed over. */

import { systemClock } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import {
  erpEvents,
  type EventBatch,
  type ErpEventSchemas,
  Publisher,
  type SubscribeFrom,
  Subscriber,
  type SubscriberOptions,
  type SubscriptionReset,
} from '@kerp/pubsub'
import type { RedisClient } from '@kerp/redis'
import { onTestFinished } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'

export const keys = createKeys()

/** How long a test waits for what must come, in ms: a machine may do other things for seconds. */
const PATIENCE_MS = 20_000

/** Waits until something holds, and says what it was when it never does. */
export async function until(words: string, holds: () => unknown, patienceMs = PATIENCE_MS): Promise<void> {
  const endMs = systemClock.monotonicMs() + patienceMs
  while (!(await holds())) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`It never came to: ${words}.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A handler that keeps what it gets. */
export class Record {
  readonly ids: string[] = []
  readonly batches: EventBatch<ErpEventSchemas>[] = []
  readonly resets: SubscriptionReset[] = []
  /** What runs before a batch counts as handled. */
  onBatch: (batch: EventBatch<ErpEventSchemas>) => unknown = () => undefined

  readonly onEvents = async (batch: EventBatch<ErpEventSchemas>): Promise<void> => {
    await this.onBatch(batch)
    this.batches.push(batch)
    for (const { id } of batch.events) this.ids.push(id)
  }

  readonly onReset = (reset: SubscriptionReset): void => void this.resets.push(reset)

  /** The ids of one company's events. */
  idsOf(companyId: string): readonly string[] {
    const own = this.batches.filter((batch) => batch.companyId === companyId)
    return own.flatMap(({ events }) => events.map(({ id }) => id))
  }

  has(count: number): Promise<void> {
    return until(`${count} events`, () => this.ids.length >= count)
  }
}

/** One company's events. */
export function eventWorld(redis: RedisClient, more: Partial<SubscriberOptions<ErpEventSchemas>> = {}) {
  const companyId = freshCompany()
  const observer = recordingObserver()
  const publisher = new Publisher({
    redis,
    keys,
    events: erpEvents,
    observer,
    deadlineMs: PATIENCE_MS,
    sharded: more.sharded ?? false,
  })
  const subscriber = new Subscriber({ redis, keys, events: erpEvents, observer, tailMs: 200, ...more })
  onTestFinished(async () => {
    await subscriber.close()
    await publisher.close()
  })
  let last = 0
  const publish = (id?: string) =>
    publisher.publish({
      companyId,
      type: 'events:notification',
      payload: { level: 'info', message: '안녕\n| hello' },
      ...(id === undefined ? {} : { id }),
    })
  return {
    companyId,
    observer,
    publisher,
    subscriber,
    publish,
    /** One that knows nothing of what was before, as in another process. */
    newSubscriber: () => {
      const another = new Subscriber({ redis, keys, events: erpEvents, observer, tailMs: 200, ...more })
      onTestFinished(() => another.close())
      return another
    },
    /** Publishes `count` events with the ids `n-1`, `n-2`, … and answers with these. */
    publishMany: async (count: number) => {
      const ids = Array.from({ length: count }, () => `n-${(last += 1)}`)
      await Promise.all(ids.map((id) => publish(id)))
      return ids
    },
    subscribe: async (from: SubscribeFrom, handlers = new Record()) => {
      const subscription = subscriber.subscribe({ companyId, from }, handlers)
      await subscription.started
      return { record: handlers, subscription }
    },
  }
}
