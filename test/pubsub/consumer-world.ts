/** A durable consumer that writes down what it handles, and is closed with its test. */

import { type AnyEvent, Consumer, type ConsumerOptions, type ErpEventSchemas, erpEvents } from '@kerp/pubsub'
import type { RedisClient } from '@kerp/redis'
import { onTestFinished } from 'vitest'
import { keys } from './event-world.js'

/** Opens one and starts it. */
export function openConsumer(
  redis: RedisClient,
  companies: ConsumerOptions<ErpEventSchemas>['companies'],
  more: Partial<ConsumerOptions<ErpEventSchemas>> = {},
) {
  const handled: AnyEvent<ErpEventSchemas>[] = []
  const consumer = new Consumer({
    redis,
    keys,
    events: erpEvents,
    group: 'g',
    companies,
    pollMs: 100,
    backoffMs: 1,
    handler: (event) => Promise.resolve(void handled.push(event)),
    ...more,
  })
  onTestFinished(() => consumer.close())
  consumer.start()
  return {
    consumer,
    handled,
    idsOf: (companyId: string) =>
      handled.filter((event) => event.companyId === companyId).map(({ id }) => id),
  }
}
