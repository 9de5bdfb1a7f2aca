/**
 * What `npm run demo` runs: the whole app, then the main job on it with progress bars, then the audit and a
 * table of figures. Stays up until Ctrl-C unless it was told to leave.
 */

import { KerpError } from '@kerp/core'
import type { PrivatePostgres } from '@kerp/postgres/testing'
import { RedisMissingError } from '@kerp/redis'
import { COMPANIES, fiscalYearOf, WAREHOUSES } from './companies.js'
import { type ErpConfig, readConfig } from './config.js'
import { EventWatch, GapCount } from './demo/event-watch.js'
import { type Fault, Faults } from './demo/faults.js'
import { generateMonth } from './demo/generator.js'
import { planGoods } from './demo/goods.js'
import { runGoods } from './demo/goods-job.js'
import { runMonth } from './demo/month-job.js'
import { type DemoOptions, readDemoOptions } from './demo/options.js'
import { type Invoice, readOrders } from './demo/orders.js'
import { ownFaults } from './demo/own-faults.js'
import { runPayroll } from './demo/payroll-job.js'
import { runReports } from './demo/report-job.js'
import { auditDemo, type DemoReport, demoReport, printReport } from './demo/report.js'
import { restoreBackup } from './demo/restored-backup.js'
import { Screen } from './demo/screen.js'
import { SecondApp } from './demo/second-app.js'
import { openTopology, type Topology } from './demo/topology.js'
import { type Erp, openErp } from './main.js'

const GENERATED_MONTH = '2026-01'

/** A fault was asked for, and there is nothing here that may be broken on purpose. */
const EXIT_NO_FAULTS = 2

/** Ctrl-C before the job was done, as a shell would say it. */
const EXIT_INTERRUPTED = 130

async function main(): Promise<number> {
  const options = readDemoOptions(process.argv.slice(2))
  const screen = new Screen(process.stdout)
  const config = readConfig({ ...process.env, PORT: process.env['PORT'] ?? '0' })
  const refusal = refusalOf(options, config)
  if (refusal !== undefined) {
    screen.line(refusal)
    return EXIT_NO_FAULTS
  }
  const topology = await startTopology(options, screen)
  if (topology === 'missing') return EXIT_NO_FAULTS
  try {
    return await runDemo({ ...config, ...topology?.settings }, { options, screen, topology })
  } finally {
    await topology?.close()
  }
}

/** Only servers that the demo starts itself are broken on purpose. */
function refusalOf({ faults, topology }: DemoOptions, config: ErpConfig): string | undefined {
  const { redisUrl, redisSentinels, redisClusterNodes, redisCacheUrl } = config
  const own = [redisUrl, redisSentinels, redisClusterNodes, redisCacheUrl].every(
    (place) => place === undefined,
  )
  if (own) return undefined
  if (topology !== undefined) return '--topology starts a Redis of its own: leave the variables REDIS_… out.'
  return faults
    ? '--faults needs a Redis that the demo started itself: leave the variables REDIS_… out.'
    : undefined
}

async function startTopology(
  { topology: name }: DemoOptions,
  screen: Screen,
): Promise<Topology | 'missing' | undefined> {
  if (name === undefined) return undefined
  try {
    const begunMs = performance.now()
    const topology = await openTopology(name)
    screen.line(`topology: ${topology.words}, started in ${Math.round(performance.now() - begunMs)} ms`)
    return topology
  } catch (error) {
    if (!(error instanceof RedisMissingError)) throw error
    screen.line(`--topology ${name} cannot be started. ${error.message}`)
    return 'missing'
  }
}

interface Run {
  readonly options: DemoOptions
  readonly screen: Screen
  readonly topology: Topology | undefined
}

async function runDemo(config: ErpConfig, { options, screen, topology }: Run): Promise<number> {
  const gaps = new GapCount()
  const said: string[] = []
  let say = (line: string): void => void said.push(line)
  const erp = await openErp(config, { say: (line) => say(line), observer: gaps }).catch((error: unknown) => {
    for (const line of said) screen.line(line)
    throw error
  })
  say = (line) => screen.line(line)
  // Where to look comes before what it stands on.
  screen.line(`listening on ${erp.url}`)
  screen.line(
    'Open it in a browser: all figures are live, each light is green while its sums hold, and buttons break things on purpose.',
  )
  for (const line of said) say(line)
  const asked = interrupted()
  let second: SecondApp | undefined
  try {
    const { redisServer: server, database } = erp
    if (options.faults && topology === undefined) {
      if (server === undefined) {
        screen.line(`--faults needs a Redis that the demo started itself; this one is ${erp.parts.redis}.`)
        return EXIT_NO_FAULTS
      }
      second = await SecondApp.open({ redisUrl: server.url, databaseUrl: database.url })
    }
    const faults =
      server !== undefined && second !== undefined
        ? ownFaults(server, database.server, second)
        : (topology?.faults ?? [])
    const restorable = second === undefined ? undefined : database.server
    const job = runJob(erp, { options, screen, gaps, faults, second, restorable })
    const report = await Promise.race([job, asked])
    if (report === undefined) return EXIT_INTERRUPTED
    if (!options.exit) screen.line(`The app stays up at ${erp.url} until Ctrl-C.`)
    if (options.json) screen.line(JSON.stringify(report))
    if (!options.exit) await asked
    return report.ok ? 0 : 1
  } finally {
    await second?.close()
    await erp.close()
  }
}

