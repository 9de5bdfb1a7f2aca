/**
 * The composition root, and what `npm run app` runs: opens everything once, in the order in which data flows,
 * and closes it in reverse.
 *
 * The way of a voucher: posted (ledger) → applied (balances) → relayed (relay).
 */

import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BalanceCache } from '@kerp/balance-cache'
import { type Closable, closeOnce, combineObservers, type Observer } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { createMetrics, type Metrics } from '@kerp/metrics'
import { Ledger, Outbox, RegisterRows } from '@kerp/postgres'
import type { PrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import { Registry } from 'prom-client'
import { Audit, auditRoutes } from './audit.js'
import { balanceRoutes } from './balance-routes.js'
import { readChart } from './chart.js'
import { type ErpConfig, readConfig } from './config.js'
import { Dashboard, dashboardRoutes } from './dashboard.js'
import { failPointObserver } from './fail-points.js'
import { companyRoutes, createServer } from './http/server.js'
import { openDatabase, openRedis } from './parts.js'
import { PatientStart, prepareDatabase } from './prepare-database.js'
import { probeRoutes } from './probes.js'
import { sessionRoutes } from './session-routes.js'
import { Sessions } from './session.js'
import { voucherRoutes } from './voucher-routes.js'
import { Vouchers } from './vouchers.js'

/** The open app. */
export interface Erp extends Closable {
  /** Where it listens. */
  readonly url: string
  readonly vouchers: Vouchers
  readonly balances: BalanceCache
  readonly dashboard: Dashboard
  readonly relay: OutboxRelay
  readonly audit: Audit
  readonly metrics: Metrics
  /** What Redis and the database are, in words. */
  readonly parts: { readonly redis: string; readonly database: string }
  /** The Redis server, when this process started it. */
  readonly redisServer: PrivateRedis | undefined
}

/** Who listens to the app from outside. */
export interface ErpListeners {
  /** Gets a line for each choice and for each error that nobody else hears of. */
  readonly say: (line: string) => void
  /** Gets every observation, beside the metrics. */
  readonly observer?: Observer
}

type Opened = <T extends { close(): Promise<void> }>(part: T) => T

/** Opens the app and listens. What was open already is closed again when a later part fails. */
export async function openErp(config: ErpConfig, listeners: ErpListeners): Promise<Erp> {
  const { say } = listeners
  const closers: (() => Promise<void>)[] = []
  const close = closeOnce(async () => {
    for (const closeOne of closers.reverse()) {
      await closeOne().catch((error: unknown) => say(`while closing: ${String(error)}`))
    }
  })
  const opened: Opened = (part) => {
    closers.push(() => part.close())
    return part
  }
  try {
    return { ...(await openParts(config, listeners, opened)), close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A Redis that is back is in use again within about this time. */
const RELAY_RETRY_MS_MAX = 500

async function openParts(
  config: ErpConfig,
  { say, observer: listener }: ErpListeners,
  opened: Opened,
): Promise<Omit<Erp, keyof Closable>> {
  const chart = await readChart()
  const registry = new Registry()
  const metrics = opened(createMetrics({ registry }))
  const observer = combineObservers(metrics.observer, listener, failPointObserver(config.failPoint))

  const redis = opened(await openRedis(config, observer))
  const database = opened(await openDatabase(config))
  say(`Redis: ${redis.words}`)
  say(`database: ${database.words}`)

  const ledger = opened(new Ledger({ pool: database.pool, observer }))
  const source = new RegisterRows({ pool: database.pool })
  const outbox = new Outbox({ pool: database.pool })
  const keys = createKeys()
  const registers = new Registers({ redis: redis.client, keys, source, observer })
  const balances = new BalanceCache({ registers, source, invalidations: outbox, observer })
  const relay = opened(
    new OutboxRelay({ redis: redis.client, keys, outbox, observer, backoffMsMax: RELAY_RETRY_MS_MAX }),
  )

  const vouchers = new Vouchers({ ledger, balances })
  const dashboard = new Dashboard({ balances, chart })
  const audit = new Audit({ ledger, balances, source, relay, metrics })
  const sessions = new Sessions({ secret: config.authSecret })
  const start = opened(
    new PatientStart(
      async () => {
        await prepareDatabase(database.pool, chart)
        relay.start()
      },
      (error) => say(`the database cannot be used: ${String(error)}`),
    ),
  )

  const server = createServer(say)
  sessionRoutes(server, sessions)
  probeRoutes(server, { pool: database.pool, redis: redis.client, registry, isPrepared: () => start.isDone })
  companyRoutes(server, { sessions, requireReady: () => start.require() }, (routes) => {
    voucherRoutes(routes, vouchers, observer)
    balanceRoutes(routes, { balances, ledger, chart })
    dashboardRoutes(routes, dashboard)
    auditRoutes(routes, audit)
  })

  await start.begin()
  if (!start.isDone) say('the database cannot be reached yet: answering 503 until it can')
  const url = await server.listen({ host: config.host, port: config.port })
  opened({ close: () => server.close() })
  return {
    url,
    vouchers,
    balances,
    dashboard,
    relay,
    audit,
    metrics,
    parts: { redis: redis.words, database: database.words },
    redisServer: redis.server,
  }
}

/** How long SIGTERM waits for requests in flight and for the parts to close. */
const DRAIN_MS_MAX = 15_000

async function run(): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  const erp = await openErp(readConfig(process.env), { say })
  say(`listening on ${erp.url}`)
  const drain = (): void => {
    setTimeout(() => process.exit(1), DRAIN_MS_MAX).unref()
    void erp.close().then(() => process.exit(0))
  }
  process.once('SIGTERM', drain)
  process.once('SIGINT', drain)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await run().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  })
}
