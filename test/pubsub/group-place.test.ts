/** How far a durable group is: known to whoever goes on for it, whatever Redis trimmed, lost or never knew. */

import { manualClock } from '@kerp/core/testing'
import {
  type ConsumerOptions,
  erpEvents,
  type ErpEventSchemas,
  EventRelay,
  installWatermark,
  Publisher,
  readEventWatermark,
} from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CompanyConsumer } from '../../packages/pubsub/src/company-consumer.js'
import { resolveConsumerOptions } from '../../packages/pubsub/src/consumer-options.js'
import { EntryHandler } from '../../packages/pubsub/src/entry-handler.js'
import { Gate } from '../../packages/pubsub/src/gate.js'
import { sinkOfGroup } from '../../packages/pubsub/src/group-places.js'
import { freshCompany } from '../support/fresh-company.js'
import { keys } from './event-world.js'
import { MemoryEventLog } from './memory-event-log.js'
import { upTo } from './stream-reader.js'

type More = Partial<ConsumerOptions<ErpEventSchemas>>

/** One company with its log and relay, and processes of one group that work when they are told to. */
function world() {
  const redis = mockRedis()
  const source = new MemoryEventLog()
  const companyId = freshCompany()
  const relay = new EventRelay({ redis, keys, source })
  const publisher = new Publisher({ redis, keys, events: erpEvents })
  onTestFinished(async () => {
    await relay.close()
    await publisher.close()
  })
  const handled: string[] = []
  const process = (more: More = {}) => {
    const parts = resolveConsumerOptions<ErpEventSchemas>({
      redis,
      keys,
      events: erpEvents,
      group: 'g',
      companies: [],
      source,
      handler: (event) => Promise.resolve(void handled.push(event.id)),
      ...more,
    })
    const { signal } = new AbortController()
    const handler = new EntryHandler(parts, new Gate(1), signal, signal)
    const worker = new CompanyConsumer(parts, companyId, handler, signal)
    return {
      work: () => worker.work(),
      stop: () => worker.stop(),
      /** What a consumer does now and then, and when it is closed. */
      record: () => parts.places.record(),
    }
  }
  return {
    redis,
    source,
    companyId,
    handled,
    process,
    relay,
    /** Commits events and brings them into the stream. */
    commit: async (count: number) => {
      source.commit(companyId, count)
      while (!(await relay.tick()).ok);
    },
    publish: (id: string) =>
      publisher.publish({
        companyId,
        type: 'events:notification',
        payload: { level: 'info', message: 'm' },
        id,
      }),
    trimStream: (left: number) => redis.xtrim(keys.eventsStream(companyId), 'MAXLEN', left),
    placeKey: `${keys.eventsConsumer({ companyId, group: 'g' })}:place`,
  }
}

