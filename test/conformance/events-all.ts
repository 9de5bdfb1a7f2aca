import { ClosedError, InvalidInputError } from '@kerp/core'
import { createKeys, InvalidKeyError } from '@kerp/keys'
import { erpEvents, type ErpEventSchemas, Publisher, Subscriber, type SubscriberOptions } from '@kerp/pubsub'
import { recordingObserver } from '@kerp/core/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Record, until } from '../pubsub/event-world.js'
import { freshCompany } from '../support/fresh-company.js'
import type { Backend } from './backend.js'

/** Subscribing to all companies; each test in a namespace of its own, for others publish on the same server. */
export function allEventsConform(backend: Backend): void {
  function open(more: Partial<SubscriberOptions<ErpEventSchemas>> = {}) {
    const redis = backend.client()
    const keys = createKeys({ namespace: freshCompany() })
    const observer = recordingObserver()
    const newPublisher = () => {
      const publisher = new Publisher({ redis, keys, events: erpEvents })
      onTestFinished(() => publisher.close())
      return publisher
    }
    const newSubscriber = () => {
      const another = new Subscriber({ redis, keys, events: erpEvents, observer, tailMs: 100, ...more })
      onTestFinished(() => another.close())
      return another
    }
    const publisher = newPublisher()
    const publish = async (companyId: string, count: number, by = publisher) => {
      const payload = { level: 'info', message: 'x' } as const
      const events = Array.from({ length: count }, () => ({
        companyId,
        type: 'events:notification' as const,
        payload,
      }))
      return (await by.publishMany(events)).map(({ id }) => id)
    }
    const subscriber = newSubscriber()
    return { redis, keys, observer, publish, newPublisher, subscriber, newSubscriber }
  }

  describe('a subscription to all companies', () => {
    it('gets the events of those that are there and of those that come later, each company once and in order', async () => {
      const { publish, subscriber } = open()
      await publish('old', 3)
      const record = new Record()
      await subscriber.subscribeAll({ from: 'now' }, record).started
      const [old, young] = [await publish('old', 200), await publish('young', 200)]
      await record.has(400)
      expect([record.idsOf('old'), record.idsOf('young')]).toEqual([old, young])
      expect(record.resets).toEqual([])
    })

    it('finds a company whose registration and first events were told to nobody', async () => {
      const { redis, keys, publish, subscriber } = open()
      const record = new Record()
      await publish('known', 1)
      await subscriber.subscribeAll({ from: 'now' }, record).started
      // As the scripts write it, without their messages.
      await redis.sadd(keys.eventsCompanies(), 'quiet')
      await redis.xadd(keys.eventsCompanyList(), '*', 'e', 'quiet|')
      const stream = keys.eventsStream('quiet')
      await redis.xadd(stream, '1-0', 'e', '@start|')
      const payload = JSON.stringify({ level: 'info', message: 'x' })
      await redis.xadd(stream, '1-1', 'e', `q-1|events:notification|2026-01-01T00:00:00.000Z||${payload}`)
      await redis.set(keys.eventsWatermark('quiet'), 'e1|||1-1|q-1')
      await record.has(1)
      const more = await publish('quiet', 2)
      await record.has(3)
      expect(record.idsOf('quiet')).toEqual(['q-1', ...more])
      expect(record.resets).toEqual([])
    })

    it('goes on from the positions of another, and from the first event of companies that came meanwhile', async () => {
      const { publish, subscriber, newSubscriber } = open()
      const record = new Record()
      const first = subscriber.subscribeAll({ from: 'now' }, record)
      await first.started
      await publish('a', 5)
      await publish('b', 5)
      await record.has(10)
      await first.close()
      const { positions } = first
      expect([...positions.keys()].sort()).toEqual(['a', 'b'])
      const missed = [await publish('a', 5), await publish('b', 600), await publish('c', 5)]
      const resumed = new Record()
      await newSubscriber().subscribeAll({ from: positions }, resumed).started
      await resumed.has(610)
      expect(['a', 'b', 'c'].map((company) => resumed.idsOf(company))).toEqual(missed)
      expect(resumed.resets).toEqual([])
    })

    it('from the beginning gets all that is kept; a company whose beginning is gone is reset, and no other', async () => {
      const { redis, keys, publish, subscriber, newSubscriber } = open()
      const all = [await publish('a', 20), await publish('b', 20)]
      const record = new Record()
      subscriber.subscribeAll({ from: 'beginning' }, record)
      await record.has(40)
      expect([record.idsOf('a'), record.idsOf('b')]).toEqual(all)
      await redis.xtrim(keys.eventsStream('a'), 'MAXLEN', 5)
      const late = new Record()
      const empty = newSubscriber().subscribeAll({ from: new Map() }, late)
      await empty.started
      await until('a reset', () => late.resets.length > 0)
      await until('the other company', () => late.idsOf('b').length === 20)
      expect(late.resets).toMatchObject([{ companyId: 'a', reason: 'trimmed' }])
      const next = await publish('a', 1)
      await until('the next event', () => late.idsOf('a').length === 1)
      expect(late.idsOf('a')).toEqual(next)
    })

    it('finds companies again in a list that was lost, when they publish', async () => {
      const { redis, keys, publish, newPublisher, newSubscriber } = open()
      await publish('a', 1)
      await redis.del(keys.eventsCompanies(), keys.eventsCompanyList())
      await redis.del(keys.eventsStream('a'), keys.eventsWatermark('a'))
      const record = new Record()
      await newSubscriber().subscribeAll({ from: 'now' }, record).started
      // The same publisher, which believes that the company is known, sees that its stream began anew.
      const ids = await publish('a', 2)
      await record.has(2)
      ids.push(...(await publish('b', 1, newPublisher())))
      await record.has(3)
      expect([...record.idsOf('a'), ...record.idsOf('b')]).toEqual(ids)
    })

    it('names a type, is closed at any time, and follows no more companies than it may', async () => {
      const { publish, subscriber, observer, newSubscriber } = open({ companiesMax: 2 })
      const [one, two] = [new Record(), new Record()]
      const first = subscriber.subscribeAll({ from: 'now', types: ['events:voucher:approved'] }, one)
      const second = subscriber.subscribeAll({ from: 'now' }, two)
      await Promise.all([first.started, second.started])
      const leftOut: string[] = []
      subscriber.notices.on('companyLeftOut', (companyId) => leftOut.push(companyId))
      await publish('a', 1)
      await two.has(1)
      await first.close()
      await publish('b', 1)
      await two.has(2)
      await publish('c', 1)
      await until('a notice', () => leftOut.length > 0)
      expect([one.ids, two.ids.length, leftOut]).toEqual([[], 2, ['c']])
      expect(observer.of('backgroundError')).toMatchObject([{ source: 'events', code: 'OVERLOADED' }])
      const other = newSubscriber()
      expect(() => other.subscribeAll({ from: '5' as never }, one)).toThrow(InvalidInputError)
      const hostile = new Map([['a:b', { streamId: '1-0', eventId: 'x' }]])
      expect(() => other.subscribeAll({ from: hostile }, one)).toThrow(InvalidKeyError)
      await other.close()
      expect(() => other.subscribeAll({ from: 'now' }, one)).toThrow(ClosedError)
    })
  })

  describe('the rings of all companies', () => {
    it('hold no more than they may together, and nobody misses what was let go', async () => {
      const { publish, subscriber } = open({ ringsLengthMax: 2_000 })
      const slow = new Record()
      let release: () => void = () => undefined
      const gate = new Promise<void>((resolve) => (release = resolve))
      slow.onBatch = () => gate
      const quick = new Record()
      await subscriber.subscribeAll({ from: 'now' }, slow).started
      await subscriber.subscribeAll({ from: 'now' }, quick).started
      const ids: string[][] = []
      for (const company of ['a', 'b', 'c']) ids.push(await publish(company, 100))
      await quick.has(300)
      release()
      await slow.has(300)
      for (const record of [quick, slow]) {
        expect(['a', 'b', 'c'].map((company) => record.idsOf(company))).toEqual(ids)
        expect(record.resets).toEqual([])
      }
    })
  })
}
