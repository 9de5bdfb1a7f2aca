/** The port by which traces go along with events. */

/** How the trace of who publishes goes on where an event is handled; `eventTracing()` of `@kerp/core/tracing` is one. */
export interface EventTracing {
  /** The W3C trace context of what runs now; undefined without one. */
  traceparent(): string | undefined
  /**
   * Calls the handler of events that have these contexts, each named once, and answers as it does: below the context if
   * there is one, beside all of them if there are several. `name` is a type of event, or `events`.
   */
  handle<R>(traceparents: readonly string[], name: string, call: () => R): R
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** Whether a text is a W3C trace context. */
export function isTraceparent(value: unknown): value is string {
  return typeof value === 'string' && TRACEPARENT.test(value)
}

/** The context that a new event gets; a port that fails, or gives something else, costs the trace and nothing else. */
export function currentTraceparent(
  tracing: Pick<EventTracing, 'traceparent'> | undefined,
): string | undefined {
  if (tracing === undefined) return undefined
  try {
    const traceparent = tracing.traceparent()
    return isTraceparent(traceparent) ? traceparent : undefined
  } catch {
    return undefined
  }
}
