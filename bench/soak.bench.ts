/**
 * The whole app at a steady load for twenty minutes (`SOAK_MINUTES`) with a fault every ten seconds: Redis is killed,
 * suspended, emptied or its connections are cut, PostgreSQL is restarted. Whatever is kept must stay bounded: heap,
 * sockets, timers and listeners of the app, locks and stream entries in Redis, events that no relay has brought.
 *
 * At the end every acknowledged voucher must be in the database, each once, and the audit must find no difference.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { fileURLToPath } from 'node:url'
import { setTimeout as wait } from 'node:timers/promises'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { Redis } from 'ioredis'
import pg from 'pg'
import { clientOf, type CompanyClient, fieldOf } from '../test/erp/erp-process.js'
import { saleOf } from '../test/erp/vouchers.js'
import { median, rounded } from './figures.js'

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? '20')
const POSTS_PER_SECOND = Number(process.env['SOAK_RATE'] ?? '60')
const FAULT_MS = 10_000
const SETTLE_MS = 4_000
const TICK_MS = 50
const RETRY_MS = 200
const IN_FLIGHT_MAX = 400
const COMPANIES = ['c1', 'c2', 'c3']
const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** What the app says of itself. */
interface Held {
  readonly heapMb: number
  readonly sockets: number
  readonly timers: number
  readonly listeners: number
}

type Sample = Readonly<Record<string, number>>

await using database = await openPrivatePostgres({ settings: { max_connections: 80 } })
await using server = await openPrivateRedis({ tcp: true })
const pool = new pg.Pool({ connectionString: database.url, max: 2 })
pool.on('error', () => undefined)
const redis = new Redis(server.url, { retryStrategy: () => 50, maxRetriesPerRequest: null })
redis.on('error', () => undefined)

const FAULTS: Readonly<Record<string, () => Promise<unknown>>> = {
  killedRedis: async () => {
    await server.kill()
    await wait(1_000)
    await server.restart()
  },
  suspendedRedis: async () => {
    server.pause()
    await wait(2_000)
    server.resume()
  },
  emptiedRedis: () => redis.flushall(),
  cutConnections: () => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
  restartedDatabase: () => database.restart(),
}

function startApp(): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const args = [
    '--expose-gc',
    '--import',
    './bench/soak-probe.mjs',
    '--conditions=@kerp/source',
    '--import',
    'tsx',
  ]
  const child = spawn(process.execPath, [...args, 'examples/erp/src/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'] ?? '',
      PORT: '0',
      DATABASE_URL: database.url,
      REDIS_URL: server.url,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout?.on('data', (chunk) => {
      output = `${output}${String(chunk)}`.slice(-1_000)
      const url = /listening on (http:\/\/\S+)/.exec(output)?.[1]
      if (url !== undefined) resolve({ child, url })
    })
    child.once('exit', () => reject(new Error(`The app ended:\n${output}`)))
  })
}

/** Sends vouchers, goods and reads at a steady rate, each again with its id until it is acknowledged. */
class Load {
  readonly acknowledged = new Set<string>()
  /** Answers that were none, or told to try again. */
  tries = 0
  isOver = false
  #sent = 0
  #inFlight = 0

  constructor(readonly clients: readonly CompanyClient[]) {}

