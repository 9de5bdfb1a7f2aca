/**
 * Payments that are durable in PostgreSQL (fsync on): `Batches` on claims and on BullMQ, against one job of BullMQ for
 * each; the takeover of a chunk whose worker is gone; and small computations on two threads.
 *
 * All contestants run in turn in every round; the figures are medians of the rounds, and every payment is counted.
 */

import { ChunkLedger, migrate, type Queryable } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { type BatchDriver, Batches, CpuPool, defineBatch, inProcess } from '@kerp/worker-pool'
import { bullmqDriver } from '@kerp/worker-pool/bullmq'
import pg from 'pg'
import { Piscina } from 'piscina'
import Tinypool from 'tinypool'
import { payByJobs } from './batch-baseline.js'
import { median, rounded } from './figures.js'
import smallTask from './small-task.mjs'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? '3')
const ITEMS = Number(process.env['BENCH_ITEMS'] ?? '20000')
const JOBS = Math.ceil(ITEMS / 5)
const SMALL_ITEMS = 20_000
const LEASE_MS = 2_000

interface Run {
  readonly id: string
  readonly items: number
}

const pay = defineBatch<Run, string, string, Queryable>({
  name: 'pay',
  companyId: () => 'bench',
  key: ({ id }) => [id],
  readParams: (stored) => stored as Run,
  ids({ items }, { after, limit }) {
    const from = after === undefined ? 0 : Number(after.slice(1)) + 1
    const length = Math.max(0, Math.min(limit, items - from))
    return Promise.resolve(Array.from({ length }, (_, n) => `e${from + n}`))
  },
  load: (_run, ids) => Promise.resolve(ids),
  run: () => '1000',
  async effects(tx, done, { id }) {
    const column = (texts: readonly string[]): string => `{${texts.join(',')}}`
    await tx.query(
      'INSERT INTO payment SELECT $1, k.* FROM unnest($2::text::text[], $3::text::numeric[]) AS k',
      [id, column(done.map(({ itemId }) => itemId)), column(done.map(({ result }) => result))],
    )
  },
})

let lastRun = 0

function nextRun(): string {
  lastRun += 1
  return `run-${lastRun}`
}

async function payByBatch(pool: pg.Pool, driver: BatchDriver, items: number): Promise<number> {
  const batches = new Batches({ ledger: new ChunkLedger({ pool }), batches: [pay], driver })
  batches.work()
  const startMs = performance.now()
  const ended = new Promise<void>((resolve) => batches.notices.once('ended', () => resolve()))
  await batches.start(pay, { id: nextRun(), items })
  await ended
  const elapsedMs = performance.now() - startMs
  await batches.close()
  return elapsedMs
}

/** From the moment that a worker is gone, with its lease just taken, to the end of its chunk by another. */
async function takeOver(pool: pg.Pool): Promise<number> {
  const ledger = new ChunkLedger({ pool })
  const run = { id: nextRun(), items: 100 }
  const batches = new Batches({ ledger, batches: [pay], leaseMs: LEASE_MS })
  const { companyId, runId } = await batches.start(pay, run)
  const itemIds = await pay.listIds((await ledger.open(pay.opening(run))).run, {
    after: undefined,
    limit: 100,
  })
  await ledger.plan({ companyId, runId }, { after: undefined, itemIds, isLast: true })
  await ledger.claim({ companyId, runId }, { leaseMs: LEASE_MS })
  const startMs = performance.now()
  const committed = new Promise<void>((resolve) => batches.notices.once('committed', () => resolve()))
  batches.work()
  await committed
  const elapsedMs = performance.now() - startMs
  await batches.close()
  return elapsedMs
}