/** Which part of the job's progress its vouchers are; goods are the other. */
const VOUCHERS_SHARE = 0.5

interface Job {
  readonly options: DemoOptions
  readonly screen: Screen
  readonly gaps: GapCount
  readonly faults: readonly Fault[]
  readonly second: SecondApp | undefined
  /** A database that may be put back to a backup. */
  readonly restorable: PrivatePostgres | undefined
}

/** From the first HTTP answer to the printed audit. */
async function runJob(erp: Erp, job: Job): Promise<DemoReport> {
  const { options, screen, gaps, second, restorable } = job
  await fetch(`${erp.url}/healthz`)
  const firstAnswerMs = performance.now()
  const invoices = await readInvoices(options, screen)
  const warmMs = await warm(erp, invoices, screen)
  const faults = new Faults(erp, screen, job.faults)
  const events = await EventWatch.open(erp)
  const month = await runMonth({
    erp,
    invoices,
    screen,
    onProgress: (share) => faults.onProgress(share * VOUCHERS_SHARE),
  })
  const goods = await runGoods({
    erp,
    plan: planGoods(invoices),
    screen,
    onProgress: (share) => faults.onProgress(VOUCHERS_SHARE + share * (1 - VOUCHERS_SHARE)),
  })
  await faults.finish()
  const secondReport = await second?.finish(erp)
  const heard = await events.close(gaps)
  const backup = restorable === undefined ? undefined : await restoreBackup(erp, restorable, faults)
  const fiscalYear = yearsOf(invoices)[0] ?? new Date().getUTCFullYear()
  const reading = { erp, screen, fiscalYear }
  const { reports, result: payroll } = await runReports(reading, () => runPayroll(erp, screen))
  const audit = await auditDemo(erp, { month, goods, heard, second: secondReport, backup })
  const times = { firstAnswerMs, warmMs, totalMs: performance.now() }
  const report = demoReport(erp, {
    month,
    goods,
    heard,
    reports,
    payroll,
    audit,
    times,
    faults: faults.reports,
    second: secondReport,
    backup,
  })
  printReport(screen, report, faults.reports)
  return report
}

async function readInvoices(options: DemoOptions, screen: Screen): Promise<readonly Invoice[]> {
  if (options.ordersFile === undefined) {
    const { seed, invoices } = options
    screen.line(`orders: ${invoices} invoices generated for ${GENERATED_MONTH}, seed ${seed}`)
    return generateMonth({ seed, invoices, month: GENERATED_MONTH })
  }
  const invoices = await readOrders(options.ordersFile)
  screen.line(`orders: ${invoices.length} invoices of ${options.ordersFile}`)
  return invoices
}

/** Brings what the database has into Redis, company by company. Returns how long that took, in ms. */
async function warm(erp: Erp, invoices: readonly Invoice[], screen: Screen): Promise<number> {
  const begunMs = performance.now()
  const years = yearsOf(invoices)
  const warehouses = WAREHOUSES.map(({ code }) => code)
  const companies = COMPANIES.map(({ id }) => id)
  const bar = screen.bar('warming the caches', companies.length * (1 + 2 * years.length + warehouses.length))
  await erp.warmerOf(years, warehouses).warm(companies, {
    onProgress: ({ state }) => {
      if (state !== 'running') bar.advance()
    },
  })
  bar.finish()
  return performance.now() - begunMs
}

function yearsOf(invoices: readonly Invoice[]): readonly number[] {
  return [...new Set(invoices.map(({ date }) => fiscalYearOf(date)))]
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve())
    process.once('SIGTERM', () => resolve())
  })
}

await main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const text =
      error instanceof KerpError ? error.message : error instanceof Error ? error.stack : String(error)
    process.stderr.write(`${text}\n`)
    process.exit(1)
  },
)
