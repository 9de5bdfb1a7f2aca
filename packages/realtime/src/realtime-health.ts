/** Whether to send requests to this process, asked of all that its answers stand on. */

import { health, type HealthCheck, type HealthReport } from '@kerp/core'
import { databaseHealth, type DatabasePool } from '@kerp/postgres'
import { type RedisClient, type RedisHealth, redisHealth, redisHealthCauses } from '@kerp/redis'
import { type OutboxRelay, type Registers, relayHealthCauses, trustHealthCauses } from '@kerp/registers'

/** What is asked. */
export interface RealtimeHealthParts {
  readonly pool: DatabasePool
  /** Of `migrate`. @defaultValue 'kerp' */
  readonly schema?: string | undefined
  readonly redis: RedisClient
  /** Where locks are. @defaultValue `redis` */
  readonly coordination?: RedisClient | undefined
  readonly registers: Pick<Registers, 'freshness'> & Partial<Pick<Registers, 'foreign'>>
  /** The relay of this process, if it has one. */
  readonly relay?: (Pick<OutboxRelay, 'lagMs'> & Partial<Pick<OutboxRelay, 'foreign'>>) | undefined
  /** Checks of the host's own, by name. */
  readonly more?: Readonly<Record<string, HealthCheck>> | undefined
}

const DEADLINE_MS = 1_000
const PART_DEADLINE_MS = DEADLINE_MS / 2

/**
 * Asks all parts at once. Without the database, or its schema, the process is unready. Without Redis, or a relay that keeps up,
 * everything still answers, from the database: degraded, but ready.
 *
 * Takes at most 1 s. Never throws.
 */
export async function realtimeHealth(parts: RealtimeHealthParts): Promise<HealthReport> {
  const { pool, schema, redis, coordination = redis, registers, relay, more } = parts
  const shared = coordination === redis
  const holdingUp = new Set<string>()
  const report = await health(
    {
      ...more,
      async database() {
        const causes = await databaseHealth(pool, { schema, deadlineMs: PART_DEADLINE_MS })
        if (causes.length > 0) holdingUp.add('database')
        return causes
      },
      async cache() {
        const found = await ask(redis)
        if (!takesWrites(found)) holdingUp.add('cache')
        return redisHealthCauses(found, shared ? 'coordination' : 'cache')
      },
      coordination: async () => (shared ? [] : redisHealthCauses(await ask(coordination), 'coordination')),
      relay: () => (relay === undefined ? [] : relayHealthCauses(relay)),
      trust: () => trustHealthCauses(registers),
    },
    { deadlineMs: DEADLINE_MS },
  )
  // A relay cannot keep up without database and Redis: then those are what is to be mended.
  const roots = report.causes.filter(({ part }) => part !== 'relay' && part !== 'trust')
  return { ...report, causes: holdingUp.size === 0 ? report.causes : roots }
}

function ask(redis: RedisClient): Promise<RedisHealth> {
  return redisHealth(redis, { deadlineMs: PART_DEADLINE_MS })
}

function takesWrites({ reachable, role, persistence }: RedisHealth): boolean {
  const isLoading = persistence?.loading === true
  return reachable && role !== 'replica' && !isLoading && persistence?.lastWriteOk !== false
}
