import { InvalidInputError } from '@kerp/core'
import { activeTraceparent, continueTrace, traced, tracingObserver } from '@kerp/core/tracing'
import { afterEach, describe, expect, it } from 'vitest'
import { registerTracing } from '../support/spans.js'

const exporter = registerTracing()
afterEach(() => exporter.reset())

const spans = () => exporter.getFinishedSpans()

/** Has private fields, as the classes of this library have. */
class Counter {
  #count = 0
  readonly name = 'counter'
  add(count: number): number {
    this.#count += count
    return this.#count
  }
  async later(count: number): Promise<number> {
    await Promise.resolve()
    tracingObserver().redisOperation?.({ operation: 'applyRegisters', status: 'timeout', elapsedMs: 3 })
    tracingObserver().step?.({ name: 'apply.applied' })
    return this.add(count)
  }
  fail(): Promise<never> {
    return Promise.reject(new InvalidInputError('amount', 'less', '98765432123'))
  }
}

describe('Tracing', () => {
  it('makes a span of each call that was named, with its calls to Redis below it, and its steps', async () => {
    const counter = traced(new Counter(), { name: 'Counter', methods: ['later', 'fail'] })
    expect([counter.name, counter.add(1), await counter.later(98_765_432_123)]).toEqual([
      'counter',
      1,
      98_765_432_124,
    ])
    const [redis, call] = spans()
    expect([redis?.name, call?.name, spans().length]).toEqual(['redis applyRegisters', 'Counter.later', 2])
    expect(redis?.parentSpanContext?.spanId).toBe(call?.spanContext().spanId)
    expect(redis?.attributes).toEqual({
      'db.system.name': 'redis',
      'db.operation.name': 'applyRegisters',
      'error.type': 'timeout',
    })
    expect(call?.events.map(({ name }) => name)).toEqual(['apply.applied'])
    expect(call?.attributes).toEqual({})
  })

  it('makes a span of a relay’s pass that moved something or failed, and none of what idles', () => {
    const observer = tracingObserver()
    observer.redisOperation?.({ operation: 'writeProbe', status: 'ok', elapsedMs: 1 })
    observer.relayTick?.({ ok: true, rows: 0, companies: 3, elapsedMs: 1 })
    observer.eventRelayTick?.({ ok: true, events: 0, resets: 0, elapsedMs: 1 })
    expect(spans()).toEqual([])
    observer.relayTick?.({ ok: true, rows: 4, companies: 3, elapsedMs: 1 })
    observer.eventRelayTick?.({ ok: false, events: 0, resets: 0, elapsedMs: 1 })
    expect(spans().map(({ name, attributes, status }) => [name, attributes, status.code])).toEqual([
      ['OutboxRelay.tick', { moved: 4 }, 0],
      ['EventRelay.tick', { moved: 0, 'error.type': 'incomplete' }, 2],
    ])
  })

  it('names an error by its code, and holds neither its message nor what was given', async () => {
    const counter = traced(new Counter(), { name: 'Counter', methods: ['fail'] })
    await expect(counter.fail()).rejects.toThrow(InvalidInputError)
    const [call] = spans()
    expect([call?.attributes, call?.status]).toEqual([{ 'error.type': 'INVALID_INPUT' }, { code: 2 }])
    const told = spans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status }))
    expect(JSON.stringify(told)).not.toContain('98765432123')
  })

  it('goes on in the handler of an event, by its traceparent', async () => {
    const publishing = traced({ publish: () => activeTraceparent() }, { name: 'P', methods: ['publish'] })
    const traceparent = publishing.publish()
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(await continueTrace(traceparent, 'events:voucher:created', () => Promise.resolve(7))).toBe(7)
    const [published, handled] = spans()
    expect(handled?.parentSpanContext?.spanId).toBe(published?.spanContext().spanId)
    expect(handled?.spanContext().traceId).toBe(published?.spanContext().traceId)
  })

  it('begins anew without a traceparent, or with one that is none', () => {
    expect(activeTraceparent()).toBeUndefined()
    for (const traceparent of [undefined, 'x', '00-1-2-3']) continueTrace(traceparent, 'event', () => 1)
    expect(spans().map(({ parentSpanContext }) => parentSpanContext)).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})
