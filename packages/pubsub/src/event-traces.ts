/** Traces at the edges of this package: what a port gives is checked, and handlers run below what events carry. */

import type { EventTracing } from '@kerp/core'
import { type EventEnvelope, isTraceparent } from './envelope.js'

/** The context that a new event gets; a port that fails, or gives something else, costs the trace and nothing else. */
export function currentTraceparent(tracing: EventTracing | undefined): string | undefined {
  if (tracing === undefined) return undefined
  try {
    const traceparent = tracing.traceparent()
    return isTraceparent(traceparent) ? traceparent : undefined
  } catch {
    return undefined
  }
}

/** Calls a handler of events in their traces. */
export function handleTraced<R>(
  tracing: EventTracing | undefined,
  events: readonly EventEnvelope[],
  call: () => R,
): R {
  if (tracing === undefined) return call()
  const traceparents = new Set<string>()
  const types = new Set<string>()
  for (const { type, traceparent } of events) {
    types.add(type)
    if (traceparent !== undefined) traceparents.add(traceparent)
  }
  const [type = 'events'] = types
  return tracing.handle([...traceparents], types.size === 1 ? type : 'events', call)
}
