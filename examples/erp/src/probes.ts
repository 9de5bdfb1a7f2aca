/** What machines ask: is the process alive, can it work, what has it counted. */

import { health, type HealthCause, type HealthCheck, withDeadline } from '@kerp/core'
import { Readable } from 'node:stream'
import type { Metrics } from '@kerp/metrics'
import type { DatabasePool } from '@kerp/postgres'
import { redisHealth, redisHealthCauses } from '@kerp/redis'
import { type OutboxRelay, type Registers, relayHealthCauses, trustHealthCauses } from '@kerp/registers'
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
    const report = await health(partsOf(options), { deadlineMs: PROBE_DEADLINE_MS })
    const roots = report.causes.filter(({ part }) => part !== 'relay' && part !== 'trust')
    // A relay cannot keep up without database and Redis: then those are what is to be mended.
    const causes = (roots.length === 0 ? report.causes : roots).map(({ cause }) => cause)
    return reply.code(report.ready ? 200 : 503).send({ ...report, causes })
  })

  server.get('/metrics', async (_request, reply) => {
    reply.type(options.registry.contentType)
    return reply.send(Readable.from(options.metrics.exposition()))
  })
}

/** Without Redis, or a relay that keeps up, everything still answers, from the database: degraded, but ready. */
function partsOf(options: ProbesOptions): Readonly<Record<string, HealthCheck>> {
  const { redis, registers, relay } = options
  const deadlineMs = PROBE_DEADLINE_MS / 2
  const shared = redis.coordination === redis.client
  return {
    database: () => databaseCauses(options),
    cache: async () =>
      redisHealthCauses(await redisHealth(redis.client, { deadlineMs }), shared ? 'coordination' : 'cache'),
    coordination: async () =>
      shared ? [] : redisHealthCauses(await redisHealth(redis.coordination, { deadlineMs }), 'coordination'),
    relay: () => relayHealthCauses(relay),
    trust: () => trustHealthCauses(registers),
  }
}

const PROBE_DEADLINE_MS = 1_000

async function databaseCauses({ pool, start }: ProbesOptions): Promise<readonly HealthCause[]> {
  try {
    await withDeadline(askDatabase(pool), {
      operation: 'readyz',
      deadlineMs: PROBE_DEADLINE_MS / 2,
      outcome: 'notDone',
    })
  } catch {
    return [{ level: 'unready', cause: 'the database cannot be reached' }]
  }
  return start.isDone ? [] : [{ level: 'unready', cause: 'the database is being prepared' }]
}

async function askDatabase(pool: DatabasePool): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query({ text: 'SELECT 1' })
    client.release()
  } catch (error) {
    client.release(true)
    throw error
  }
}
