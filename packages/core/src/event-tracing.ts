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