  async run(): Promise<void> {
    const startMs = performance.now()
    let due = 0
    while (!this.isOver) {
      due = ((performance.now() - startMs) / 1_000) * POSTS_PER_SECOND
      while (this.#sent < due && this.#inFlight < IN_FLIGHT_MAX) {
        this.#sent += 1
        void this.#one(this.#sent)
      }
      // What could not be sent in time is not made up for.
      this.#sent = Math.max(this.#sent, Math.floor(due))
      await wait(TICK_MS)
    }
    while (this.#inFlight > 0) await wait(TICK_MS)
  }

  async #one(number: number): Promise<void> {
    const client = this.clients[number % this.clients.length]
    if (client === undefined) return
    this.#inFlight += 1
    const id = `soak-${number}`
    try {
      await this.#until(client, '/vouchers', saleOf(id, '10'))
      this.acknowledged.add(id)
      const goods = { item: `goods-${number % 50}`, warehouse: 'W1', quantity: '1' }
      if (number % 5 === 0) await this.#until(client, '/stock/adjust', { movementId: id, ...goods })
      await client.get('/balances?accounts=11210,41010&fiscalYear=2026').catch(() => undefined)
      if (number % 10 === 0) await client.get('/trial-balance?fiscalYear=2026').catch(() => undefined)
    } finally {
      this.#inFlight -= 1
    }
  }

  async #until(client: CompanyClient, path: string, body: object): Promise<void> {
    for (;;) {
      const answer = await client.post(path, body).catch(() => undefined)
      if (answer?.status === 200 || answer?.status === 201) return
      this.tries += 1
      await wait(RETRY_MS)
    }
  }
}

async function sample(child: ChildProcess): Promise<Sample> {
  child.send('tell')
  const [held] = (await once(child, 'message')) as [Held]
  const streams = (await redis.keys('*stream:*')).map((key) => redis.xlen(key))
  const locks = (await redis.keys('*lock:*')).length
  return {
    ...held,
    locks,
    streamEntries: (await Promise.all(streams)).reduce((sum, length) => sum + length, 0),
    redisKeys: await redis.dbsize(),
  }
}

const { child, url } = await startApp()
const agent = new Agent({ keepAlive: true, maxSockets: 64 })
const { as } = clientOf(url, agent)
const load = new Load(await Promise.all(COMPANIES.map((company) => as(company))))
const running = load.run()
const samples: Sample[] = []
const deeds: Record<string, number> = {}
const endMs = performance.now() + MINUTES * 60_000
const faults = Object.entries(FAULTS)
for (let turn = 0; performance.now() < endMs; turn += 1) {
  const [name = '', fault] = faults[turn % faults.length] ?? []
  const nextMs = performance.now() + FAULT_MS
  await fault?.()
  deeds[name] = (deeds[name] ?? 0) + 1
  await wait(SETTLE_MS)
  samples.push(await sample(child))
  await wait(Math.max(0, nextMs - performance.now()))
}
load.isOver = true
await running
await wait(SETTLE_MS)

const { rows } = await pool.query<{ id: string }>(`SELECT id FROM kerp.voucher WHERE id LIKE 'soak-%'`)
const kept = new Set(rows.map(({ id }) => id))
const lost = [...load.acknowledged].filter((id) => !kept.has(id))
const audits = await Promise.all(load.clients.map((client) => client.get('/audit')))
const areSound = audits.every(({ body }) => fieldOf(body, 'ok') === true)

const quarter = Math.floor(samples.length / 4)
const figures = Object.keys(samples[0] ?? {}).map((name) => {
  const values = samples.map((each) => each[name] ?? Number.NaN)
  const early = median(values.slice(quarter, 2 * quarter))
  const late = median(values.slice(-quarter))
  return {
    name,
    secondQuarter: rounded(early, 1),
    lastQuarter: rounded(late, 1),
    most: rounded(Math.max(...values), 1),
    growthPercent: early === late ? 0 : rounded((late / early - 1) * 100, 1),
  }
})
const counts = {
  acknowledged: load.acknowledged.size,
  kept: rows.length,
  lost: lost.length,
  tries: load.tries,
}
console.table(figures)
console.log(JSON.stringify({ bench: 'soak', minutes: MINUTES, faults: deeds, ...counts, areSound, figures }))
child.kill('SIGTERM')
await once(child, 'exit')
redis.disconnect()
await pool.end()
agent.destroy()
if (lost.length > 0 || rows.length !== kept.size || !areSound) process.exitCode = 1
