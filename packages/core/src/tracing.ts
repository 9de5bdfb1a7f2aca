/**
 * Tracing by OpenTelemetry, for those who ask for it: its own entry point, so that nobody else needs the API.
 *
 * A span has the name of what was called, how it ended, and nothing of what it was given: no key, amount, company
 * or argument.
 */

import {
  context,
  propagation,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api'
import { systemClock } from './clock.js'
import { KerpError } from './errors.js'
import type { EventTracing } from './event-tracing.js'
import { isError } from './thrown.js'
import type { Observer } from './observer.js'

const INSTRUMENTATION = '@kerp'
const MS_PER_S = 1_000

function tracerOf(tracer: Tracer | undefined): Tracer {
  return tracer ?? trace.getTracer(INSTRUMENTATION)
}

/**
 * The same object, with a span around each call of the methods that are named: `BalanceCache.get`. Other members
 * are as they were. Without a tracing SDK in the process a call costs a few hundred nanoseconds more, and no span.
 *
 * @example
 * import { traced } from '@kerp/core/tracing'
 * const list = traced({ add: (a: number, b: number) => a + b }, { name: 'Sums', methods: ['add'] })
 * list.add(1, 2) // => 3
 */
export function traced<T extends object>(
  target: T,
  options: {
    readonly name: string
    readonly methods: readonly (keyof T & string)[]
    readonly tracer?: Tracer | undefined
  },
): T {
  const tracer = tracerOf(options.tracer)
  const names = new Set<PropertyKey>(options.methods)
  return new Proxy(target, {
    get(object, property): unknown {
      const member: unknown = Reflect.get(object, property, object)
      if (typeof member !== 'function') return member
      // Bound to the object itself, whose private fields a proxy does not have.
      const call = (...args: unknown[]): unknown => Reflect.apply(member, object, args)
      if (!names.has(property)) return call
      const name = `${options.name}.${String(property)}`
      return (...args: unknown[]) =>
        tracer.startActiveSpan(name, { kind: SpanKind.INTERNAL }, (span) => within(span, () => call(...args)))
    },
  })
}

/**
 * An observer that makes a span of each call to Redis and an event of each step below the span that is active, and
 * a span of each pass of a relay that moved something, or failed. What runs in the background with nothing to do,
 * such as probes and heartbeats, leaves no trace.
 */
export function tracingObserver(tracer?: Tracer): Observer {
  const used = tracerOf(tracer)
  const ended = (name: string, kind: SpanKind, { elapsedMs, errorType, attributes }: Ended): void => {
    const endMs = systemClock.nowMs()
    const span = used.startSpan(name, { kind, startTime: endMs - elapsedMs, attributes })
    if (errorType !== undefined) {
      span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute('error.type', errorType)
    }
    span.end(endMs)
  }
  const relayed = (name: string, { ok, elapsedMs, moved }: Relayed): void => {
    if (ok && moved === 0) return
    const errorType = ok ? undefined : 'incomplete'
    ended(name, SpanKind.INTERNAL, { elapsedMs, errorType, attributes: { moved } })
  }
  return {
    redisOperation({ operation, status, elapsedMs }) {
      if (trace.getActiveSpan() === undefined) return
      const attributes = { 'db.system.name': 'redis', 'db.operation.name': operation }
      const errorType = status === 'ok' ? undefined : status
      ended(`redis ${operation}`, SpanKind.CLIENT, { elapsedMs, errorType, attributes })
    },
    relayTick({ ok, rows, elapsedMs }) {
      relayed('OutboxRelay.tick', { ok, elapsedMs, moved: rows })
    },
    eventRelayTick({ ok, events, elapsedMs }) {
      relayed('EventRelay.tick', { ok, elapsedMs, moved: events })
    },
    step({ name }) {
      trace.getActiveSpan()?.addEvent(name)
    },
    cacheLoad({ type, ok, elapsedMs }) {
      trace.getActiveSpan()?.addEvent('cache load', { type, ok, 'duration.s': elapsedMs / MS_PER_S })
    },
  }
}

/** A span that is made when it is over. */
interface Ended {
  readonly elapsedMs: number
  readonly errorType: string | undefined
  readonly attributes: Readonly<Record<string, string | number>>
}

/** One pass of a relay. */
interface Relayed {
  readonly ok: boolean
  readonly elapsedMs: number
  /** Rows or events. */
  readonly moved: number
}

/** The W3C `traceparent` of the active span, for an event that is published; undefined without one. */
export function activeTraceparent(): string | undefined {
  const carrier: { traceparent?: string | undefined } = {}
  const span = trace.getActiveSpan()?.spanContext()
  if (span === undefined || !trace.isSpanContextValid(span)) return undefined
  propagation.inject(context.active(), carrier)
  const flags = span.traceFlags.toString(16).padStart(2, '0')
  return carrier.traceparent ?? `00-${span.traceId}-${span.spanId}-${flags}`
}

/** Runs the handler of an event in a span whose parent is where the event was published. */
export function continueTrace<R>(
  traceparent: string | undefined,
  name: string,
  handle: () => R,
  tracer?: Tracer,
): R {
  const remote = remoteContext(traceparent)
  const parent = remote === undefined ? context.active() : trace.setSpanContext(context.active(), remote)
  return tracerOf(tracer).startActiveSpan(name, { kind: SpanKind.CONSUMER }, parent, (span) =>
    within(span, handle),
  )
}

/** Spans that one span is linked to; later ones are left out. */
const LINKS_MAX = 128

/**
 * What publishers, subscribers and consumers take as `tracing`: events carry the trace of who published them, and their
 * handlers run in spans below it. A batch of several traces has a span of its own, linked to each.
 *
 * @example
 * import { eventTracing } from '@kerp/core/tracing'
 * const publisher = new Publisher({ redis, keys, events: erpEvents, tracing: eventTracing() })
 */
export function eventTracing(tracer?: Tracer): EventTracing {
  return {
    traceparent: activeTraceparent,
    handle(traceparents, name, call) {
      const [first] = traceparents
      if (traceparents.length < 2) return continueTrace(first, name, call, tracer)
      const remotes = traceparents.slice(0, LINKS_MAX).map(remoteContext)
      const links = remotes.filter((remote) => remote !== undefined).map((remote) => ({ context: remote }))
      const options = { kind: SpanKind.CONSUMER, links }
      return tracerOf(tracer).startActiveSpan(name, options, (span) => within(span, call))
    },
  }
}

function remoteContext(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags ?? '0', 16), isRemote: true }
}

/** Ends the span with what it is around, now or later, with an error's code and never its message. */
function within<R>(span: Span, call: () => R): R {
  try {
    const answer = call()
    if (!(answer instanceof Promise)) {
      span.end()
      return answer
    }
    answer.then(
      () => span.end(),
      (error: unknown) => fail(span, error),
    )
    return answer
  } catch (error) {
    fail(span, error)
    throw error
  }
}

function fail(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR }).setAttribute('error.type', typeOf(error))
  span.end()
}

function typeOf(error: unknown): string {
  try {
    return error instanceof KerpError ? error.code : isError(error) ? error.name : 'unknown'
  } catch {
    // Its getters throw.
    return 'unknown'
  }
}
