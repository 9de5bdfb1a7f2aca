/** The servers of this service: opened before anything else, closed after everything else. */

import { migrate } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { connectRedis, type RedisClient } from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common'
import { Pool } from 'pg'

/** One Redis and one database. */
export class Servers {
  readonly redis: RedisClient
  readonly pool: Pool

  constructor(redis: RedisClient, pool: Pool) {
    this.redis = redis
    this.pool = pool
  }
}

/** Without `DATABASE_URL` and `REDIS_URL` the service brings its own. */
async function openServers(): Promise<Servers> {
  const { DATABASE_URL, REDIS_URL } = process.env
  const pool = new Pool({ connectionString: DATABASE_URL ?? (await openPrivatePostgres()).url })
  await migrate(pool)
  return new Servers(REDIS_URL === undefined ? mockRedis() : await connectRedis(), pool)
}

/** Provides `Servers`. */
@Module({ providers: [{ provide: Servers, useFactory: openServers }], exports: [Servers] })
export class ServersModule implements OnApplicationShutdown {
  readonly #servers: Servers

  constructor(@Inject(Servers) servers: Servers) {
    this.#servers = servers
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.#servers.pool.end(), this.#servers.redis.quit()])
  }
}
