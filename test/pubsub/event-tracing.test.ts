/** The trace of who publishes goes on in the handlers of subscribers and consumers. */

import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import { activeTraceparent, eventTracing, traced } from '@kerp/core/tracing'
import { Consumer, erpEvents, Publisher, Subscriber } from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { registerTracing } from '../support/spans.js'
import { keys, Record, until } from './event-world.js'

const exporter = registerTracing()
afterEach(() => exporter.reset())

const type = 'events:voucher:approved'
const spansNamed = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name)

function open(tracing = eventTracing()) {
  const parts = { redis: mockRedis(), keys, events: erpEvents, tracing }
  const companyId = freshCompany()
  const publisher = traced(new Publisher(parts), { name: 'Publisher', methods: ['publish', 'publishMany'] })
  const subscriber = new Subscriber({ ...parts, tailMs: 50 })
  onTestFinished(async () => {
    await subscriber.close()
    await publisher.close()
  })
  const event = { companyId, type, payload: { id: 'V-1' } } as const
  return { parts, companyId, publisher, subscriber, event }
}

describe('the trace of who publishes', () => {
  it('goes on in the handlers of a subscriber and of a consumer', async () => {
    const { parts, companyId, publisher, subscriber, event } = open()
    const record = new Record()
    const inside: (string | undefined)[] = []
    record.onBatch = () => inside.push(activeTraceparent())
    await subscriber.subscribe({ companyId, from: 'now' }, record).started
    const handler = () => Promise.resolve(inside.push(activeTraceparent()))
    const consumer = new Consumer({ ...parts, group: 'g', companies: [companyId], pollMs: 20, handler })
    onTestFinished(() => consumer.close())
    const { traceparent } = await publisher.publish(event)
    consumer.start()
    await until('two spans', () => spansNamed(type).length >= 2)
    const [publishing] = spansNamed('Publisher.publish')
    expect(traceparent).toContain(publishing?.spanContext().spanId)
    const of = { traceId: publishing?.spanContext().traceId, spanId: publishing?.spanContext().spanId }
    expect(spansNamed(type).map(({ parentSpanContext }) => parentSpanContext)).toMatchObject([of, of])
    expect(inside.map((each) => each?.split('-')[1])).toEqual([of.traceId, of.traceId])
    expect(record.batches[0]?.events[0]?.traceparent).toBe(traceparent)
  })

  it('is linked where a batch has several, and kept where the event brings its own', async () => {
    const { companyId, publisher, subscriber, event } = open()
    const own = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await publisher.publish(event)
    await publisher.publishMany([event, { ...event, traceparent: own }])
    const record = new Record()
    subscriber.subscribe({ companyId, from: 'beginning' }, record)
    await record.has(3)
    await until('the span', () => spansNamed(type).length > 0)
    const published = [...spansNamed('Publisher.publish'), ...spansNamed('Publisher.publishMany')]
    const spanIds = [...published.map((span) => span.spanContext().spanId), 'b7ad6b7169203331']
    const [handled] = spansNamed(type)
    expect(handled?.links.map((link) => link.context.spanId)).toEqual(spanIds)
    expect(handled?.parentSpanContext).toBeUndefined()
  })

  it('is nothing that publishing depends on', async () => {
    const fail = {
      traceparent: () => {
        throw new Error('no tracer')
      },
    }
    for (const broken of [fail, { traceparent: () => 'not a context' }]) {
      const { publisher, event } = open({ ...eventTracing(), ...broken })
      expect(await publisher.publish(event)).not.toHaveProperty('traceparent')
    }
    const { publisher, event } = open()
    const [many] = await context.with(ROOT_CONTEXT, () => publisher.publishMany([event]))
    expect(many?.traceparent).toMatch(/^00-/)
  })
})
