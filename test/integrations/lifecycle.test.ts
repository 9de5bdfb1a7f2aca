/** What the integrations promise beside the routes of a service: who starts, who closes, and what is answered when. */

import 'reflect-metadata'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BalanceCache } from '@kerp/balance-cache'
import { ClosedError, setDefaultLogger } from '@kerp/core'
import { kerpProbes } from '@kerp/express'
import { kerpFastify } from '@kerp/fastify'
import { Locks, Stock } from '@kerp/inventory-lock'
import { KerpModule, PROBE_ROUTES } from '@kerp/nestjs'
import { Ledger } from '@kerp/postgres'
import { Realtime, type RealtimeOptions } from '@kerp/realtime'
import { mockRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import {
  type CanActivate,
  type INestApplication,
  Logger,
  Module,
  SetMetadata,
  VersioningType,
} from '@nestjs/common'
import { type AbstractHttpAdapter, NestFactory, Reflector } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import fastify from 'fastify'
import { Pool } from 'pg'
import { Registry } from 'prom-client'
import { describe, expect, test, vi } from 'vitest'

/** Nobody listens there, so that every question to the database fails at once. */
const NOWHERE = { host: '127.0.0.1', port: 1 }

function openRealtime(options: Partial<RealtimeOptions> = {}): Realtime {
  return new Realtime({
    redis: mockRedis(),
    pool: new Pool(NOWHERE),
    background: false,
    logger: false,
    ...options,
  })
}

/** A module without anything of its own. */
@Module({})
class Root {}

Logger.overrideLogger(false)

async function openNest(realtime: Realtime, options: Parameters<typeof KerpModule.forRoot>[1] = {}) {
  const imports = [KerpModule.forRoot(realtime, options)]
  return NestFactory.create({ module: Root, imports })
}

async function statusesOf(url: string): Promise<readonly number[]> {
  const asked = ['/healthz', '/readyz', '/metrics', '/other'].map((path) => fetch(`${url}${path}`))
  return (await Promise.all(asked)).map(({ status }) => status)
}

/** Alive, not ready, nothing counted, and a path of somebody else's. */
const WITHOUT_DATABASE = [200, 503, 404, 404]

describe('without a database and without a registry the probes say so', () => {
  test('with Fastify, below a prefix', async () => {
    const app = fastify()
    await app.register(kerpFastify, { realtime: openRealtime(), probes: '/-' })
    const url = await app.listen({ port: 0 })
    expect(await statusesOf(`${url}/-`)).toEqual(WITHOUT_DATABASE)
    await app.close()
  })

  test('with NestJS', async () => {
    const app = await openNest(openRealtime())
    await app.listen(0, '127.0.0.1')
    expect(await statusesOf(await app.getUrl())).toEqual(WITHOUT_DATABASE)
    await app.close()
  })

  test('with Express and anything else that takes middleware', async () => {
    const realtime = openRealtime()
    const probes = kerpProbes(realtime)
    const server = createServer((request, response) =>
      probes(request, response, () => response.writeHead(404).end()),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await statusesOf(url)).toEqual(WITHOUT_DATABASE)
    expect((await fetch(`${url}/healthz`, { method: 'HEAD' })).status).toBe(200)
    expect((await fetch(`${url}/healthz`, { method: 'POST' })).status).toBe(404)
    server.closeAllConnections()
    server.close()
    await realtime.close()
  })
})

describe('the parts start with the server and close with it, and what the host gave stays open', () => {
  async function expectLifecycle(
    open: (realtime: Realtime) => Promise<{ ready(): Promise<unknown>; close(): Promise<unknown> }>,
  ): Promise<void> {
    const redis = mockRedis()
    const realtime = openRealtime({ redis })
    const start = vi.spyOn(realtime, 'start')
    const app = await open(realtime)
    await app.ready()
    expect(start).toHaveBeenCalledOnce()
    await app.close()
    expect(() => realtime.relay.start()).toThrow(ClosedError)
    expect(await redis.ping()).toBe('PONG')
  }

  test('with Fastify', () =>
    expectLifecycle(async (realtime) => {
      const app = fastify()
      await app.register(kerpFastify, { realtime, probes: false })
      return { ready: async () => app.ready(), close: () => app.close() }
    }))

  test('with NestJS', () =>
    expectLifecycle(async (realtime) => {
      const app = await openNest(realtime)
      return { ready: () => app.init(), close: () => app.close() }
    }))
})

describe('what fails in the background of a Realtime is written', () => {
  async function failOnce(logger: RealtimeOptions['logger'], lines: () => readonly unknown[]): Promise<void> {
    const realtime = openRealtime({ background: true, logger })
    realtime.start()
    await expect
      .poll(lines)
      .toContainEqual(
        expect.stringMatching(/^K-ERP Retention: DATABASE_UNAVAILABLE: The database is not available/),
      )
    await realtime.close()
  }

  test('to the logger of the host, with its code and message', async () => {
    const lines: string[] = []
    await failOnce({ warn: (line) => lines.push(line) }, () => lines)
  })

  test('to the console, when the host gives no logger', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue()
    setDefaultLogger(console)
    try {
      await failOnce(undefined, () => warn.mock.calls.flat())
    } finally {
      setDefaultLogger(false)
      warn.mockRestore()
    }
  })
})

