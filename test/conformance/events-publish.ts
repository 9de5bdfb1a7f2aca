import { ClosedError, InvalidInputError, OverloadedError } from '@kerp/core'
import { EventInvalidError } from '@kerp/pubsub'
import { describe, expect, it } from 'vitest'
import { eventWorld, keys, Record, until } from '../pubsub/event-world.js'
import type { Backend } from './backend.js'

/** Publishing and subscribing. */
export function eventsConform(backend: Backend): void {
  const open = (more = {}) => eventWorld(backend.client(), more)

  describe('events', () => {
    it('reach a subscriber once, in the order in which they were published, as they were published', async () => {
      const { publish, publishMany, subscribe, companyId } = open()
      const { record } = await subscribe('now')
      const first = await publish()
      const ids = [first.id, ...(await publishMany(300))]
      await record.has(301)
      expect(record.ids).toEqual(ids)
      expect(record.batches[0]?.events[0]).toEqual(first)
      expect(first).toMatchObject({ companyId, payload: { message: '안녕\n| hello' } })
    })

    it('come in batches of which each begins where the one before it ended', async () => {
      const { publishMany, subscribe } = open({ batchMax: 7 })
      const { record } = await subscribe('now')
      for (let round = 0; round < 5; round += 1) await publishMany(20)
      await record.has(100)
      const { batches } = record
      expect(batches.slice(1).map(({ from }) => from)).toEqual(batches.slice(0, -1).map(({ to }) => to))
    })

    it('of one company are not seen by another', async () => {
      const world = open()
      const other = open()
      const { record } = await world.subscribe('now')
      await other.publishMany(3)
      const ids = await world.publishMany(3)
      await record.has(3)
      expect(record.ids).toEqual(ids)
    })

    it('published twice with one id are published once, and both calls succeed', async () => {
      const { publish, subscribe, observer } = open()
      const { record } = await subscribe('now')
      await Promise.all([publish('a'), publish('a')])
      await publish('a')
      await publish('b')
      await record.has(2)
      expect(record.ids).toEqual(['a', 'b'])
      expect(observer.of('eventPublish').filter(({ result }) => result === 'duplicate')).toHaveLength(2)
    })

    it('of a wrong type, payload or size are refused before anything is sent', async () => {
      const { publisher, companyId, observer } = open()
      const type = 'events:notification'
      const wrong = [
        { companyId, type: 'events:none' as never, payload: {} as never },
        { companyId, type, payload: { level: 'info' } as never },
        { companyId, type, payload: { level: 'info', message: 'x'.repeat(66_000) } },
        { companyId: 'not:a:company', type, payload: { level: 'info', message: 'x' } },
      ] as const
      for (const event of wrong) await expect(publisher.publish(event)).rejects.toThrow(InvalidInputError)
      expect(observer.of('eventPublish').map(({ result }) => result)).toEqual(wrong.map(() => 'refused'))
      expect(observer.of('redisOperation')).toEqual([])
      expect(await backend.client().exists(keys.eventsStream(companyId))).toBe(0)
    })

    it('published together come in their order, each company with its own, and their envelopes are answered', async () => {
      const { publisher, subscribe, companyId, observer } = open()
      const other = open()
      const [here, there] = [await subscribe('now'), await other.subscribe('now')]
      const events = Array.from({ length: 300 }, (_, index) => ({
        companyId: index % 3 === 0 ? other.companyId : companyId,
        type: 'events:voucher:approved' as const,
        payload: { id: `V-${index}` },
      }))
      const envelopes = await publisher.publishMany(events)
      expect(envelopes).toMatchObject(events)
      await Promise.all([here.record.has(200), there.record.has(100)])
      for (const { record, company } of [
        { record: here.record, company: companyId },
        { record: there.record, company: other.companyId },
      ]) {
        const own = envelopes.filter((event) => event.companyId === company)
        expect(record.batches.flatMap((batch) => batch.events)).toEqual(own)
      }
      const published = observer.of('eventPublish').filter(({ result }) => result === 'published')
      expect(published.reduce((sum, { count }) => sum + Number(count), 0)).toBe(300)
      expect(await publisher.publishMany([])).toEqual([])
    })

    it('published together are refused together, before anything is sent, and those known are not doubled', async () => {
      const { publisher, subscribe, companyId, observer } = open()
      const { record } = await subscribe('now')
      const type = 'events:voucher:approved'
      const event = (id: string) => ({ companyId, type, payload: { id }, id }) as const
      const wrong = [event('a'), { ...event('b'), payload: { id: 7 } as never }]
      await expect(publisher.publishMany(wrong)).rejects.toThrow(EventInvalidError)
      expect(observer.of('eventPublish').map(({ result }) => result)).toEqual(['refused', 'refused'])
      const many = Array.from({ length: 10_001 }, (_, index) => event(`m-${index}`))
      await expect(publisher.publishMany(many)).rejects.toThrow(OverloadedError)
      expect(await backend.client().exists(keys.eventsStream(companyId))).toBe(0)
      await publisher.publishMany([event('a'), event('b'), event('a')])
      await publisher.publishMany([event('b'), event('c')])
      await record.has(3)
      expect(record.ids).toEqual(['a', 'b', 'c'])
    })

    it('of other types are left out where types are named', async () => {
      const { publish, publisher, subscriber, companyId } = open()
      const record = new Record()
      await subscriber.subscribe({ companyId, from: 'now', types: ['events:voucher:approved'] }, record)
        .started
      await publish()
      await publisher.publish({ companyId, type: 'events:voucher:approved', payload: { id: 'V-1' } })
      await record.has(1)
      expect(record.batches.map(({ events }) => events[0]?.payload)).toEqual([{ id: 'V-1' }])
    })
  })

  describe('a subscription', () => {
    it('from the beginning gets what is kept, from now what comes', async () => {
      const { publishMany, subscribe } = open({ batchMax: 10 })
      const before = await publishMany(35)
      const { record: all } = await subscribe('beginning')
      const { record: late } = await subscribe('now')
      const after = await publishMany(35)
      await Promise.all([all.has(70), late.has(35)])
      expect(all.ids).toEqual([...before, ...after])
      expect(late.ids).toEqual(after)
    })

    it('from a position goes on behind it, in another process too', async () => {
      const { publishMany, subscribe, companyId, newSubscriber } = open()
      const { record, subscription } = await subscribe('now')
      await publishMany(10)
      await record.has(10)
      await subscription.close()
      const { to } = record.batches.at(-1) ?? {}
      const missed = await publishMany(600)
      const resumed = new Record()
      newSubscriber().subscribe({ companyId, from: to ?? 'now' }, resumed)
      await resumed.has(600)
      expect(resumed.ids).toEqual(missed)
      expect(resumed.resets).toEqual([])
    })

    it('from a position that was trimmed or belongs to another history is reset, and goes on from now', async () => {
      const { publishMany, subscribe, companyId, newSubscriber, observer } = open()
      const { record } = await subscribe('now')
      await publishMany(10)
      await record.has(10)
      const [batch] = record.batches
      const position = batch?.to ?? { streamId: '1-0', eventId: 'x' }
      await publishMany(10)
      await record.has(20)
      await backend.client().xtrim(keys.eventsStream(companyId), 'MAXLEN', 5)
      for (const [from, reason] of [
        [batch?.from ?? position, 'trimmed'],
        [{ ...record.batches.at(-1)?.to, eventId: 'another' } as typeof position, 'lost'],
      ] as const) {
        const resumed = new Record()
        newSubscriber().subscribe({ companyId, from }, resumed)
        await until('a reset', () => resumed.resets.length > 0)
        const [id] = await publishMany(1)
        await resumed.has(1)
        expect(resumed.resets).toMatchObject([{ companyId, reason }])
        expect(resumed.ids).toEqual([id])
      }
      expect(observer.of('eventReset').map(({ reason }) => reason)).toEqual(['trimmed', 'lost'])
    })

    it('can be opened and closed at any time; a closed one gets nothing more', async () => {
      const { publishMany, subscribe } = open({ lingerMs: 0 })
      for (let round = 0; round < 5; round += 1) {
        const opened = await Promise.all([subscribe('now'), subscribe('now'), subscribe('now')])
        await opened[0].subscription.close()
        const ids = await publishMany(3)
        await Promise.all([opened[1].record.has(3), opened[2].record.has(3)])
        expect(opened.map(({ record }) => record.ids)).toEqual([[], ids, ids])
        await Promise.all(opened.map(({ subscription }) => subscription.close()))
      }
    })

    it('that gets one event at a time reads on from the stream all the same', async () => {
      const { publishMany, subscribe } = open({ batchMax: 1 })
      const ids = await publishMany(5)
      const { record } = await subscribe('beginning')
      await record.has(5)
      expect(record.ids).toEqual(ids)
      expect(record.batches.every(({ events }) => events.length === 1)).toBe(true)
    })

    it('whose handler throws or rejects stops no other, gets the next events, and is told of', async () => {
      const { publishMany, subscribe, subscriber, companyId } = open({ batchMax: 1 })
      const failures: unknown[] = []
      subscriber.notices.on('handlerFailed', (company, error) => failures.push([company, error]))
      const bad = new Record()
      let calls = 0
      bad.onBatch = () => {
        calls += 1
        if (calls === 1) throw new Error('thrown')
        return calls === 2 ? Promise.reject(new Error('rejected')) : undefined
      }
      await subscribe('now', bad)
      const { record: good } = await subscribe('now')
      const ids = await publishMany(4)
      await Promise.all([good.has(4), bad.has(2)])
      expect(good.ids).toEqual(ids)
      expect(bad.ids).toEqual(ids.slice(2))
      expect(failures).toEqual([
        [companyId, new Error('thrown')],
        [companyId, new Error('rejected')],
      ])
    })

    it('whose handler is slow holds up no other, and misses nothing when its place has left the buffer', async () => {
      const { publishMany, subscribe } = open({ ringEventsMax: 20 })
      const slow = new Record()
      let release: () => void = () => undefined
      const gate = new Promise<void>((resolve) => (release = resolve))
      slow.onBatch = () => gate
      await subscribe('now', slow)
      const { record: quick } = await subscribe('now')
      const ids: string[] = []
      for (let round = 0; round < 10; round += 1) ids.push(...(await publishMany(30)))
      await quick.has(300)
      expect(slow.ids).toEqual([])
      release()
      await slow.has(300)
      expect([slow.ids, quick.ids]).toEqual([ids, ids])
      expect(slow.resets).toEqual([])
    })

    it('passes over what is no event of its map, and counts it', async () => {
      const { publishMany, subscribe, companyId, observer } = open()
      const { record } = await subscribe('now')
      const redis = backend.client()
      await publishMany(1)
      await redis.xadd(keys.eventsStream(companyId), '9999999999999-0', 'e', 'x|y|{"id":7}')
      await redis.xadd(keys.eventsStream(companyId), '9999999999999-1', 'some', 'thing')
      await redis.publish(keys.eventsChannel(companyId), 'hello')
      await publishMany(1)
      const { record: all } = await subscribe('beginning')
      await Promise.all([record.has(2), all.has(2)])
      expect([record.ids, all.ids]).toEqual([
        ['n-1', 'n-2'],
        ['n-1', 'n-2'],
      ])
      expect(observer.of('eventDeliver').filter(({ result }) => result === 'invalid')).toHaveLength(2)
    })

    it('hears of an event whose message was lost, by looking at the end of the stream', async () => {
      const { publishMany, subscribe, companyId, subscriber } = open()
      const { record } = await subscribe('now')
      const redis = backend.client()
      // A second subscriber that listens to another channel, so that no message ever comes.
      const ids = await publishMany(1)
      await record.has(1)
      const entries = await redis.xrange(keys.eventsStream(companyId), '-', '+')
      const [lastId = '', fields = []] = entries.at(-1) ?? []
      const nextId = `${lastId.split('-')[0]}-999`
      await redis.xadd(keys.eventsStream(companyId), nextId, 'e', (fields[1] ?? '').replace('n-1', 'quiet'))
      await redis.set(keys.eventsWatermark(companyId), `e1|||${nextId}|quiet`)
      await record.has(2)
      expect(record.ids).toEqual([...ids, 'quiet'])
      expect(record.resets).toEqual([])
      await subscriber.close()
    })

    it('is refused with what it must say and what it may not', async () => {
      const { subscriber, companyId } = open()
      const record = new Record()
      expect(() => subscriber.subscribe({ companyId, from: '5' as never }, record)).toThrow('from')
      expect(() => subscriber.subscribe({ companyId: 'a:b', from: 'now' }, record)).toThrow('companyId')
      const types = ['events:none' as never]
      expect(() => subscriber.subscribe({ companyId, from: 'now', types }, record)).toThrow(EventInvalidError)
      await subscriber.close()
      expect(() => subscriber.subscribe({ companyId, from: 'now' }, record)).toThrow(ClosedError)
    })
  })

  describe('the names of channels and streams', () => {
    it.each(['', 'prod', 'a.b_c-1'])(
      'are the same for both sides in the namespace “%s”',
      async (namespace) => {
        const { createKeys } = await import('@kerp/keys')
        const { erpEvents, Publisher, Subscriber } = await import('@kerp/pubsub')
        const { companyId } = open()
        const own = createKeys(namespace === '' ? {} : { namespace })
        const parts = { redis: backend.client(), keys: own, events: erpEvents }
        await using publisher = new Publisher(parts)
        await using subscriber = new Subscriber(parts)
        const live = new Record()
        await subscriber.subscribe({ companyId, from: 'now' }, live).started
        const { id } = await publisher.publish({
          companyId,
          type: 'events:voucher:approved',
          payload: { id: 'V' },
        })
        await live.has(1)
        const stored = new Record()
        subscriber.subscribe({ companyId, from: 'beginning' }, stored)
        await stored.has(1)
        expect([live.ids, stored.ids]).toEqual([[id], [id]])
      },
    )
  })
}
