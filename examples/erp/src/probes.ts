/** What machines ask: is the process alive, can it work, what has it counted. */

import { Readable } from 'node:stream'
import type { Metrics } from '@kerp/metrics'
import type { DatabasePool } from '@kerp/postgres'
import { realtimeHealth } from '@kerp/realtime'
import type { OutboxRelay, Registers } from '@kerp/registers'
import type { Registry } from 'prom-client'
import type { HttpServer } from './http/server.js'
import type { RedisPart } from './parts.js'

/** What the probes look at. */
export interface ProbesOptions {
  readonly pool: DatabasePool
  readonly redis: Pick<RedisPart, 'client' | 'coordination'>
  readonly registers: Registers
  readonly relay: OutboxRelay
  readonly registry: Registry
  readonly metrics: Metrics
  /** Whether the schema and the chart are in place. */
  readonly start: { readonly isDone: boolean }
}

/** Registers `/healthz`, `/readyz` and `/metrics`. */
export function probeRoutes(server: HttpServer, options: ProbesOptions): void {
  server.get('/healthz', () => ({ ok: true }))

  server.get('/readyz', async (_request, reply) => {
    const { pool, redis, registers, relay, start } = options
    const report = await realtimeHealth({
      pool,
      redis: redis.client,
      coordination: redis.coordination,
      registers,
      relay,
      more: {
        start: () => (start.isDone ? [] : [{ level: 'unready', cause: 'the schema is not in place yet' }]),
      },
    })
    const causes = report.causes.map(({ cause }) => cause)
    return reply.code(report.ready ? 200 : 503).send({ ...report, causes })
  })

  server.get('/metrics', async (_request, reply) => {
    reply.type(options.registry.contentType)
    return reply.send(Readable.from(options.metrics.exposition()))
  })
}
