/** Reads and postings of one process while Redis is away, and how far its cache is from the database afterwards. */

import { setTimeout as wait } from 'node:timers/promises'
import { BalanceCache } from '@kerp/balance-cache'
import { Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { anyAccount, anyWarehouse, Ledger, migrate, Outbox, RegisterRows, StockLedger } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { closeRedis, connectRedis, type RedisClient } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import pg from 'pg'
import { percentile, rounded } from './figures.js'

/** One of each begins so often, in ms. */
export const READ_EVERY_MS = 2
export const POST_EVERY_MS = 20

const COMPANY = 'c'
const ACCOUNTS = 200
const ITEMS = 50
const BEFORE_MS = 500
const OUTAGE_MS = 5_000
const RECOVERY_MS = 1_000
const PATIENCE_MS = 60_000
/** One of so many reads is of stock. */
const STOCK_EVERY = 4

/** A process that reads and posts. */
class Reader implements AsyncDisposable {
  readonly elapsedMs: number[] = []
  failed = 0
  readonly #relay: OutboxRelay
  readonly #registers: Registers
  readonly #balances: BalanceCache
  readonly #store: StockLedger
  readonly #stock: Stock
  readonly #ledger: Ledger
  #read = 0
  #posted = 0

  constructor(redis: RedisClient, pool: pg.Pool) {
    const keys = createKeys()
    const [source, outbox] = [new RegisterRows({ pool }), new Outbox({ pool })]
    const registers = new Registers({ redis, keys, source, localTier: { positions: outbox } })
    this.#registers = registers
    this.#balances = new BalanceCache({ registers, source, invalidations: outbox })
    this.#store = new StockLedger({ pool, warehouses: anyWarehouse })
    this.#stock = new Stock({ store: this.#store, registers, source })
    this.#ledger = new Ledger({ pool, accounts: anyAccount })
    this.#relay = new OutboxRelay({ redis, keys, outbox })
    this.#relay.start()
  }

  /** A row of each account and item. */
  async open(): Promise<void> {
    for (let n = 0; n < ACCOUNTS; n += 1) await this.post()
  }

  readonly read = async (): Promise<void> => {
    this.#read += 1
    const [beganMs, account] = [performance.now(), `A${this.#read % ACCOUNTS}`]
    const reading =
      this.#read % STOCK_EVERY === 0
        ? this.#stock.get({ companyId: COMPANY, item: `I${this.#read % ITEMS}`, warehouse: 'W1' })
        : this.#balances.get({ companyId: COMPANY, account, fiscalYear: 2026 })
    await reading.then(
      () => this.elapsedMs.push(performance.now() - beganMs),
      () => (this.failed += 1),
    )
  }

  readonly post = async (): Promise<void> => {
    this.#posted += 1
    const [n, id] = [this.#posted, `V-${this.#posted}`]
    const lines = [
      { account: `A${n % ACCOUNTS}`, debit: 1n },
      { account: 'X', credit: 1n },
    ]
    const goods = { companyId: COMPANY, item: `I${n % ITEMS}`, warehouse: 'W1', quantity: 1n }
    const [posted] = await Promise.all([
      this.#ledger.post({ companyId: COMPANY, id, date: '2026-01-05', fiscalYear: 2026, lines }),
      this.#stock.adjust({ ...goods, movementId: id }),
    ])
    await this.#balances.apply(posted)
  }

  /** Every cached row beside its row of the database. */
  async audit(): Promise<{ readonly rows: number; readonly cached: number; readonly differing: number }> {
    const balances = await this.#balances.audit(COMPANY, { fiscalYear: 2026, repair: false })
    const levels = await this.#stock.audit(COMPANY)
    const differing = [balances, levels].map(({ behind, foreign, different }) => behind + foreign + different)
    return {
      rows: balances.rows + levels.rows,
      cached: balances.equal + levels.equal,
      differing: differing.reduce((sum, count) => sum + count, 0),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay.close()
    await this.#registers.close()
    await Promise.all([this.#ledger.close(), this.#store.close()])
  }
}

/** One call every so often, whether or not those before it have ended. */
async function steadily(work: () => Promise<unknown>, everyMs: number, endMs: number): Promise<void> {
  const running: Promise<unknown>[] = []
  for (let dueMs = performance.now(); dueMs < endMs; dueMs += everyMs) {
    await wait(Math.max(0, dueMs - performance.now()))
    running.push(work())
  }
  await Promise.all(running)
}

/** Takes Redis away while a process reads and posts. */
export async function measureOutage(how: 'killed' | 'suspended'): Promise<object> {
  await using server = await openPrivateRedis()
  await using postgres = await openPrivatePostgres()
  const pool = new pg.Pool({ connectionString: postgres.url, max: 16 })
  pool.on('error', () => undefined)
  await migrate(pool)
  const redis = await connectRedis({ path: server.socketPath }, PATIENCE_MS, {})
  const reader = new Reader(redis, pool)
  await reader.open()
  await steadily(reader.read, READ_EVERY_MS, performance.now() + BEFORE_MS)
  reader.elapsedMs.length = 0

  const endMs = performance.now() + OUTAGE_MS
  if (how === 'killed') await server.kill()
  else server.pause()
  await Promise.all([
    steadily(reader.read, READ_EVERY_MS, endMs),
    steadily(reader.post, POST_EVERY_MS, endMs),
  ])
  const [elapsedMs, failed] = [[...reader.elapsedMs], reader.failed]
  if (how === 'killed') await server.restart()
  else server.resume()
  await steadily(reader.read, READ_EVERY_MS, performance.now() + RECOVERY_MS)
  const audit = await reader.audit()

  await reader[Symbol.asyncDispose]()
  await closeRedis(redis)
  await pool.end()
  return {
    Redis: `${how} for ${OUTAGE_MS / 1_000} s`,
    reads: elapsedMs.length + failed,
    'served %': rounded((100 * elapsedMs.length) / (elapsedMs.length + failed), 3),
    'p50 ms': rounded(percentile(elapsedMs, 0.5)),
    'p99 ms': rounded(percentile(elapsedMs, 0.99)),
    'max ms': rounded(Math.max(...elapsedMs)),
    'rows compared 1 s after': audit.rows,
    'cached then': audit.cached,
    'different, behind or foreign': audit.differing,
  }
}
