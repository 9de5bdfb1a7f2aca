/** Sharded channels, on a real server: names that meet, a mixture that is found out late, and clients without them. */

import { InvalidOptionError } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { Consumer, erpEvents, EventRelay, Publisher, Subscriber } from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { Cluster } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { redisBackend } from '../conformance/backend.js'
import { eventWorld, keys, Record, until } from './event-world.js'
import { MemoryEventLog } from './memory-event-log.js'

const backend = redisBackend()

describe('on sharded channels', () => {
  it('events are told to subscribers of a company and of all, and to consumers, at once', async () => {
    const own = createKeys({ namespace: 'sharded' })
    const parts = { redis: backend.client(), keys: own, events: erpEvents, sharded: true }
    const publisher = new Publisher(parts)
    // With ten minutes between two looks, nothing can come but by the channel.
    const subscriber = new Subscriber({ ...parts, tailMs: 600_000 })
    const consumed: string[] = []
    const consumer = new Consumer({
      ...parts,
      group: 'g',
      companies: ['c1'],
      pollMs: 600_000,
      handler: ({ id }) => Promise.resolve(consumed.push(id)),
    })
    onTestFinished(async () => {
      await Promise.all([consumer.close(), subscriber.close(), publisher.close()])
    })
    const [one, all] = [new Record(), new Record()]
    await subscriber.subscribe({ companyId: 'c1', from: 'now' }, one).started
    await subscriber.subscribeAll({ from: 'now' }, all).started
    consumer.start()
    const type = 'events:voucher:approved'
    const publish = async (companyId: string) =>
      (await publisher.publish({ companyId, type, payload: { id: 'V' } })).id
    const ids = [await publish('c1'), await publish('c2'), await publish('c1')]
    await all.has(3)
    await one.has(2)
    await until('the consumer', () => consumed.length >= 2)
    expect([...all.ids].sort()).toEqual([...ids].sort())
    expect([one.ids, consumed]).toEqual([
      [ids[0], ids[2]],
      [ids[0], ids[2]],
    ])
  })

  it('events of the database’s log are told, too', async () => {
    const source = new MemoryEventLog()
    const world = eventWorld(backend.client(), { sharded: true, tailMs: 600_000 })
    const { record } = await world.subscribe('now')
    const relay = new EventRelay({ redis: backend.client(), keys, source, sharded: true })
    onTestFinished(() => relay.close())
    source.commit(world.companyId, 3)
    await relay.tick()
    await until('the events', () => record.ids.length + record.resets.length >= 3)
    expect(record.ids).toEqual(['1', '2', '3'])
  })

  it('a publisher that uses others is heard by the look at the end of the stream', async () => {
    const { companyId, publishMany } = eventWorld(backend.client())
    const sharded = eventWorld(backend.client(), { sharded: true, tailMs: 50 })
    const record = new Record()
    await sharded.subscriber.subscribe({ companyId, from: 'now' }, record).started
    const ids = await publishMany(5)
    await record.has(5)
    expect(record.ids).toEqual(ids)
  })

  it('nobody begins with a client that has none, and the error says what is missing', async () => {
    const cluster = new Cluster([{ host: 'localhost', port: 1 }], { lazyConnect: true })
    onTestFinished(() => cluster.disconnect())
    const source = new MemoryEventLog()
    for (const redis of [mockRedis(), cluster]) {
      const parts = { redis, keys, events: erpEvents, sharded: true }
      const consumer = { ...parts, group: 'g', companies: [], handler: () => Promise.resolve() }
      for (const make of [
        () => new Publisher(parts),
        () => new Subscriber(parts),
        () => new Consumer(consumer),
        () => new EventRelay({ ...parts, source }),
      ]) {
        expect(make).toThrow(InvalidOptionError)
        expect(make).toThrow(/option `sharded` must be left out/)
      }
    }
    const isNone = { redis: backend.client(), keys, events: erpEvents, sharded: 'yes' as never }
    expect(() => new Publisher(isNone)).toThrow('true or false')
    const able = new Cluster([{ host: 'localhost', port: 1 }], {
      lazyConnect: true,
      shardedSubscribers: true,
    })
    onTestFinished(() => able.disconnect())
    await new Publisher({ redis: able, keys, events: erpEvents, sharded: true }).close()
  })
})