async function durable(): Promise<object> {
  await using server = await openPrivatePostgres({ settings: { max_connections: 100 } })
  await using redis = await openPrivateRedis()
  const pool = new pg.Pool({ connectionString: server.url, max: 50 })
  pool.on('error', (error) => console.error(error.message))
  await migrate(pool)
  await pool.query(
    'CREATE TABLE payment (run text, employee text, amount numeric, PRIMARY KEY (run, employee))',
  )
  const connection = { path: redis.socketPath, maxRetriesPerRequest: null }
  const contestants = [
    {
      name: 'BullMQ, one job per item',
      items: JOBS,
      run: () => payByJobs(pool, redis.socketPath, nextRun(), JOBS),
    },
    {
      name: 'Batches on BullMQ',
      items: ITEMS,
      run: () => payByBatch(pool, bullmqDriver({ connection }), ITEMS),
    },
    { name: 'Batches on claims', items: ITEMS, run: () => payByBatch(pool, inProcess(), ITEMS) },
  ]
  const times = contestants.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, { run }] of contestants.entries()) times[index]?.push(await run())
  }
  const takeovers: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) takeovers.push(await takeOver(pool))
  const { rows } = await pool.query<{ paid: string }>('SELECT count(*)::text AS paid FROM payment')
  const wanted = ROUNDS * (JOBS + 2 * ITEMS + 100)
  if (Number(rows[0]?.paid) !== wanted) process.exitCode = 1
  await pool.end()
  const rates = contestants.map(({ items }, index) => (items / median(times[index] ?? [])) * 1_000)
  const figures = contestants.map(({ name }, index) => ({
    name,
    itemsPerSecond: Math.round(rates[index] ?? 0),
    ratio: rounded((rates[index] ?? 0) / (rates[0] ?? 1), 1),
  }))
  console.table(figures)
  const takeoverMs = Math.round(median(takeovers))
  console.log(
    `takeover, lease ${LEASE_MS} ms: ${takeoverMs} ms; ${rows[0]?.paid ?? '?'} of ${wanted} payments`,
  )
  return { figures, takeoverMs }
}

async function threads(): Promise<object> {
  const filename = new URL('small-task.mjs', import.meta.url).href
  const options = { filename, minThreads: 2, maxThreads: 2 }
  const [piscina, tinypool] = [new Piscina(options), new Tinypool({ ...options, runtime: 'worker_threads' })]
  const ours = new CpuPool<number, number>({ entry: filename, threads: 2 })
  const numbers = Array.from({ length: SMALL_ITEMS }, (_, n) => n)
  const sumOf = async (answers: readonly Promise<number>[]): Promise<number> =>
    (await Promise.all(answers)).reduce((sum, answer) => sum + answer, 0)
  const sumOfMany = async (): Promise<number> =>
    (await ours.runMany(numbers)).reduce((sum, answer) => sum + ('result' in answer ? answer.result : 0), 0)
  const contestants = [
    {
      name: 'one thread, a loop',
      run: () => Promise.resolve(numbers.reduce((sum, n) => sum + smallTask(n), 0)),
    },
    { name: 'piscina', run: () => sumOf(numbers.map((n) => piscina.run(n) as Promise<number>)) },
    { name: 'tinypool', run: () => sumOf(numbers.map((n) => tinypool.run(n) as Promise<number>)) },
    { name: 'CpuPool.run', run: () => sumOf(numbers.map((n) => ours.run(n))) },
    { name: 'CpuPool.runMany', run: () => sumOfMany() },
  ]
  const times = contestants.map((): { readonly ms: number; readonly cpuMicros: number }[] => [])
  const sums = new Set<number>()
  for (let round = 0; round <= ROUNDS * 2; round += 1) {
    for (const [index, { run }] of contestants.entries()) {
      const [startMs, before] = [performance.now(), process.cpuUsage()]
      sums.add(await run())
      const { user, system } = process.cpuUsage(before)
      // The first round warms everybody up.
      if (round > 0) times[index]?.push({ ms: performance.now() - startMs, cpuMicros: user + system })
    }
  }
  if (sums.size !== 1) process.exitCode = 1
  await Promise.all([piscina.destroy(), tinypool.destroy(), ours.close()])
  const least = (of: 'ms' | 'cpuMicros') => times.map((all) => Math.min(...all.map((time) => time[of])))
  const [best, cpu] = [least('ms'), least('cpuMicros')]
  const figures = contestants.map(({ name }, index) => ({
    name,
    microsPerItem: rounded(((best[index] ?? 0) * 1_000) / SMALL_ITEMS, 1),
    speedUp: rounded((best[0] ?? 0) / (best[index] ?? 1)),
    // Of all threads: what it costs does not depend on who else uses the machine.
    cpuMicrosPerItem: rounded((cpu[index] ?? 0) / SMALL_ITEMS, 1),
    speedUpOfTwoFreeProcessors: index === 0 ? 1 : rounded((2 * (cpu[0] ?? 0)) / (cpu[index] ?? 1)),
  }))
  console.table(figures)
  return { figures }
}

const only = process.env['BENCH_ONLY']
const facts = { items: ITEMS, jobs: JOBS, rounds: ROUNDS, fsync: 'on' }
console.log(
  JSON.stringify({
    bench: 'batch',
    ...facts,
    durable: only === 'threads' ? {} : await durable(),
    threads: only === 'durable' ? {} : await threads(),
  }),
)
