/** What machines ask: is the process alive, can it work, what has it counted. */

import { withDeadline } from '@kerp/core'
import type { DatabasePool } from '@kerp/postgres'
import { type RedisClient, redisHealth } from '@kerp/redis'
import type { Registry } from 'prom-client'
import type { HttpServer } from './http/server.js'

/** What the probes look at. */
export interface ProbesOptions {
  readonly pool: DatabasePool
  readonly redis: RedisClient
  readonly registry: Registry
  /** Whether the schema and the chart are in place. */
  readonly isPrepared: () => boolean
}

/** Registers `/healthz`, `/readyz` and `/metrics`. */
export function probeRoutes(server: HttpServer, options: ProbesOptions): void {
  server.get('/healthz', () => ({ ok: true }))

  server.get('/readyz', async (_request, reply) => {
    const [database, redis] = await Promise.all([databaseCause(options), redisCause(options.redis)])
    const ready = database === undefined
    if (!ready) reply.code(503)
    // Without Redis everything still answers, from the database: degraded, but ready.
    return {
      ready,
      degraded: redis !== undefined,
      causes: [database, redis].filter((cause) => cause !== undefined),
    }
  })

  server.get('/metrics', async (_request, reply) => {
    reply.type(options.registry.contentType)
    return options.registry.metrics()
  })
}

const PROBE_DEADLINE_MS = 1_000

async function databaseCause({ pool, isPrepared }: ProbesOptions): Promise<string | undefined> {
  try {
    await withDeadline(askDatabase(pool), {
      operation: 'readyz',
      deadlineMs: PROBE_DEADLINE_MS,
      outcome: 'notDone',
    })
  } catch {
    return 'the database cannot be reached'
  }
  return isPrepared() ? undefined : 'the database is being prepared'
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

async function redisCause(redis: RedisClient): Promise<string | undefined> {
  const health = await redisHealth(redis, { deadlineMs: PROBE_DEADLINE_MS })
  return health.reachable ? undefined : 'Redis cannot be reached: the database answers all reads'
}