test('in NestJS each part is injected by its class, and probes can be left out', async () => {
  const realtime = openRealtime({ registry: new Registry() })
  const app = await openNest(realtime, { probes: false })
  const { ledger, balances, stock, locks, registers, relay } = realtime
  const given = [realtime, ledger, balances, stock, locks, registers, relay]
  const classes = [Realtime, Ledger, BalanceCache, Stock, Locks, Registers, OutboxRelay]
  const injected = classes.map((part) => app.get<unknown>(part, { strict: false }))
  expect(injected.map((part, index) => part === given[index])).toEqual(given.map(() => true))
  await app.listen(0, '127.0.0.1')
  expect(await statusesOf(await app.getUrl())).toEqual([404, 404, 404, 404])
  await app.close()
})

const platforms: readonly [string, () => AbstractHttpAdapter][] = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
]

/** What probes and a route of the host's own answer without a token. */
async function nestStatuses(
  adapter: AbstractHttpAdapter,
  options: Parameters<typeof KerpModule.forRoot>[1],
  configure: (app: INestApplication) => void,
): Promise<readonly number[]> {
  const imports = [KerpModule.forRoot(openRealtime(), options)]
  const app = await NestFactory.create({ module: Root, imports }, adapter)
  configure(app)
  await app.listen(0, '127.0.0.1')
  const statuses = await statusesOf(await app.getUrl())
  await app.close()
  return statuses
}

test.each(platforms)(
  'in NestJS, with %s, the probes have no version and can stay outside a global prefix',
  async (_, open) => {
    for (const versioning of [
      { type: VersioningType.URI, defaultVersion: '1' },
      { type: VersioningType.HEADER, header: 'x-version', defaultVersion: '1' },
    ] as const) {
      const statuses = await nestStatuses(open(), {}, (app) => {
        app.setGlobalPrefix('api', { exclude: [...PROBE_ROUTES] })
        app.enableVersioning(versioning)
      })
      expect(statuses).toEqual(WITHOUT_DATABASE)
    }
  },
)

test.each(platforms)(
  'in NestJS, with %s, the probes can be marked for the guards of the host',
  async (_, open) => {
    const guard: CanActivate = {
      canActivate: (context) => new Reflector().get('isPublic', context.getHandler()) === true,
    }
    const configure = (app: INestApplication): void => void app.useGlobalGuards(guard)
    const marked = { probeDecorators: [SetMetadata('isPublic', true)] }
    expect(await nestStatuses(open(), marked, configure)).toEqual(WITHOUT_DATABASE)
    expect(await nestStatuses(open(), {}, configure)).toEqual([403, 403, 403, 404])
  },
)
