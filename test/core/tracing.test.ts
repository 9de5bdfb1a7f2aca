import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, context, type ContextManager, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { InvalidInputError } from '@kerp/core'
import { activeTraceparent, continueTrace, traced, tracingObserver } from '@kerp/core/tracing'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'

const exporter = new InMemorySpanExporter()
const storage = new AsyncLocalStorage<Context>()
const manager: ContextManager = {
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (active, call, self, ...args) => storage.run(active, () => call.apply(self, args)),
  bind: (_active, target) => target,
  enable: () => manager,
  disable: () => manager,
}

beforeAll(() => {
  context.setGlobalContextManager(manager)
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
})
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
