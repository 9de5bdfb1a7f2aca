/** Two processes of the app on one Redis and one database. */

import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { freshDatabase } from './erp-database.js'
import { type Answer, type CompanyClient, type ErpProcess, startErp } from './erp-process.js'

/** Both processes, and a client of company c1 for each. */
export interface ErpPair {
  readonly redis: PrivateRedis
  readonly databaseUrl: string
  readonly processes: readonly [ErpProcess, ErpProcess]
  readonly clients: readonly [CompanyClient, CompanyClient]
  /** Posts to both in turn, all at once. */
  toBoth(path: string, count: number, bodyOf: (index: number) => unknown): Promise<readonly Answer[]>
  close(): Promise<void>
}

/** Starts both at once on an empty database, where they make the schema and the chart together. */
export async function startPair(serverUrl: string): Promise<ErpPair> {
  const redis = await openPrivateRedis()
  const databaseUrl = await freshDatabase(serverUrl)
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redis.url }
  const processes = await Promise.all([startErp(env), startErp(env)])
  const clients = await Promise.all([processes[0].as('c1'), processes[1].as('c1')])
  return {
    redis,
    databaseUrl,
    processes,
    clients,
    toBoth(path, count, bodyOf) {
      const post = (index: number): Promise<Answer> =>
        clients[index % 2 === 0 ? 0 : 1].post(path, bodyOf(index))
      return Promise.all(Array.from({ length: count }, (_, index) => post(index)))
    },
    async close() {
      await Promise.all(processes.map((erp) => erp.stop()))
      await redis.close()
    },
  }
}
