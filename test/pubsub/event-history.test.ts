import { createKeys } from '@kerp/keys'
import { erpEvents, EventRelay, type EventRelayOptions, Publisher, Subscriber } from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { Record } from './event-world.js'
import { MemoryEventLog } from './memory-event-log.js'

const keys = createKeys()

function world(more: Partial<EventRelayOptions> = {}) {
  const redis = mockRedis()
  const source = new MemoryEventLog()
  const companyId = freshCompany()
  const relay = new EventRelay({ redis, keys, source, ...more })
  const publisher = new Publisher({ redis, keys, events: erpEvents })
  const subscriber = new Subscriber({ redis, keys, events: erpEvents, tailMs: 20 })
  onTestFinished(async () => {
    await subscriber.close()
    await publisher.close()
    await relay.close()
  })
  return {
    redis,
    source,
    companyId,
    publish: (id: string) =>
      publisher.publish({ companyId, type: 'events:voucher:approved', payload: { id: 'V' }, id }),
    commit: async (count: number) => {
      source.commit(companyId, count)
      while (!(await relay.tick()).ok);
    },
    subscribe: async (from: 'now' | 'beginning') => {
      const record = new Record()
      const subscription = subscriber.subscribe({ companyId, from }, record)
      await subscription.started
      return record
    },
  }
}

const told = ({ batches }: Record): readonly (readonly [string, string | undefined, string | undefined])[] =>
  batches.flatMap(({ history, events }) => events.map(({ id, position }) => [id, position, history] as const))

describe('a subscriber', () => {
  it.each([['now'], ['beginning']] as const)(
    'from %s knows events of the log by their positions, and the history that these belong to',
    async (from) => {
      const { source, companyId, commit, publish, subscribe } = world()
      if (from === 'now') await commit(2)
      const record = await subscribe(from)
      if (from === 'beginning') await commit(2)
      await publish('3')
      await publish('20261201')
      await commit(2)
      await record.has(from === 'now' ? 4 : 6)
      source.goBack(companyId, 3, 'e2')
      await commit(2)
      // The log remembers that two were published: what is behind them comes again.
      await record.has(from === 'now' ? 7 : 9)
      expect(told(record).slice(-7)).toEqual([
        ['3', undefined, 'e1'],
        ['20261201', undefined, 'e1'],
        ['3', '3', 'e1'],
        ['4', '4', 'e1'],
        ['3', '3', 'e2'],
        ['4', '4', 'e2'],
        ['5', '5', 'e2'],
      ])
      expect(record.resets).toHaveLength(1)
    },
  )
})
