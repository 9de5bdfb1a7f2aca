/**
 * Random movements from several processes, sent again and again, while processes are killed and Redis is emptied:
 * nothing is ever negative, nothing is lost or done twice, and what is cached is what the movements add up to.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { seededRandom } from '@kerp/core/testing'
import { Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { anyWarehouse, migrate, Outbox, RegisterRows, StockLedger } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import pg from 'pg'
import { expect, test } from 'vitest'
import { ITEMS, OPENING, parseStockOpId, stockOp, WAREHOUSES } from './stock-ops.js'
import type { StockWork } from './stock-worker.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const MOVEMENTS = FULL ? 1_000_000 : 8_000
const PROCESSES = 3
const KILLS = FULL ? 40 : 4
const FLUSHES = FULL ? 10 : 2
const SEED = 20_261_123

/** What all processes together were told, and what they have still to send. */
class Told {
  /** Of each id in its space, the hash of what was answered. */
  readonly answers = new Map<string, number>()
  readonly differing: string[] = []
  readonly negative: string[] = []
  readonly refusals = new Map<string, number>()
  sendings = 0
  /** Answers that were none: the database was not reached in time, or the outcome was not known. */
  retries = 0

  hear(line: string): void {
    const [word = '', ...rest] = line.split(' ')
    if (word === 'done') {
      this.sendings += 1
      const [space = '', id = '', hash = ''] = rest
      const name = `${space} ${id}`
      const before = this.answers.get(name)
      if (before === undefined) this.answers.set(name, Number(hash))
      else if (before !== Number(hash)) this.differing.push(name)
    } else if (word === 'refused') {
      this.sendings += 1
      const code = rest[1] ?? ''
      this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
    } else if (word === 'retried') {
      this.sendings += 1
      this.retries += 1
    } else if (word === 'negative') {
      this.negative.push(line)
    }
  }
}

/** One process after the other for one seed: when one is killed, the next goes on where it stood. */
class Sender {
  passed = new Set<number>()
  from: number
  isOver = false
  #child: ChildProcess | undefined

  constructor(
    private readonly work: StockWork,
    private readonly told: Told,
  ) {
    this.from = work.from
  }

  /** Resolves when every number was passed. */
  async run(): Promise<void> {
    while (!this.isOver) await this.#runOne()
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  get left(): number {
    return this.work.to - this.from
  }

  async #runOne(): Promise<void> {
    const script = join(import.meta.dirname, 'stock-worker.ts')
    const child = spawn(process.execPath, ['--conditions=@kerp/source', '--import', 'tsx', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child = child
    child.stdin.on('error', () => undefined)
    child.stdin.write(`${JSON.stringify({ ...this.work, from: this.from })}\n`)
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('passed ')) this.#pass(Number(line.slice(7)))
      else if (line.startsWith('over ')) this.isOver = true
      else this.told.hear(line)
    }
  }

  #pass(n: number): void {
    this.passed.add(n)
    while (this.passed.delete(this.from)) this.from += 1
  }
}

/** What every row must be: the sum of what was asked for by the movements that the database has. */
async function expectedRows(
  pool: pg.Pool,
  companyId: string,
): Promise<Map<string, readonly [bigint, bigint]>> {
  const rows = new Map<string, readonly [bigint, bigint]>()
  const add = (item: string, warehouse: string, onHand: bigint, reserved: bigint): void => {
    const [before, kept] = rows.get(`${item} ${warehouse}`) ?? [0n, 0n]
    rows.set(`${item} ${warehouse}`, [before + onHand, kept + reserved])
  }
  for (const item of ITEMS) for (const warehouse of WAREHOUSES) add(item, warehouse, OPENING, 0n)
  const { rows: found } = await pool.query<{ id: string; kind: string }>(
    `SELECT id, kind FROM kerp.stock_movement WHERE company = $1 AND id NOT LIKE 'opening%'`,
    [companyId],
  )
  for (const { id, kind } of found) {
    const op = stockOp(...parseStockOpId(id))
    if (op.kind === 'adjust') add(op.item, op.warehouse, op.quantity, 0n)
    if (op.kind === 'transfer') {
      add(op.item, op.from, -op.quantity, 0n)
      add(op.item, op.to, op.quantity, 0n)
    }
    if (op.kind !== 'reserve') continue
    for (const { item, warehouse, quantity } of op.lines) {
      if (kind === 'reserve') add(item, warehouse, 0n, quantity)
      else add(item, warehouse, kind === 'confirm' ? -quantity : 0n, -quantity)
    }
  }
  return rows
}

