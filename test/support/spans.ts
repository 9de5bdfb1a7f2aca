/** A tracing SDK for tests, registered as a host registers its own: spans are kept in memory. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, context, type ContextManager, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'

/** Registers it for the rest of this process, and answers with where its spans go. */
export function registerTracing(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter()
  traceInto(exporter)
  return exporter
}

/** Registers it with another place for its spans. */
export function traceInto(exporter: SpanExporter): void {
  const storage = new AsyncLocalStorage<Context>()
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, call, self, ...args) => storage.run(active, () => call.apply(self, args)),
    bind: (_active, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  // Another test file of this process may have registered its own.
  context.disable()
  trace.disable()
  context.setGlobalContextManager(manager)
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
}