describe('a durable group', () => {
  it('handles every event of the log although somebody chose numbers as ids, and those events, too', async () => {
    const { commit, publish, process, handled } = world()
    const member = process()
    await commit(2)
    for (const id of ['20261201', '1', '4', '007']) await publish(id)
    await member.work()
    await commit(3)
    await publish('5')
    await member.work()
    await commit(1)
    await process().work()
    expect(handled).toEqual(['1', '2', '20261201', '1', '4', '007', '3', '4', '5', '5', '6'])
  })

  it('names each event of its company apart for its effects, also where a chosen id is the position of another', async () => {
    const { commit, publish, process } = world()
    const effects: [string, string, string | undefined][] = []
    const member = process({
      handler: ({ id, position }, { effectId }) =>
        Promise.resolve(void effects.push([id, effectId, position])),
    })
    await commit(1)
    for (const id of ['1', 'order-1']) await publish(id)
    await member.work()
    expect(effects).toEqual([
      ['1', '1', '1'],
      ['1', '~~1', undefined],
      ['order-1', 'order-1', undefined],
    ])
  })

  it.each([['beginning'], ['now']] as const)(
    'that began %s and was away reads from the log what the stream no longer has',
    async (from) => {
      const { commit, process, handled, trimStream } = world()
      await commit(1)
      await process({ from }).work()
      await commit(4)
      await process({ from }).work()
      await commit(600)
      await trimStream(10)
      await process({ from }).work()
      expect(handled).toEqual(upTo(605).slice(from === 'now' ? 1 : 0))
    },
  )

  it('that began now and had nothing to handle yet misses nothing that was trimmed afterwards', async () => {
    const { commit, process, handled, trimStream } = world()
    await commit(3)
    await process({ from: 'now' }).work()
    await commit(20)
    await trimStream(5)
    await process({ from: 'now' }).work()
    expect(handled).toEqual(upTo(23).slice(3))
  })

  it.each([['beginning'], ['now']] as const)(
    'that began %s goes on where the log remembers it, when Redis lost it while nobody of it ran',
    async (from) => {
      const { redis, source, companyId, commit, process, handled } = world()
      await commit(1)
      await process({ from }).work()
      await commit(9)
      const member = process({ from })
      await member.work()
      await member.record()
      expect(await source.positions(sinkOfGroup('g'))).toEqual([{ companyId, position: '10' }])
      await redis.flushall()
      await commit(10)
      await redis.flushall()
      await commit(2)
      await process({ from }).work()
      expect(handled).toEqual(upTo(22).slice(from === 'now' ? 1 : 0))
    },
  )

  it('has each event once, whichever of its processes take turns', async () => {
    const { commit, process, handled } = world()
    const members = [process(), process(), process()]
    for (let turn = 0; turn < 12; turn += 1) {
      await commit(3)
      await members[turn % members.length]?.work()
    }
    expect(handled).toEqual(upTo(36))
  })

  it('goes on behind what processes of an earlier version did, which note no place', async () => {
    const { redis, commit, process, handled, placeKey } = world()
    const member = process()
    await commit(5)
    await member.work()
    const placeBefore = (await redis.get(placeKey)) ?? ''
    await commit(5)
    await process().work()
    await redis.set(placeKey, placeBefore)
    await commit(1)
    await member.work()
    await redis.del(placeKey)
    await commit(1)
    await process().work()
    expect(handled).toEqual(upTo(12))
  })

  it('handles what was read from the log once, however often it is left in the middle', async () => {
    const { commit, process, handled, trimStream } = world()
    await commit(1)
    await process().work()
    await commit(20)
    await trimStream(1)
    for (let turn = 0; turn < 10; turn += 1) {
      const member = process({
        handler: (event) => {
          handled.push(event.id)
          if (Number(event.id) % 3 === 0) member.stop()
          return Promise.resolve()
        },
      })
      await member.work()
    }
    expect(handled).toEqual(upTo(21))
  })

  it('handles what another history gives the same numbers, also when a gap was filled from there before', async () => {
    const { redis, source, companyId, relay, commit, process, handled } = world()
    const member = process()
    await commit(5)
    await member.work()
    await member.record()
    await commit(5)
    const stream = keys.eventsStream(companyId)
    const lost = (await redis.xrange(stream, '-', '+')).filter(([, fields]) =>
      /^[67]\|/.test(fields[1] ?? ''),
    )
    await redis.xdel(stream, ...lost.map(([id]) => id))
    source.goBack(companyId, 7, 'e2')
    await member.work()
    source.commit(companyId, 4)
    while (!(await relay.tick()).ok);
    await member.work()
    // 8 to 10 of the history that ended were published, and are handled; then come those of the present one.
    expect(handled.slice(0, 10)).toEqual(upTo(10))
    expect(handled.slice(-4)).toEqual(['8', '9', '10', '11'])
  })

  it('reads up to a mark, the event at its position included, without waiting for one behind it', async () => {
    const { redis, source, companyId, commit, process, handled } = world()
    const member = process()
    await commit(5)
    await member.work()
    source.commit(companyId, 5)
    await source.advance({ limit: 100 })
    const parts = { redis, keys }
    const { text } = await readEventWatermark(parts, companyId)
    const at = { companyId, expected: text, epoch: 'e1', position: '10', reason: 'trimmed' } as const
    expect(await installWatermark(parts, at)).toEqual({ status: 'installed' })
    await member.work()
    expect(handled).toEqual(upTo(10))
  })

  it('calls no handler when its lease has ended, also for events that it took before', async () => {
    const clock = manualClock()
    const { commit, process, handled, redis, companyId } = world()
    await process().work()
    await commit(4)
    const lease = keys.eventsConsumer({ companyId, group: 'g' })
    const slow = process({
      clock,
      leaseMs: 1_000,
      handler: async (event) => {
        handled.push(`slow ${event.id}`)
        // It stood still, and another process has the lease.
        await redis.set(lease, 'another')
        await clock.advance(5_000)
      },
    })
    await slow.work()
    expect(handled).toEqual(['slow 1'])
    await redis.del(lease)
    await process().work()
    expect(handled).toEqual(['slow 1', ...upTo(4).slice(1)])
  })
})
