import { type Clock, systemClock } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { erpEvents } from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { expect, it } from 'vitest'
import { CompanyConsumer } from '../../packages/pubsub/src/company-consumer.js'
import { resolveConsumerOptions } from '../../packages/pubsub/src/consumer-options.js'
import { EntryHandler } from '../../packages/pubsub/src/entry-handler.js'
import { Gate } from '../../packages/pubsub/src/gate.js'
import { freshCompany } from '../support/fresh-company.js'

it('work that is asked for while the work before ends is done', async () => {
  const observer = recordingObserver()
  const takes = (): number =>
    observer.of('redisOperation').filter(({ operation }) => operation === 'take-events').length
  let onEnd: () => void = () => undefined
  const clock: Clock = {
    nowMs: () => systemClock.nowMs(),
    monotonicMs: () => systemClock.monotonicMs(),
    setTimer: (delayMs, run) => {
      const timer = systemClock.setTimer(delayMs, run)
      return {
        cancel: () => {
          timer.cancel()
          // The lease is let go last: a microtask later nothing works, and the work has not settled.
          queueMicrotask(onEnd)
        },
      }
    },
  }
  const parts = resolveConsumerOptions({
    redis: mockRedis(),
    keys: createKeys(),
    events: erpEvents,
    observer,
    clock,
    group: 'g',
    companies: [],
    handler: () => Promise.resolve(),
  })
  const { signal } = new AbortController()
  const handler = new EntryHandler(parts, new Gate(1), signal, signal)
  const worker = new CompanyConsumer(parts, freshCompany(), handler, signal)
  let late: Promise<void> | undefined
  let before = 0
  onEnd = () => {
    before ||= takes()
    late ??= worker.work()
  }
  await worker.work()
  await late
  expect(takes()).toBeGreaterThan(before)
})
