import { ClosedError, type CommittedEvent, type EventHeads, type EventSource } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import {
  type ErpEventSchemas,
  erpEvents,
  type EventBatch,
  type EventHandlers,
  EventRelay,
  Publisher,
  Subscriber,
  type Subscription,
} from '@kerp/pubsub'
import { type LiveStart, LogFeed } from '@kerp/live'
import { mockRedis } from '@kerp/redis/testing'
import { expect, it, onTestFinished, vi } from 'vitest'
import { keys } from '../pubsub/event-world.js'
import { MemoryEventLog } from '../pubsub/memory-event-log.js'
import { freshCompany } from '../support/fresh-company.js'
import { eventually } from './live-world.js'

it('a feed that cannot subscribe to a company does not follow its log either', async () => {
  let calls = 0
  const source: Pick<EventSource, 'advance' | 'read'> = {
    advance: () => Promise.resolve({ epoch: 'e', heads: [], isMore: false, calls: (calls += 1) }),
    read: () => Promise.resolve({ epoch: 'e', events: [], trimmedTo: '0', calls: (calls += 1) }),
  }
  const subscriber: Pick<Subscriber<ErpEventSchemas>, 'subscribe'> = {
    subscribe() {
      throw new ClosedError('Subscriber')
    },
  }
  const clock = manualClock()
  const feed = new LogFeed({
    source: source as EventSource,
    subscriber: subscriber as Subscriber<ErpEventSchemas>,
    clock,
  })
  const handlers = { onStart: () => undefined, onEvents: () => undefined }
  expect(() => feed.open('c1', handlers)).toThrow(ClosedError)
  await clock.advance(1_000)
  const before = calls
  await clock.advance(10_000)
  expect(calls).toBe(before)
})

/** A log that says how far it goes for many companies at once, unless it is down. */
class HeadedLog extends MemoryEventLog {
  isDown = false

  async heads(companyIds: readonly string[]): Promise<EventHeads> {
    if (this.isDown) throw new ClosedError('database')
    const { epoch, heads } = await this.advance({ limit: 1_000, all: true })
    return { epoch, heads: heads.filter(({ companyId }) => companyIds.includes(companyId)) }
  }
}

/** A feed whose channel says what a test has it say. */
function channelWorld(source = new MemoryEventLog()) {
  const companyId = freshCompany()
  const clock = manualClock()
  let channel: EventHandlers<ErpEventSchemas> | undefined
  const subscriber: Pick<Subscriber<ErpEventSchemas>, 'subscribe'> = {
    subscribe: (_options, handlers) => {
      channel = handlers
      const subscription: Pick<Subscription<ErpEventSchemas>, 'close'> = { close: () => Promise.resolve() }
      return subscription as Subscription<ErpEventSchemas>
    },
  }
  const starts: LiveStart[] = []
  const heard: string[] = []
  const feed = new LogFeed({ source, subscriber: subscriber as Subscriber<ErpEventSchemas>, clock })
  const open = feed.open(companyId, {
    onStart: (start) => void starts.push(start),
    onEvents: ({ events }) =>
      heard.push(...events.map(({ payload }) => (payload as { message: string }).message)),
  })
  onTestFinished(() => open.close())
  return {
    companyId,
    clock,
    source,
    starts,
    heard,
    say: (history: string | undefined, events: readonly CommittedEvent[]) => {
      const batch: Omit<EventBatch<ErpEventSchemas>, 'from' | 'to'> = {
        companyId,
        history,
        events: events.map(
          (event) => ({ ...event, id: event.position }) as EventBatch<ErpEventSchemas>['events'][number],
        ),
      }
      channel?.onEvents(batch as EventBatch<ErpEventSchemas>)
    },
    commit: async (count: number) => {
      source.commit(companyId, count)
      await source.advance({ limit: 100 })
    },
  }
}

it('what the channel brings late of a history that has ended is not taken for events of the present one', async () => {
  const { companyId, clock, source, starts, heard, say, commit } = channelWorld()
  await commit(7)
  await clock.advance(1_000)
  await commit(3)
  // The link stands still with three events on it, which the database loses.
  const late = (source.events.get(companyId) ?? []).slice(7)
  source.goBack(companyId, 7, 'e2')
  await clock.advance(1_000)
  expect(starts.slice(1)).toEqual([{ history: 'e2', position: 7 }])
  heard.length = 0
  say('e1', late)
  say(undefined, late)
  expect(heard).toEqual([])
  await commit(3)
  say('e2', (source.events.get(companyId) ?? []).slice(7))
  expect(heard).toEqual(['n11', 'n12', 'n13'])
})

