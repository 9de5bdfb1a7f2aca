/**
 * One in a hundred replies of Redis and of PostgreSQL is lost with its connection: the work was done, and who asked for
 * it never hears of it. Everybody asks again by the same id, as a host does, and everything happens once.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { isRetryableError } from '@kerp/core'
import { seededRandom } from '@kerp/core/testing'
import { Locks, Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { anyWarehouse, ChunkLedger, Outbox, RegisterRows, StockLedger } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { erpEvents, Publisher } from '@kerp/pubsub'
import { connectRedis, type RedisClient, whenReady } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import { Batches } from '@kerp/worker-pool'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { openPool, type OwnDatabase, ownDatabase } from '../postgres/own-database.js'
import { StreamReader } from '../pubsub/stream-reader.js'
import { type FaultProxy, openFaultProxy } from '../support/fault-proxy.js'
import { employeeId, PAYMENT_TABLES, payBatch, totalsOfPaid } from '../worker-pool/paying.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const OPERATIONS = FULL ? 200_000 : 2_000
const SEED = 20_261_126
/** Of the replies. */
const LOST = 0.01
/** Processes' worth of connections and objects, and the callers of each. */
const LANES = 8
const CALLERS = 8
const RESOURCES = 41
const COMPANIES = 5
const OPENING = 10n ** 12n
const PATIENCE_MS = 60_000
const KEEP = 1_000_000

/** Of so many operations one is a chunk of a durable batch that somebody claims. */
const CHUNK_SHARE = 20
const CHUNKS = OPERATIONS / CHUNK_SHARE
const CHUNK_ITEMS = 2

const keys = createKeys()

/** What a lane does, by the number of the operation. */
type Kind = 'publish' | 'lock' | 'adjust' | 'reserve'
const KINDS: readonly Kind[] = ['publish', 'lock', 'adjust', 'lock', 'publish', 'reserve']

function kindOf(n: number): Kind {
  return KINDS[n % KINDS.length] ?? 'publish'
}

function companyOf(n: number): string {
  return `c${n % COMPANIES}`
}

function itemOf(n: number): string {
  return `I${n % RESOURCES}`
}

function quantityOf(n: number): bigint {
  return BigInt(1 + (n % 97))
}

/** What all lanes together were told. */
class Told {
  next = 0
  done = 0
  /** Operations that were asked for again, because nobody knew what had become of them. */
  retried = 0
  readonly wrong: string[] = []
  readonly #holders = new Set<string>()
  readonly #fences = new Map<string, number>()

  /** A section under a lock: nobody else is in it, and its fence is above all before. */
  async section(resource: string, fence: number): Promise<void> {
    if (this.#holders.has(resource)) this.wrong.push(`${resource} has two holders`)
    if (fence <= (this.#fences.get(resource) ?? 0)) this.wrong.push(`${resource} has fence ${fence} again`)
    this.#holders.add(resource)
    this.#fences.set(resource, fence)
    await Promise.resolve()
    this.#holders.delete(resource)
  }

  /** Asks until there is an answer, as the errors say. */
  async insist(redis: RedisClient, call: () => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await call()
        return
      } catch (error) {
        if (!isRetryableError(error)) throw error
        if (attempt === 1) this.retried += 1
        await whenReady(redis, PATIENCE_MS)
        await wait(1)
      }
    }
  }
}

/** The objects of one process, on a connection of its own. */
class Lane {
  readonly #publisher: Publisher<typeof erpEvents.schemas>
  readonly #locks: Locks
  readonly #stock: Stock

  constructor(
    readonly redis: RedisClient,
    readonly store: StockLedger,
    source: RegisterRows,
    private readonly told: Told,
  ) {
    this.#publisher = new Publisher({ redis, keys, events: erpEvents, keep: KEEP })
    this.#locks = new Locks({ redis, keys, closeMs: 0 })
    this.#stock = new Stock({ store, registers: new Registers({ redis, keys, source }), source })
  }

  async run(): Promise<void> {
    const { told } = this
    while (told.next < OPERATIONS - CHUNKS) {
      const n = told.next
      told.next += 1
      await this.#do(n)
      told.done += 1
    }
  }

  async close(): Promise<void> {
    await this.#publisher.close()
    await this.#locks.close()
    await this.store.close()
    this.redis.disconnect()
  }

