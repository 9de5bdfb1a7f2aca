/**
 * Spans around what is posted, read, moved, relayed and handled, in one trace from a request to whoever hears of it.
 *
 * They are there when the process was started with a tracing SDK: `node --import ./your-opentelemetry.mjs`. Without one
 * nothing of OpenTelemetry is loaded, or needed.
 */

import type { EventTracing, Observer } from '@kerp/core'

/** How the parts of the app are traced. */
export interface Tracing {
  /** Undefined when nobody traces. */
  readonly observer: Observer | undefined
  /** To be spread over the options of whatever writes or handles events; empty when nobody traces. */
  readonly ofEvents: { readonly tracing?: EventTracing }
  /** The part with a span around each call of these methods; the part itself when nobody traces. */
  readonly around: <T extends object>(part: T, name: string, methods: readonly (keyof T & string)[]) => T
}

/** Looks whether a tracing SDK is registered, and loads what spans need only then. */
export async function openTracing(): Promise<Tracing> {
  if (!hasTracer()) return { observer: undefined, ofEvents: {}, around: (part) => part }
  const { eventTracing, traced, tracingObserver } = await import('@kerp/core/tracing')
  return {
    observer: tracingObserver(),
    ofEvents: { tracing: eventTracing() },
    around: (part, name, methods) => traced(part, { name, methods }),
  }
}

/** An SDK registers itself under this name, which all versions 1 of the API share. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

function hasTracer(): boolean {
  const api: unknown = Reflect.get(globalThis, REGISTERED)
  return typeof api === 'object' && api !== null && Reflect.get(api, 'trace') !== undefined
}