it('a history that the channel knows first is looked up in the log at once', async () => {
  const { companyId, clock, source, starts, heard, say, commit } = channelWorld()
  await commit(7)
  await clock.advance(1_000)
  heard.length = 0
  source.goBack(companyId, 5, 'e2')
  await commit(3)
  say('e2', (source.events.get(companyId) ?? []).slice(5))
  await clock.advance(0)
  expect(starts.at(-1)).toEqual({ history: 'e2', position: 8 })
  expect(heard).toEqual([])
})

it('an event whose publisher chose the number of another as id takes no place in the log', async () => {
  const redis = mockRedis()
  const source = new MemoryEventLog()
  const companyId = freshCompany()
  const relay = new EventRelay({ redis, keys, source })
  const publisher = new Publisher({ redis, keys, events: erpEvents })
  const subscriber = new Subscriber({ redis, keys, events: erpEvents, tailMs: 50 })
  const heard: string[] = []
  const starts: LiveStart[] = []
  // So seldom does it look at the log that the channel brings all.
  const feed = new LogFeed({ source, subscriber, lookMs: 600_000 })
  const open = feed.open(companyId, {
    onStart: (start) => void starts.push(start),
    onEvents: ({ events }) =>
      heard.push(...events.map(({ payload }) => (payload as { message: string }).message)),
  })
  onTestFinished(async () => {
    await open.close()
    await subscriber.close()
    await publisher.close()
    await relay.close()
  })
  await eventually(() => expect(starts).toHaveLength(1))
  const chosen = { companyId, type: 'events:notification' } as const
  source.commit(companyId, 1)
  await relay.tick()
  await eventually(() => expect(heard).toEqual(['n1']))
  for (const id of ['2', '3', '20261201'])
    await publisher.publish({ ...chosen, id, payload: { level: 'info', message: `chosen ${id}` } })
  source.commit(companyId, 3)
  await relay.tick()
  await eventually(() => expect(heard).toEqual(['n1', 'n2', 'n3', 'n4']))
})

it('a hub of a thousand companies asks the log once for all of them, and reads those that moved', async () => {
  const source = new HeadedLog()
  const companies = Array.from({ length: 1_000 }, () => freshCompany())
  const asked = vi.spyOn(source, 'heads')
  const read = vi.spyOn(source, 'read')
  const clock = manualClock()
  const feed = new LogFeed({ source, clock })
  const heard: string[] = []
  const open = companies.map((companyId) =>
    feed.open(companyId, {
      onStart: () => undefined,
      onEvents: ({ events }) => heard.push(...events.map(({ id }) => `${companyId} ${id}`)),
    }),
  )
  await clock.advance(0)
  expect(asked.mock.calls.map(([{ length }]) => length)).toEqual([1_000])
  asked.mockClear()
  read.mockClear()
  for (let second = 0; second < 5; second += 1) await clock.advance(1_000)
  expect(asked.mock.calls.map(([{ length }]) => length)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000])
  expect(read).not.toHaveBeenCalled()
  const [first = '', second = ''] = companies
  source.commit(first, 2)
  source.commit(second, 1)
  await clock.advance(1_000)
  expect(heard).toEqual([`${first} 1`, `${first} 2`, `${second} 1`])
  expect(read.mock.calls.map(([{ companyId }]) => companyId).sort()).toEqual([first, second].sort())
  await Promise.all(open.map((each) => each.close()))
  asked.mockClear()
  await clock.advance(10_000)
  expect(asked).not.toHaveBeenCalled()
})

it('a log that fails is asked again with growing pauses, for all companies at once, and nothing is missed', async () => {
  const log = new HeadedLog()
  const { companyId, clock, source, heard, commit } = channelWorld(log)
  await clock.advance(0)
  await commit(1)
  await clock.advance(1_000)
  log.isDown = true
  await commit(2)
  await clock.advance(30_000)
  expect(heard).toEqual(['n1'])
  log.isDown = false
  source.goBack(companyId, 2, 'e2')
  await clock.advance(10_000)
  await commit(1)
  await clock.advance(1_000)
  expect(heard).toEqual(['n1', 'n4'])
})