  #do(n: number): Promise<void> {
    const { told, redis } = this
    const [companyId, item, quantity] = [companyOf(n), itemOf(n), quantityOf(n)]
    switch (kindOf(n)) {
      case 'publish': {
        const event = { companyId, type: 'events:voucher:approved', payload: { id: `V-${n}` } } as const
        return told.insist(redis, () => this.#publisher.publish({ ...event, id: `e-${n}` }))
      }
      case 'lock':
        return this.#lock(companyId, item)
      case 'adjust': {
        const movement = { companyId, movementId: `m-${n}`, item, warehouse: 'W1', quantity }
        return told.insist(redis, () => this.#stock.adjust(movement))
      }
      case 'reserve': {
        const lines = [{ item, warehouse: 'W1', quantity }]
        const reservation = { companyId, reservationId: `r-${n}`, lines, ttlMs: 86_400_000 }
        return told.insist(redis, () => this.#stock.reserve(reservation))
      }
    }
  }

  async #lock(companyId: string, item: string): Promise<void> {
    const { told } = this
    let sections = 0
    const options = { ttlMs: PATIENCE_MS, waitMs: PATIENCE_MS }
    await told.insist(this.redis, () =>
      this.#locks.withLock({ companyId, type: 'item', id: item }, options, async ({ fenceNumber }) => {
        sections += 1
        await told.section(`${companyId} ${item}`, fenceNumber)
      }),
    )
    if (sections !== 1) told.wrong.push(`a section of ${item} ran ${sections} times`)
  }
}

/** Opens the stock, so that every movement finds something. */
async function openStock(store: StockLedger): Promise<void> {
  const rows = Array.from({ length: COMPANIES }, (_, n) => companyOf(n)).flatMap((companyId) =>
    Array.from({ length: RESOURCES }, (_, n) => ({ companyId, item: itemOf(n) })),
  )
  await Promise.all(
    rows.map((row) =>
      store.adjust({ ...row, movementId: `opening-${row.item}`, warehouse: 'W1', quantity: OPENING }),
    ),
  )
}

/** Two workers claim chunks until everybody is paid. */
async function payEverybody(pool: pg.Pool, own: OwnDatabase): Promise<number> {
  const batch = payBatch({ chunkItems: CHUNK_ITEMS })
  const workers = [1, 2].map(() => new Batches({ ledger: new ChunkLedger({ pool }), batches: [batch] }))
  const direct = new Batches({ ledger: new ChunkLedger({ pool: own.pool }), batches: [batch] })
  const employees = CHUNKS * CHUNK_ITEMS
  const run = await direct.start(batch, { companyId: 'pay', month: '2026-06', employees })
  for (const worker of workers) worker.work()
  await expect
    .poll(async () => (await run.read()).state, { timeout: 3_600_000, interval: 50 })
    .not.toBe('running')
  await Promise.all([...workers, direct].map((worker) => worker.close()))
  const { state, totals, chunks } = await run.read()
  expect({ state, totals }).toEqual({ state: 'done', totals: totalsOfPaid(BigInt(employees) * 1_000n) })
  const { rows } = await own.pool.query<{ employee: string }>(
    'SELECT p.employee FROM payment p ORDER BY p.employee',
  )
  expect(rows.map(({ employee }) => employee)).toEqual(
    Array.from({ length: employees }, (_, n) => employeeId(n)),
  )
  return chunks
}

/** Of every number of a kind: there once, in any order, and nothing beside them. */
function numbersOf(kind: Kind, companyId: string): readonly number[] {
  return Array.from({ length: OPERATIONS - CHUNKS }, (_, n) => n).filter(
    (n) => kindOf(n) === kind && companyOf(n) === companyId,
  )
}

async function expectEventsOnce(redis: RedisClient, companyId: string): Promise<number> {
  const reader = new StreamReader(redis, companyId)
  const wanted = numbersOf('publish', companyId).map((n) => `e-${n}`)
  const seen = await reader.read()
  expect({ again: reader.again, events: [...seen].sort() }).toEqual({ again: 0, events: wanted.sort() })
  return seen.length
}

