/** A tracing SDK for a process of its own, loaded by `--import`: every span is printed, whole, when it has ended. */

import { inspect } from 'node:util'
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base'
import { traceInto } from './spans.js'

class PrintingExporter extends InMemorySpanExporter {
  override export(...[spans, done]: Parameters<InMemorySpanExporter['export']>): void {
    for (const span of spans) process.stderr.write(`${inspect(span, { depth: 8, breakLength: Infinity })}\n`)
    super.export(spans, done)
    this.reset()
  }
}

traceInto(new PrintingExporter())
