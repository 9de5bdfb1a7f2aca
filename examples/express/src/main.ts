/** Opens servers, prepares the database and listens. Without `DATABASE_URL` and `REDIS_URL` it brings its own. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { anyAccount, migrate } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { Realtime } from '@kerp/realtime'
import { connectRedis } from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import { Pool } from 'pg'
import { Registry } from 'prom-client'
import { createApp } from './app.js'

const { DATABASE_URL, REDIS_URL, PORT = '3000' } = process.env

const pool = new Pool({ connectionString: DATABASE_URL ?? (await openPrivatePostgres()).url })
const redis = REDIS_URL === undefined ? mockRedis() : await connectRedis()
await migrate(pool)

const realtime = new Realtime({ redis, pool, accounts: anyAccount, registry: new Registry() })
realtime.start()
const server = createApp(realtime).listen(Number(PORT))
await once(server, 'listening')
console.log(`listening on http://localhost:${(server.address() as AddressInfo).port}`)

process.once('SIGTERM', () => {
  server.close(() => {
    void realtime
      .close()
      .then(() => Promise.all([pool.end(), redis.quit()]))
      .then(() => process.exit(0))
  })
})