test('never negative, conserved, each id once, and cached figure = row = Σ movements, whatever is killed', {
  timeout: 7_200_000,
}, async () => {
  await using server = await openPrivatePostgres({ settings: { max_connections: 80 } })
  await using redisServer = await openPrivateRedis()
  const redis = redisServer.client()
  redis.on('error', () => undefined)
  const pool = new pg.Pool({ connectionString: server.url, max: 8 })
  pool.on('error', () => undefined)
  await migrate(pool)
  const companyId = 'torture'
  const store = new StockLedger({ pool, warehouses: anyWarehouse })
  for (const item of ITEMS) {
    for (const warehouse of WAREHOUSES) {
      const movementId = `opening-${item}-${warehouse}`
      await store.adjust({ companyId, movementId, item, warehouse, quantity: OPENING })
    }
  }
  const seeds = Array.from({ length: PROCESSES }, (_, index) => SEED + index)
  const told = new Told()
  const each = Math.ceil(MOVEMENTS / PROCESSES)
  const senders = seeds.map((seed) => {
    const common = { databaseUrl: server.url, redisPath: redisServer.socketPath, companyId, seeds }
    return new Sender({ ...common, seed, from: 0, to: each, callers: FULL ? 400 : 25 }, told)
  })
  const random = seededRandom(SEED)
  const running = Promise.all(senders.map((sender) => sender.run()))
  await sabotage(senders, random, () => redis.flushall())
  await running

  expect(told.negative).toEqual([])
  expect(told.differing).toEqual([])
  expect([...told.refusals.keys()].filter((code) => !EXPECTED.has(code))).toEqual([])
  await expectAllKept(pool, companyId, told)
  await store.expire({ limit: 1_000 })
  const rows = await expectedRows(pool, companyId)
  const audit = await store.audit(companyId)
  expect(audit.differences).toEqual([])
  const keys = createKeys()
  const source = new RegisterRows({ pool })
  const registers = new Registers({ redis, keys, source })
  const stock = new Stock({ store, registers, source })
  const relay = new OutboxRelay({ redis, keys, outbox: new Outbox({ pool }) })
  relay.start()
  await relay.caughtUp()
  const refs = ITEMS.flatMap((item) => WAREHOUSES.map((warehouse) => ({ item, warehouse })))
  const levels = await stock.getMany(companyId, refs)
  for (const { item, warehouse, onHand, reserved } of levels) {
    expect([item, warehouse, onHand, reserved]).toEqual([
      item,
      warehouse,
      ...(rows.get(`${item} ${warehouse}`) ?? []),
    ])
  }
  await stock.getMany(companyId, refs)
  expect(await stock.audit(companyId)).toMatchObject({ rows: 12, equal: 12 })
  const refused = JSON.stringify(Object.fromEntries(told.refusals))
  console.log(
    `seed ${SEED}: ${MOVEMENTS} movements, ${told.sendings} sendings, ${told.retries} retried, ${audit.movements} done, refused ${refused}, ${KILLS} kills, ${FLUSHES} FLUSHALL`,
  )
  await relay.close()
  await store.close()
  await pool.end()
  redis.disconnect()
})

const EXPECTED = new Set(['INSUFFICIENT_STOCK', 'RESERVATION_EXPIRED', 'RESERVATION_SETTLED'])

/** Kills a process, or empties Redis, each time a further part of all movements has passed. */
async function sabotage(
  senders: readonly Sender[],
  random: { fraction(): number },
  flush: () => Promise<unknown>,
): Promise<void> {
  const total = senders.reduce((sum, { left }) => sum + left, 0)
  const blows = KILLS + FLUSHES
  for (let blow = 1; blow <= blows; blow += 1) {
    const left = total * (1 - blow / (blows + 1))
    await expect
      .poll(() => senders.reduce((sum, sender) => sum + sender.left, 0), { timeout: 3_600_000, interval: 20 })
      .toBeLessThan(left)
    if (blow % Math.ceil(blows / FLUSHES) === 0) await flush()
    else senders[Math.floor(random.fraction() * senders.length)]?.kill()
  }
}

/** Everything that anybody was told is done is in the database. */
async function expectAllKept(pool: pg.Pool, companyId: string, told: Told): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT space || ' ' || id AS name FROM kerp.stock_movement WHERE company = $1`,
    [companyId],
  )
  const kept = new Set(rows.map(({ name }) => name))
  expect([...told.answers.keys()].filter((name) => !kept.has(name))).toEqual([])
}
