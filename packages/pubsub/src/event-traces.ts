/** Handlers run below the traces that events carry. */

import type { EventTracing } from '@kerp/core'
import type { EventEnvelope } from './envelope.js'

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
