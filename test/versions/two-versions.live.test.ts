/** Processes of the previous version and of this one share a Redis and a database: nothing is lost, doubled or wrong. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { seededRandom } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { anyWarehouse, migrate, Outbox, StockLedger } from '@kerp/postgres'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { closeRedis, connectRedis, type RedisClient } from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay } from '@kerp/registers'
import pg from 'pg'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { argsOf } from '../support/programs.js'
import { Fleet } from '../faults/fleet.js'
import { LockChild } from '../faults/lock-processes.js'
import { StockChild } from '../faults/stock-processes.js'
import { eventWorld, until } from '../pubsub/event-world.js'
import { freshCompany } from '../support/fresh-company.js'
import { PREVIOUS_COMMIT, previousRoot, ROOT } from './previous-version.js'

const READS = 50_000
const RELAY_CHANGES = 6
const SECTIONS = 60
const GRABS = 40
const EVENTS = 10
const SEED = 20_261_125
const MAX_STALENESS_MS = 1_000

let roots: readonly [string, string]
let server: PrivateRedis
let database: PrivatePostgres
let pool: pg.Pool
let redis: RedisClient

beforeAll(async () => {
  roots = [await previousRoot(), ROOT]
  server = await openPrivateRedis()
  database = await openPrivatePostgres({ settings: { max_connections: 100 } })
  pool = new pg.Pool({ connectionString: database.url, max: 4 })
  await migrate(pool)
  redis = await connectRedis({ path: server.socketPath }, 10_000, {})
  return async () => {
    await closeRedis(redis)
    await pool.end()
    await database[Symbol.asyncDispose]()
    await server.close()
  }
})

test('balances: both post and read, relays of both take turns, Redis is emptied in between', async () => {
  const companyId = freshCompany()
  const order = {
    redisPath: server.socketPath,
    databaseUrl: database.url,
    companyId,
    maxStalenessMs: MAX_STALENESS_MS,
  }
  await using fleet = await Fleet.start(order, SEED, { clients: 4, roots })
  const random = seededRandom(SEED)
  fleet.go()
  for (let change = 0; change < RELAY_CHANGES || fleet.judge.reads < READS; change += 1) {
    await wait(500 + random.fraction() * 1_000)
    if (change % 2 === 0) await redis.flushall()
    fleet.killRelay()
    await fleet.startRelay()
  }
  await fleet.rest()
  await using relay = new OutboxRelay({ redis, keys: createKeys(), outbox: new Outbox({ pool }) })
  await relay.caughtUp({ deadlineMs: 60_000 })
  await wait(MAX_STALENESS_MS)
  const { rows } = await pool.query<{ state: string }>(
    `SELECT concat_ws(' ', account, version, debit, credit) AS state FROM kerp.balance WHERE company = $1`,
    [companyId],
  )
  const present = new Set(rows.map(({ state }) => state))
  const looked = (await fleet.look()).flat()
  const verdict = await fleet.judge.judge(pool, companyId, [], MAX_STALENESS_MS)
  console.log(`${PREVIOUS_COMMIT} and this version, seed ${SEED}`, JSON.stringify(fleet.judge.counts))
  expect(looked.filter((state) => !present.has(state) && !state.endsWith(' 0 0 0'))).toEqual([])
  expect(verdict).toEqual({ foreign: [], stale: [], wrong: [], failed: [] })
  expect(fleet.judge.counts['l1']).toBeGreaterThan(1_000)
  expect(fleet.judge.counts['redis']).toBeGreaterThan(0)
})

test('locks: both wait in one queue, and no section loses what another wrote', async () => {
  const companyId = freshCompany()
  const resource = { companyId, type: 'stock', id: 'i1' } as const
  await pool.query('CREATE TABLE stock (item text PRIMARY KEY, quantity int NOT NULL, fence bigint NOT NULL)')
  await pool.query(`INSERT INTO stock VALUES ('i1', 0, 0)`)
  const children = await Promise.all(
    roots.map((root) => LockChild.start(server.socketPath, database.url, root)),
  )
  onTestFinished(async () => {
    await Promise.all(children.map((child) => child.kill()))
  })
  for (let section = 0; section < SECTIONS; section += 1) {
    for (const child of children) child.tell({ do: 'add', resources: [resource], ttlMs: 30_000, pauseMs: 0 })
  }
  for (let section = 0; section < SECTIONS; section += 1) {
    for (const child of children) expect(await child.hear('written')).toMatchObject({ written: 1 })
  }
  const { rows } = await pool.query<{ quantity: number }>('SELECT quantity FROM stock')
  expect(rows[0]?.quantity).toBe(2 * SECTIONS)
  const greedy = { resource, workers: 10, forMs: 3_000, holdMs: 2 }
  for (const child of children) child.tell({ do: 'greedy', ...greedy })
  for (const child of children) {
    const { sections, overlaps } = await child.hear('counted')
    expect(overlaps).toBe(0)
    expect(Math.min(...sections)).toBeGreaterThan(0)
  }
})

test('stock: of two that reserve the last goods at once, one gets them', async () => {
  const companyId = freshCompany()
  const children = await Promise.all(
    roots.map((root) => StockChild.start(server.socketPath, database.url, root)),
  )
  onTestFinished(async () => {
    for (const child of children) await child[Symbol.asyncDispose]()
  })
  const store = new StockLedger({ pool, warehouses: anyWarehouse })
  onTestFinished(() => store.close())
  for (let grab = 1; grab <= GRABS; grab += 1) {
    const goods = { item: `i${grab}`, warehouse: 'W1', quantity: 1_000n }
    await store.adjust({ companyId, movementId: `opening-${grab}`, ...goods })
    const how = (['reserve', 'adjust', 'transfer'] as const)[grab % 3] ?? 'reserve'
    for (const [index, child] of children.entries()) {
      child.tell({ do: 'grab', companyId, item: `i${grab}`, id: `g${grab}-${index}`, how })
    }
    const codes = await Promise.all(children.map(async (child) => (await child.hear('grabbed')).code))
    expect(codes.sort()).toEqual(['INSUFFICIENT_STOCK', 'resolved'])
  }
})

test('events: consumers of both take over from each other, and each effect is there once', async () => {
  await pool.query('CREATE TABLE effect (event text NOT NULL)')
  const { companyId, publish, publishMany } = eventWorld(redis)
  const ids = [...(await publishMany(EVENTS)), 'last']
  await publish('last')
  const start = async (turn: number): Promise<ChildProcess> => {
    const root = roots[turn % 2] ?? ROOT
    const args = await argsOf(join(root, 'test/faults/events-child.ts'))
    const child = spawn(process.execPath, [...args, server.socketPath, database.url, companyId], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await once(child, 'message')
    return child
  }
  const effects = async () => (await pool.query<{ event: string }>('SELECT event FROM effect')).rows
  for (let kill = 0; kill < EVENTS; kill += 1) {
    const child = await start(kill)
    const exit = once(child, 'exit')
    child.send('go')
    await exit
  }
  const last = await start(EVENTS)
  last.send('go')
  await until('the last effect', async () => (await effects()).some(({ event }) => event === 'last'), 60_000)
  last.kill('SIGKILL')
  expect((await effects()).map(({ event }) => event)).toEqual(ids)
})