/** The rows are what the operations add up to, the ledger agrees with itself, and Redis with the rows. */
async function expectStockOnce(
  own: OwnDatabase,
  store: StockLedger,
  stock: Stock,
  companyId: string,
): Promise<number> {
  const onHand = new Map<string, bigint>()
  const reserved = new Map<string, bigint>()
  const add = (to: Map<string, bigint>, n: number): void =>
    void to.set(itemOf(n), (to.get(itemOf(n)) ?? 0n) + quantityOf(n))
  const [adjusted, kept] = [numbersOf('adjust', companyId), numbersOf('reserve', companyId)]
  for (const n of adjusted) add(onHand, n)
  for (const n of kept) add(reserved, n)
  const refs = Array.from({ length: RESOURCES }, (_, n) => ({ item: itemOf(n), warehouse: 'W1' }))
  const levels = await stock.getMany(companyId, refs)
  expect(levels.map((level) => [level.item, level.onHand, level.reserved])).toEqual(
    refs.map(({ item }) => [item, OPENING + (onHand.get(item) ?? 0n), reserved.get(item) ?? 0n]),
  )
  expect((await store.audit(companyId)).differences).toEqual([])
  await stock.getMany(companyId, refs)
  expect(await stock.audit(companyId)).toMatchObject({ rows: RESOURCES, equal: RESOURCES })
  const movements = await own.one(`SELECT count(*)::int FROM kerp.stock_movement WHERE company = $1`, [
    companyId,
  ])
  expect(movements).toBe(RESOURCES + adjusted.length + kept.length)
  return adjusted.length + kept.length
}

/** Loses replies as the seed says. */
function loseReplies(proxies: readonly FaultProxy[]): void {
  for (const [at, { plan }] of proxies.entries()) {
    const random = seededRandom(SEED + at)
    plan.losesReply = () => random.fraction() < LOST
  }
}

test('with one reply in a hundred lost after its work was done, every operation that is asked for again by its id has one effect', {
  timeout: 7_200_000,
}, async () => {
  await using server = await openPrivateRedis()
  await using postgres = await openPrivatePostgres({ settings: { max_connections: 80 } })
  const own = await ownDatabase(postgres.url)
  await own.pool.query(PAYMENT_TABLES)
  await using toRedis = await openFaultProxy(server.socketPath)
  await using toDatabase = await openFaultProxy(`${postgres.socketDir}/.s.PGSQL.5432`, '.s.PGSQL.5432')
  const far = new URL(own.url)
  far.searchParams.set('host', toDatabase.socketPath.replace(/\/[^/]*$/, ''))
  const pool = openPool(far.href, 16)
  const opening = new StockLedger({ pool: own.pool, warehouses: anyWarehouse })
  await openStock(opening)
  const told = new Told()
  const source = new RegisterRows({ pool })
  const connect = (): Promise<RedisClient> =>
    connectRedis({ path: toRedis.socketPath, reconnectMsMax: 20 }, PATIENCE_MS, {})
  const lanes = await Promise.all(
    Array.from({ length: LANES }, async () => {
      const store = new StockLedger({ pool, warehouses: anyWarehouse })
      return new Lane(await connect(), store, source, told)
    }),
  )
  const relay = new OutboxRelay({
    redis: await connect(),
    keys,
    outbox: new Outbox({ pool }),
    backoffMsMax: 100,
  })
  relay.start()

  loseReplies([toRedis, toDatabase])
  const [chunks] = await Promise.all([
    payEverybody(pool, own),
    ...lanes.flatMap((lane) => Array.from({ length: CALLERS }, () => lane.run())),
  ])
  for (const proxy of [toRedis, toDatabase]) proxy.heal()
  await relay.caughtUp({ deadlineMs: PATIENCE_MS })

  expect({ wrong: told.wrong, operations: told.done + chunks }).toEqual({ wrong: [], operations: OPERATIONS })
  const redis = await connectRedis({ path: server.socketPath }, PATIENCE_MS, {})
  const direct = new RegisterRows({ pool: own.pool })
  const stock = new Stock({
    store: opening,
    registers: new Registers({ redis, keys, source: direct }),
    source: direct,
  })
  const locks = new Locks({ redis, keys })
  const counts = { events: 0, movements: 0, grants: 0, chunks }
  for (let company = 0; company < COMPANIES; company += 1) {
    const companyId = companyOf(company)
    counts.events += await expectEventsOnce(redis, companyId)
    counts.movements += await expectStockOnce(own, opening, stock, companyId)
    counts.grants += numbersOf('lock', companyId).length
    expect(await locks.list(companyId)).toEqual([])
  }
  const lost = { redis: toRedis.lostReplies, database: toDatabase.lostReplies }
  console.log(
    `seed ${SEED}`,
    JSON.stringify({ operations: OPERATIONS, ...counts, retried: told.retried, lost }),
  )
  expect(lost.redis).toBeGreaterThan(OPERATIONS / 1_000)
  expect(lost.database).toBeGreaterThan(0)

  await relay.close()
  await Promise.all([...lanes, locks].map((part) => part.close()))
  await opening.close()
  redis.disconnect()
  await pool.end()
  await own.close()
})
