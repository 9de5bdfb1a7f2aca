/**
 * The composition root, and what `npm run app` runs: opens everything once, in the order in which data flows,
 * and closes it in reverse.
 *
 * The way of a voucher: posted (ledger) → applied (balances) → relayed (relay) → published (eventRelay) → heard
 * (subscriber). Goods go the same way beside it: moved (stock ledger) → applied (stock) → relayed → published.
 */

import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BalanceCache } from '@kerp/balance-cache'
import { type Closable, closeOnce, combineObservers, type Complete, type Observer } from '@kerp/core'
import type { Locks, Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { createMetrics, type Metrics } from '@kerp/metrics'
import { type EventLog, Ledger, Outbox, RegisterRows } from '@kerp/postgres'
import type { ErpEventSchemas, EventRelay, Subscriber } from '@kerp/pubsub'
import type { RedisClient } from '@kerp/redis'
import type { PrivateRedis } from '@kerp/redis/testing'
import { type OutboxRelay, Registers, type RegistersOptions } from '@kerp/registers'
import { Registry } from 'prom-client'
import { Audit, auditRoutes } from './audit.js'
import { balanceRoutes } from './balance-routes.js'
import { type Caches, openCaches } from './caches.js'
import { type Chart, readChart } from './chart.js'
import { fiscalYearOf } from './companies.js'
import { type ErpConfig, readConfig } from './config.js'
import { type Dashboard, dashboardRoutes } from './dashboard.js'
import { EventHistories, eventRoutes } from './events.js'
import { failPointObserver } from './fail-points.js'
import { FinancialReports } from './financial-reports.js'
import { hostCheck } from './http/hosts.js'
import { RateLimits } from './http/rate-limits.js'
import { companyRoutes, createServer, type HttpServer } from './http/server.js'
import { openLive } from './live-parts.js'
import { pageRoutes } from './page-routes.js'
import {
  type DatabasePart,
  openDatabase,
  type Opened,
  openRedis,
  type RedisPart,
  refuseEviction,
} from './parts.js'
import { PatientStart } from './patient-start.js'
import { openPayroll, type Payroll } from './payroll.js'
import { payrollRoutes } from './payroll-routes.js'
import { prepareDatabase } from './prepare-database.js'
import { probeRoutes } from './probes.js'
import { openRelays } from './relays.js'
import type { Restocking } from './restocking.js'
import { reportRoutes } from './report-routes.js'
import { sessionRoutes } from './session-routes.js'
import { Sessions } from './session.js'
import { openStock } from './stock-parts.js'
import { stockRoutes } from './stock-routes.js'
import { voucherRoutes } from './voucher-routes.js'
import { openTracing, type Tracing } from './tracing.js'
import { Vouchers } from './vouchers.js'
import { Warming } from './warming.js'

/** The open app. */
export interface Erp extends Closable {
  /** Where it listens. */
  readonly url: string
  readonly vouchers: Vouchers
  readonly balances: BalanceCache
  readonly stock: Stock
  readonly locks: Locks
  readonly restocking: Restocking
  readonly dashboard: Dashboard
  readonly reports: FinancialReports
  readonly payroll: Payroll
  readonly warmerOf: Caches['warmerOf']
  readonly relay: OutboxRelay
  readonly eventRelay: EventRelay
  readonly eventLog: EventLog
  readonly subscriber: Subscriber<ErpEventSchemas>
  readonly audit: Audit
  readonly metrics: Metrics
  /** What Redis and the database are, in words. */
  readonly parts: { readonly redis: string; readonly database: string }
  /** The Redis server, when this process started it. */
  readonly redisServer: PrivateRedis | undefined
  /** Where the database is, and its server, when this process started it. */
  readonly database: Pick<DatabasePart, 'url' | 'server'>
}

/** Who listens to the app from outside. */
export interface ErpListeners {
  /** Gets a line for each choice and for each error that nobody else hears of. */
  readonly say: (line: string) => void
  /** Gets every observation, beside the metrics. */
  readonly observer?: Observer
}

/** What is traced of a voucher, in the ledger and above it. */
const POSTING = ['post', 'reverse', 'approve'] as const

/** What is traced of balances. */
const READING = ['get', 'getMany', 'apply'] as const

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
    const tracing = await openTracing()
    return {
      ...(await openParts(config, { ...listeners, tracing }, opened)),
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function openParts(
  config: ErpConfig,
  { say, observer: listener, tracing }: ErpListeners & { readonly tracing: Tracing },
  opened: Opened,
): Promise<Omit<Erp, keyof Closable>> {
  const chart = await readChart()
  const registry = new Registry()
  const metrics = opened(createMetrics({ registry }))
  const outside = [listener, tracing.observer, failPointObserver(config.failPoint)]
  const observer = combineObservers(metrics.observer, ...outside)

  const { redis, database } = await openServers(config, { say, observer }, opened)
  const { pool } = database
  const posting = opened(new Ledger({ pool, observer, fiscalYearOf, ...tracing.ofEvents }))
  const ledger = tracing.around(posting, 'Ledger', POSTING)
  const source = new RegisterRows({ pool })
  const outbox = new Outbox({ pool })
  const keys = createKeys()
  const registers = opened(openRegisters(redis.client, { keys, source, outbox, observer }))
  const reading = { registers, source, invalidations: outbox, observer }
  const balances = tracing.around(new BalanceCache(reading), 'BalanceCache', READING)
  const trading = { pool, source, registers, redis: redis.coordination, keys, observer, tracing }
  const goods = openStock(trading, opened)
  const { stockAudit } = goods
  const relays = openRelays({ ...trading, outbox, redis }, opened)
  const { relay, eventLog } = relays
  const caches = openCaches({ ...trading, ...relays, outbox, redis, balances, chart }, opened)
  const vouchers = tracing.around(new Vouchers({ ledger, balances, ...caches }), 'Vouchers', POSTING)
  const histories = new EventHistories(eventLog)
  const payroll = opened(await openPayroll({ pool, ledger, observer, tracing, events: eventLog }))
  const reports = new FinancialReports({ ledger, chart, ...caches })
  const audit = new Audit({ ledger, balances, stock: stockAudit, histories, payroll, source, relay, metrics })
  const sessions = new Sessions({ secret: config.authSecret })
  const start = opened(
    new PatientStart(
      async () => {
        await prepareDatabase(pool, chart, caches.masterData)
        relays.start()
        payroll.work()
        caches.invalidation.start()
        goods.sweeper.start()
      },
      (error) => say(`the database cannot be used: ${String(error)}`),
    ),
  )

  const figures = { vouchers, balances, payroll, reports, audit, metrics, ...caches }
  const shown = { ...figures, ...goods, ...relays }
  const doors = { ...shown, ledger, chart, histories }
  const server = createServer({ log: say, allowHost: hostCheck(config) })
  const limitsOf = (perMinute: number): RateLimits => new RateLimits({ redis: redis.client, keys, perMinute })
  sessionRoutes(server, { sessions, limits: limitsOf(config.sessionLimitPerMinute) })
  pageRoutes(server, { redis, balances, relay, sessions: config.hasAuthSecret ? sessions : undefined })
  probeRoutes(server, { pool, redis, registers, relay, registry, metrics, start })
  const gate = { sessions, limits: limitsOf(config.rateLimitPerMinute), requireReady: () => start.require() }
  companyRoutes(server, gate, (routes) => openDoors(routes, doors, observer))
  await start.begin()
  if (!start.isDone) say('the database cannot be reached yet: answering 503 until it can')
  const url = await server.listen({ host: config.host, port: config.port })
  opened({ close: () => server.close() })
  const live = { ...relays, ...goods, config, server, url, sessions, redis, keys, source, observer }
  openLive({ ...live, ledger, balances, metrics }, opened)
  return {
    url,
    ...shown,
    parts: { redis: redis.words, database: database.words },
    redisServer: redis.server,
    database,
  }
}

/** What the routes of a company lead to. */
interface Doors
  extends Pick<
      Erp,
      'vouchers' | 'balances' | 'stock' | 'locks' | 'dashboard' | 'reports' | 'payroll' | 'audit'
    >,
    Pick<Caches, 'masterData'> {
  readonly ledger: Ledger
  readonly chart: Chart
  readonly histories: EventHistories
}

function openDoors(routes: HttpServer, doors: Doors, observer: Observer): void {
  const { vouchers, balances, ledger, chart, stock, dashboard, locks, payroll, reports, histories, audit } =
    doors
  const { masterData } = doors
  voucherRoutes(routes, vouchers, observer)
  balanceRoutes(routes, { balances, ledger, chart, masterData })
  stockRoutes(routes, { stock, masterData, observer })
  dashboardRoutes(routes, dashboard, locks)
  payrollRoutes(routes, payroll)
  reportRoutes(routes, reports)
  eventRoutes(routes, histories)
  auditRoutes(routes, audit)
}

/** Redis and the database, each of its own kind, and a line that says which. */
async function openServers(
  config: ErpConfig,
  { say, observer }: Complete<ErpListeners>,
  opened: Opened,
): Promise<{ readonly redis: RedisPart; readonly database: DatabasePart }> {
  const redis = opened(await openRedis(config, observer))
  const database = opened(await openDatabase(config))
  say(`Redis: ${redis.words}`)
  say(`database: ${database.words}`)
  await refuseEviction(redis.coordination, say)
  return { redis, database }
}

/** What balances and stock are read through: rows in this process first, then Redis, then the database. */
function openRegisters(
  redis: RedisClient,
  parts: Pick<RegistersOptions, 'keys' | 'source'> & { readonly outbox: Outbox; readonly observer: Observer },
): Registers {
  return new Registers({ redis, ...parts, localTier: { positions: parts.outbox } })
}

/** How long SIGTERM waits for requests in flight and for the parts to close. */
const DRAIN_MS_MAX = 15_000

async function run(): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  const erp = await openErp(readConfig(process.env), { say })
  say(`listening on ${erp.url}`)
  const warming = new Warming({ warmerOf: erp.warmerOf, say })
  warming.start()
  const drain = (): void => {
    setTimeout(() => process.exit(1), DRAIN_MS_MAX).unref()
    void Promise.all([warming.close(), erp.close()]).then(() => process.exit(0))
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
