import { ClosedError, type EventSource } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import type { ErpEventSchemas, Subscriber } from '@kerp/pubsub'
import { LogFeed } from '@kerp/live'
import { expect, it } from 'vitest'

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
