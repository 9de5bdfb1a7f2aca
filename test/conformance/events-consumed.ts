import type { CommittedEvent } from '@kerp/core'
import {
  type ConsumerOptions,
  type ErpEventSchemas,
  erpEvents,
  EventInvalidError,
  installWatermark,
  publishRelayed,
} from '@kerp/pubsub'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openConsumer } from '../pubsub/consumer-world.js'
import { eventWorld, keys, until } from '../pubsub/event-world.js'
import { freshCompany } from '../support/fresh-company.js'
import type { Backend } from './backend.js'

/** A log of so many approvals, numbered from 1. */
function approvals(companyId: string, length: number): readonly CommittedEvent[] {
  return Array.from({ length }, (_, index) => ({
    companyId,
    position: String(index + 1),
    type: 'events:voucher:approved',
    timestamp: '2026-01-01T00:00:00.000Z',
    payload: { id: `V-${index + 1}` },
  }))
}

/** Durable groups. */
export function consumersConform(backend: Backend): void {
  const open = (companyIds: readonly string[], more: Partial<ConsumerOptions<ErpEventSchemas>> = {}) =>
    openConsumer(backend.client(), companyIds, more)

  describe('a durable group', () => {
    it('handles every event once and in order per company, from the beginning, and leaves nothing pending', async () => {
      const worlds = [eventWorld(backend.client()), eventWorld(backend.client())]
      const companyIds = worlds.map(({ companyId }) => companyId)
      const expected = await Promise.all(worlds.map(({ publishMany }) => publishMany(100)))
      const { handled, idsOf } = open(companyIds)
      for (const [index, { publishMany }] of worlds.entries())
        expected[index]?.push(...(await publishMany(100)))
      await until('all events', () => handled.length >= 400)
      expect(companyIds.map(idsOf)).toEqual(expected)
      const stream = keys.eventsStream(companyIds[0] ?? '')
      await until('acknowledgements', async () => (await pendingOf(backend, stream)) === 0)
    })

    it('shares its companies between its members, and one member goes on where another was closed', async () => {
      const { companyId, publishMany } = eventWorld(backend.client())
      const first = open([companyId])
      const ids = await publishMany(20)
      await until('the first events', () => first.handled.length === 20)
      const second = open([companyId])
      ids.push(...(await publishMany(20)))
      await until('the next events', () => first.handled.length + second.handled.length === 40)
      await first.consumer.close()
      ids.push(...(await publishMany(20)))
      await until('the last events', () => first.handled.length + second.handled.length === 60)
      const all = [...first.handled, ...second.handled].map(({ id }) => id)
      expect([...all].sort()).toEqual([...ids].sort())
    })

    it('tries again what failed, in order, and then goes on', async () => {
      const { companyId, publishMany } = eventWorld(backend.client())
      const attempts: string[] = []
      open([companyId], {
        handler: (event, { attempt }) => {
          attempts.push(`${event.id}/${attempt}`)
          return event.id === 'n-2' && attempt < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve()
        },
      })
      await publishMany(3)
      await until('the last event', () => attempts.includes('n-3/1'))
      expect(attempts).toEqual(['n-1/1', 'n-2/1', 'n-2/2', 'n-2/3', 'n-3/1'])
    })

    it('puts an event that always fails aside with its reason, delays no other company, and takes it up again', async () => {
      const bad = eventWorld(backend.client())
      const good = eventWorld(backend.client())
      let isRepaired = false
      const handled: string[] = []
      const { consumer } = open([bad.companyId, good.companyId], {
        attemptsMax: 3,
        concurrency: 1,
        handler: (event) => {
          if (event.id === 'poison' && !isRepaired) return Promise.reject(new Error('cannot'))
          return Promise.resolve(void handled.push(event.id))
        },
      })
      await bad.publish('poison')
      await good.publish('g-1')
      await bad.publish('b-1')
      await until('the others', () => handled.includes('g-1') && handled.includes('b-1'))
      const [letter] = await consumer.deadLetters(bad.companyId)
      expect(letter).toMatchObject({
        eventId: 'poison',
        reason: 'attempts',
        error: 'Error: cannot',
        attempts: 3,
      })
      expect(await consumer.redrive(bad.companyId)).toEqual({ handled: 0, failed: 1, next: undefined })
      isRepaired = true
      expect(await consumer.redrive(bad.companyId)).toEqual({ handled: 1, failed: 0, next: undefined })
      expect(await consumer.deadLetters(bad.companyId)).toEqual([])
      expect(handled).toContain('poison')
    })

    it('lists dead letters page by page, and tries each of them again, however many fail once more', async () => {
      const { companyId, publish } = eventWorld(backend.client())
      const again: string[] = []
      let isRepaired = false
      const { consumer } = open([companyId], {
        attemptsMax: 1,
        handler: ({ id }) => {
          if (isRepaired) again.push(id)
          return isRepaired && id === 'e5' ? Promise.resolve() : Promise.reject(new Error('cannot'))
        },
      })
      for (let n = 1; n <= 5; n += 1) await publish(`e${n}`)
      await until('dead letters', async () => (await consumer.deadLetters(companyId)).length === 5)
      const all = await consumer.deadLetters(companyId)
      expect(await consumer.deadLetters(companyId, 2, all[1]?.id)).toEqual(all.slice(2, 4))
      expect(await consumer.deadLetters(companyId, 2, all[4]?.id)).toEqual([])
      await expect(consumer.deadLetters(companyId, 2, 'e1')).rejects.toMatchObject({ field: 'after' })
      await expect(consumer.redrive(companyId, 2, '-')).rejects.toMatchObject({ field: 'after' })
      isRepaired = true
      expect(await consumer.redrive(companyId, 2)).toEqual({ handled: 0, failed: 2, next: all[1]?.id })
      expect(await consumer.redrive(companyId, 2)).toEqual({ handled: 0, failed: 2, next: all[3]?.id })
      expect(await consumer.redrive(companyId, 2)).toEqual({ handled: 1, failed: 0, next: undefined })
      expect(await consumer.redrive(companyId, 1)).toEqual({ handled: 0, failed: 1, next: all[0]?.id })
      expect(await consumer.redrive(companyId, 1, all[2]?.id)).toEqual({
        handled: 0,
        failed: 1,
        next: all[3]?.id,
      })
      expect(again).toEqual(['e1', 'e2', 'e3', 'e4', 'e5', 'e1', 'e4'])
    })

    it('puts what can never succeed aside at once, and passes over types of others', async () => {
      const { companyId, publish, publisher } = eventWorld(backend.client())
      const calls: string[] = []
      const { consumer } = open([companyId], {
        types: ['events:notification'],
        handler: (event) => {
          calls.push(event.id)
          if (event.id === 'never') throw new EventInvalidError('payload', 'better', 1)
          return Promise.resolve()
        },
      })
      await publish('never')
      await publisher.publish({ companyId, type: 'events:voucher:approved', payload: { id: 'V' } })
      await backend.client().xadd(keys.eventsStream(companyId), '*', 'e', 'x|no event')
      await publish('last')
      await until('the last event', () => calls.includes('last'))
      expect(calls).toEqual(['never', 'last'])
      const letters = await consumer.deadLetters(companyId)
      expect(letters.map(({ eventId, reason }) => [eventId, reason])).toEqual([
        ['never', 'refused'],
        ['x', 'invalid'],
      ])
    })

    it('that is new and begins now gets only what comes', async () => {
      const { companyId, publishMany } = eventWorld(backend.client())
      await publishMany(5)
      const { handled } = open([companyId], { from: 'now' })
      await until('the group', async () => (await pendingOf(backend, keys.eventsStream(companyId))) === 0)
      const ids = await publishMany(3)
      await until('what came', () => handled.length >= 3)
      expect(handled.map(({ id }) => id)).toEqual(ids)
    })

    it('lets a handler that runs end when it is closed, and begins nothing new', async () => {
      const { companyId, publishMany } = eventWorld(backend.client())
      let release: () => void = () => undefined
      const gate = new Promise<void>((resolve) => (release = resolve))
      const begun: string[] = []
      const first = open([companyId], {
        handler: (event) => {
          begun.push(event.id)
          return gate
        },
      })
      await publishMany(3)
      await until('a handler that runs', () => begun.length === 1)
      const closing = first.consumer.close()
      release()
      await closing
      expect(begun).toEqual(['n-1'])
      const { handled } = open([companyId])
      await until('the rest', () => handled.length === 2)
      expect(handled.map(({ id }) => id)).toEqual(['n-2', 'n-3'])
    })

    it.each([1, 3])(
      'puts an event aside that ended %i processes, and calls its handler for those behind it',
      async (attemptsMax) => {
        const { companyId, publishMany } = eventWorld(backend.client())
        await publishMany(3)
        const lease = keys.eventsConsumer({ companyId, group: 'g' })
        for (let process = 1; process <= attemptsMax; process += 1) {
          const begun: string[] = []
          const { consumer } = open([companyId], {
            attemptsMax,
            closeMs: 0,
            handler: (event) => {
              begun.push(event.id)
              return new Promise(() => undefined)
            },
          })
          await until('a handler that never ends', () => begun.length > 0)
          expect(begun).toEqual(['n-1'])
          await consumer.close()
          await backend.client().del(lease)
        }
        const { consumer, handled } = open([companyId], { attemptsMax })
        await until('the events behind it', () => handled.length === 2)
        const letters = await consumer.deadLetters(companyId)
        expect(letters.map(({ eventId, reason }) => [eventId, reason])).toEqual([['n-1', 'attempts']])
      },
    )

    it('goes on from its place in the log when the stream was trimmed while it was away, whoever takes over', async () => {
      const companyId = freshCompany()
      const redis = backend.client()
      const log = approvals(companyId, 40)
      const source: ConsumerOptions<ErpEventSchemas>['source'] = {
        read: ({ after, limit }) =>
          Promise.resolve({
            epoch: 'e1',
            events: log.slice(Number(after), Number(after) + limit),
            trimmedTo: '0',
          }),
      }
      const parts = { redis, keys }
      const relay = (from: number, to: number) => {
        const events = log.slice(from, to)
        return publishRelayed(parts, { companyId, epoch: 'e1', from: String(from), to: String(to), events })
      }
      await installWatermark(parts, { companyId, expected: '', epoch: 'e1', position: '0', reason: 'absent' })
      const ids: string[] = []
      for (const to of [10, 20, 30, 40]) {
        await relay(to - 10, to)
        if (to === 30) await redis.xtrim(keys.eventsStream(companyId), 'MAXLEN', 2)
        const { consumer, handled } = open([companyId], { source, from: 'now' })
        if (to === 10)
          await until(
            'the group',
            async () =>
              (
                (await redis
                  .xinfo('GROUPS', keys.eventsStream(companyId))
                  .catch(() => [] as unknown[])) as unknown[]
              ).length > 0,
          )
        else await until('the next ten events', () => handled.length === 10)
        await consumer.close()
        ids.push(...handled.map(({ id }) => id))
      }
      expect(ids).toEqual(log.slice(10).map(({ position }) => position))
    })

    it('continues from the database’s log when Redis lost its events, in the middle of its work or before', async () => {
      const companyId = freshCompany()
      const log = approvals(companyId, 30)
      let head = 10
      const source: ConsumerOptions<ErpEventSchemas>['source'] = {
        read: ({ after, limit }) => {
          const events = log.slice(Number(after), Math.min(head, Number(after) + limit))
          return Promise.resolve({ epoch: 'e1', events, trimmedTo: '0' })
        },
      }
      const parts = { redis: backend.client(), keys }
      const relay = (from: number, to: number) =>
        publishRelayed(parts, {
          companyId,
          epoch: 'e1',
          from: String(from),
          to: String(to),
          events: log.slice(from, to),
        })
      const install = (position: number) =>
        installWatermark(parts, {
          companyId,
          expected: '',
          epoch: 'e1',
          position: String(position),
          reason: 'absent',
        })
      await install(0)
      await relay(0, 10)
      const { handled } = open([companyId], { source })
      await until('the first events', () => handled.length === 10)
      for (const to of [20, 30]) {
        head = to
        const stream = keys.eventsStream(companyId)
        await backend
          .client()
          .del(stream, keys.eventsWatermark(companyId), keys.eventsConsumer({ companyId, group: 'g' }))
        await install(to - 2)
        await relay(to - 2, to)
        await until(`${to} events`, () => handled.length >= to)
      }
      expect(handled.map(({ id }) => id)).toEqual(log.map(({ position }) => position))
    })
  })

  describe('a stream', () => {
    it('is trimmed while it is published to, and never below what a group has not read, but with an alarm', async () => {
      const { companyId, observer } = eventWorld(backend.client())
      const { Publisher } = await import('@kerp/pubsub')
      const redis = backend.client()
      const stream = keys.eventsStream(companyId)
      const publisher = new Publisher({
        redis,
        keys,
        events: erpEvents,
        observer,
        keep: 100,
        keepMax: 2_000,
        deadlineMs: 20_000,
      })
      onTestFinished(() => publisher.close())
      const publish = (count: number) =>
        Promise.all(
          Array.from({ length: count }, () =>
            publisher.publish({ companyId, type: 'events:voucher:approved', payload: { id: 'V' } }),
          ),
        )
      await publish(1_200)
      await until('a short stream', async () => (await redis.xlen(stream)) < 900)
      await redis.xgroup('CREATE', stream, 'slow', '$')
      await publish(1_200)
      expect(await redis.xlen(stream)).toBeGreaterThanOrEqual(1_200)
      expect(observer.of('eventTrimmedUnread')).toEqual([])
      await publish(2_000)
      await until('an alarm', () => observer.of('eventTrimmedUnread').length > 0)
      expect(await redis.xlen(stream)).toBeLessThan(3_000)
    })
  })
}

async function pendingOf(backend: Backend, stream: string): Promise<number> {
  const groups = (await backend.client().xinfo('GROUPS', stream)) as readonly (readonly unknown[])[]
  const [fields = []] = groups
  return Number(fields[fields.indexOf('pending') + 1] ?? -1)
}
