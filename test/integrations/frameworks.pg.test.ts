/** The example services of `examples/`, each on a real server of its framework, with Redis as a double in memory. */

import { createServer, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { anyAccount } from '@kerp/postgres'
import { Realtime } from '@kerp/realtime'
import { mockRedis } from '@kerp/redis/testing'
import { Logger } from '@nestjs/common'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, inject, vi } from 'vitest'
import { createApp as createExpressApp } from '../../examples/express/src/app.js'
import { createApp as createFastifyApp } from '../../examples/fastify/src/app.js'
import { createApp as createNestApp } from '../../examples/nestjs/src/create-app.js'
import { type OwnDatabase, ownDatabase } from '../postgres/own-database.js'
import { describeSalesService, type RunningService } from './sales-service.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})
afterAll(() => database.close())

function openRealtime(): Realtime {
  const { pool } = database
  return new Realtime({
    redis: mockRedis(),
    pool,
    accounts: anyAccount,
    registry: new Registry(),
    logger: false,
  })
}

async function openFastify(realtime = openRealtime()): Promise<RunningService> {
  const app = await createFastifyApp(realtime)
  return { url: await app.listen({ port: 0 }), close: () => app.close() }
}

async function openExpress(realtime = openRealtime()): Promise<RunningService> {
  realtime.start()
  const server = createServer(createExpressApp(realtime))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      await closeServer(server)
      await realtime.close()
    },
  }
}

function closeServer(server: Server): Promise<unknown> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(resolve))
}

async function openNest(): Promise<RunningService> {
  Logger.overrideLogger(false)
  vi.stubEnv('DATABASE_URL', database.url)
  const app = await createNestApp()
  await app.listen(0, '127.0.0.1')
  return { url: await app.getUrl(), close: () => app.close() }
}

describe('the example service', () => {
  describeSalesService({ name: 'Fastify', open: () => openFastify() })
  describeSalesService({ name: 'Express', open: () => openExpress() })
  describeSalesService({ name: 'NestJS', open: openNest })
})
