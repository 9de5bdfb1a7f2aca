/** What machines ask: is the process alive, can it work, what has it counted. */

import { withDeadline } from '@kerp/core'
import { Readable } from 'node:stream'
import type { Metrics } from '@kerp/metrics'
import type { DatabasePool } from '@kerp/postgres'
import { type RedisClient, redisHealth } from '@kerp/redis'
import type { OutboxRelay, Registers } from '@kerp/registers'
import type { Registry } from 'prom-client'
import type { HttpServer } from './http/server.js'

/** What the probes look at. */
export interface ProbesOptions {
  readonly pool: DatabasePool
  readonly redis: RedisClient
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
    const [database, redis] = await Promise.all([databaseCause(options), redisCause(options.redis)])
    const ready = database === undefined
    if (!ready)
      return reply.code(503).send({ ready, degraded: redis !== undefined, causes: listed(database, redis) })
    // Without Redis, or a relay that keeps up, everything still answers, from the database: degraded, but ready.
    const causes =
      redis === undefined ? listed(relayCause(options.relay), trustCause(options.registers)) : [redis]
    return { ready, degraded: causes.length > 0, causes }
  })

  server.get('/metrics', async (_request, reply) => {
    reply.type(options.registry.contentType)
    return reply.send(Readable.from(options.metrics.exposition()))
  })
}

/** A relay that is further behind, and caches that nobody vouched for during so long, are worth a look, in ms. */
const BEHIND_MS_MAX = 5_000

function listed(...causes: readonly (string | undefined)[]): readonly string[] {
  return causes.filter((cause) => cause !== undefined)
}

function relayCause({ lagMs }: OutboxRelay): string | undefined {
  return lagMs <= BEHIND_MS_MAX ? undefined : `the relay is ${Math.round(lagMs / 1_000)} s behind`
}

function trustCause(registers: Registers): string | undefined {
  const untrustedMs = registers.freshness()?.untrustedMs ?? 0
  if (untrustedMs <= BEHIND_MS_MAX) return undefined
  return `no heartbeat of a relay for ${Math.round(untrustedMs / 1_000)} s: the database answers all reads`
}

const PROBE_DEADLINE_MS = 1_000

async function databaseCause({ pool, start }: ProbesOptions): Promise<string | undefined> {
  try {
    await withDeadline(askDatabase(pool), {
      operation: 'readyz',
      deadlineMs: PROBE_DEADLINE_MS,
      outcome: 'notDone',
    })
  } catch {
    return 'the database cannot be reached'
  }
  return start.isDone ? undefined : 'the database is being prepared'
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
