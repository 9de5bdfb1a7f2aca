/**
 * The servers that tests share: one redis-server and one PostgreSQL, private, started once and ended with the run. Files
 * run in parallel against them, so each test takes its own company.
 */

import { openPrivatePostgres } from '@kerp/postgres/testing'
import { RedisMissingError } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Path of the unix socket of a redis-server with `noeviction`. */
    redisSocket: string
    /** A PostgreSQL whose user may create databases; `max_prepared_transactions` is 20. */
    databaseUrl: string
  }
}

/** Starts the servers, tells the tests where they are, and returns how they are ended. */
export default async function openServers(project: TestProject): Promise<() => Promise<void>> {
  // Without one the files that need it are left out, and the rest runs.
  const redis = await openPrivateRedis().catch((error: unknown) => {
    if (error instanceof RedisMissingError) return undefined
    throw error
  })
  const postgres = await openPrivatePostgres({
    settings: { max_prepared_transactions: 20, max_connections: 200 },
  }).catch(async (error: unknown) => {
    await redis?.close()
    throw error
  })
  project.provide('redisSocket', redis?.socketPath ?? '')
  project.provide('databaseUrl', postgres.url)
  return async () => {
    await redis?.close()
    await postgres.close()
  }
}
