/** The public calls that ask Redis or PostgreSQL, each with the deadline that its documentation names. */

import { BalanceCache } from '@kerp/balance-cache'
import { ReadThrough } from '@kerp/cache'
import { type Lock, Locks, Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { anyAccount, anyWarehouse, Ledger, Outbox, RegisterRows, StockLedger } from '@kerp/postgres'
import { erpEvents, Publisher } from '@kerp/pubsub'
import { realtimeHealth } from '@kerp/realtime'
import type { RedisClient } from '@kerp/redis'
import { OutboxRelay, Registers } from '@kerp/registers'
import type pg from 'pg'

/** One kind of call. */
export interface DeadlineCall {
  readonly name: string
  /** What is promised by options and documentation: it settles within this, in ms. */
  readonly deadlineMs: number
  /** Begins call number `n`; undefined when there is nothing to call it on. */
  readonly begin: (n: number) => Promise<unknown> | undefined
}

const COMPANY = 'deadlines'
const ACCOUNTS = 50
const HELD_LOCKS = 200

const READ_MS = 2_000
const WRITE_MS = 3_000
const APPLY_MS = 250
const COMMAND_MS = 500
const WAIT_MS = 1_000
const PUBLISH_MS = 1_000
const CACHE_MS = 3_000
const INVALIDATE_MS = 1_000
const HEALTH_MS = 1_000

function accountOf(n: number): string {
  return `A${n % ACCOUNTS}`
}

/** Everything of one process that answers such calls. */
export class DeadlineCalls implements AsyncDisposable {
  readonly #relay: OutboxRelay
  readonly #registers: Registers
  readonly #balances: BalanceCache
  readonly #ledger: Ledger
  readonly #store: StockLedger
  readonly #stock: Stock
  readonly #locks: Locks
  readonly #publisher: Publisher<typeof erpEvents.schemas>
  readonly #cache: ReadThrough
  readonly #held: Lock[] = []
  #taken = 0

  constructor(
    private readonly redis: RedisClient,
    private readonly pool: pg.Pool,
  ) {
    const keys = createKeys()
    const outbox = new Outbox({ pool })
    const source = new RegisterRows({ pool, deadlineMs: READ_MS })
    this.#relay = new OutboxRelay({ redis, keys, outbox, pollMs: 20 })
    this.#registers = new Registers({
      redis,
      keys,
      source,
      readDeadlineMs: READ_MS,
      applyDeadlineMs: APPLY_MS,
      loadBackoffMs: 0,
      localTier: { positions: outbox },
    })
    const registers = this.#registers
    this.#balances = new BalanceCache({ registers, source, invalidations: outbox })
    this.#ledger = new Ledger({ pool, accounts: anyAccount, deadlineMs: WRITE_MS })
    this.#store = new StockLedger({ pool, warehouses: anyWarehouse, deadlineMs: WRITE_MS })
    this.#stock = new Stock({ store: this.#store, registers, source })
    this.#locks = new Locks({ redis, keys, commandMs: COMMAND_MS, closeMs: 0 })
    this.#publisher = new Publisher({ redis, keys, events: erpEvents, deadlineMs: PUBLISH_MS })
    const times = { readDeadlineMs: CACHE_MS, loadDeadlineMs: 1_500, waitMs: 1_000, backoffMs: 0 }
    this.#cache = new ReadThrough({ redis, keys, ...times, invalidateDeadlineMs: INVALIDATE_MS })
  }

  async open(): Promise<void> {
    this.#relay.start()
    const opening = { companyId: COMPANY, movementId: 'opening', item: 'A', warehouse: 'W1' }
    await this.#store.adjust({ ...opening, quantity: 10n ** 12n })
    for (let n = 0; n < ACCOUNTS; n += 1) await this.#ledger.post(this.#voucher(`opening-${n}`, n))
    await this.refill()
  }

  /** Takes the locks that are given back during the next fault. */
  async refill(): Promise<void> {
    while (this.#held.length < HELD_LOCKS) {
      this.#taken += 1
      const resource = { companyId: COMPANY, type: 'held', id: String(this.#taken) }
      this.#held.push(await this.#locks.acquire(resource, { ttlMs: 600_000, renew: false }))
    }
  }

  /** Whether everything is as good as new: the next fault then begins. */
  async isWell(): Promise<boolean> {
    const { ready } = await this.#health()
    return ready && (await this.#balances.get(this.#ref(1))).source !== 'database'
  }

  all(): readonly DeadlineCall[] {
    const cached = this.#cached()
    const refs = Array.from({ length: ACCOUNTS }, (_, n) => this.#ref(n))
    const goods = { companyId: COMPANY, item: 'A', warehouse: 'W1' }
    const kept = [{ item: 'A', warehouse: 'W1', quantity: 1n }]
    const adjust = (n: number) => this.#stock.adjust({ ...goods, movementId: `m-${n}`, quantity: 1n })
    const reserve = (n: number) =>
      this.#stock.reserve({ companyId: COMPANY, reservationId: `r-${n}`, lines: kept, ttlMs: 600_000 })
    const lock = (n: number) => ({ companyId: COMPANY, type: 'own', id: String(n) })
    const event = (n: number) => ({
      companyId: COMPANY,
      type: 'events:voucher:approved' as const,
      payload: { id: `V-${n}` },
    })
    return [
      call('balance get', READ_MS, (n) => this.#balances.get(this.#ref(n))),
      call('balance getMany', READ_MS, () => this.#balances.getMany(refs)),
      call('balance getMany, cut', READ_MS, () => this.#balances.getMany(refs, { cut: true })),
      call('stock get', READ_MS, () => this.#stock.get(goods)),
      call('stock adjust', WRITE_MS + APPLY_MS, adjust),
      call('stock reserve', WRITE_MS + APPLY_MS, reserve),
      call('ledger post', WRITE_MS, (n) => this.#ledger.post(this.#voucher(`v-${n}`, n))),
      call('lock acquire', WAIT_MS, (n) => this.#locks.acquire(lock(n), { ttlMs: 100, waitMs: WAIT_MS })),
      call('lock tryAcquire', COMMAND_MS, (n) => this.#locks.tryAcquire(lock(-n), { ttlMs: 100 })),
      call('lock release', COMMAND_MS, () => this.#held.pop()?.release()),
      call('lock list', COMMAND_MS, () => this.#locks.list(COMPANY, { limit: 5 })),
      // Its deadline is that of one call, and of the wait before it.
      call('publish', 2 * PUBLISH_MS, (n) => this.#publisher.publish(event(n))),
      call('cache get', CACHE_MS, (n) => cached.get({ companyId: COMPANY, id: String(n % ACCOUNTS) })),
      call('cache invalidate', INVALIDATE_MS, () => this.#cache.invalidateTags(COMPANY, ['rare'])),
      call('health', HEALTH_MS, () => this.#health()),
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#relay, this.#publisher, this.#locks].map((part) => part.close()))
    await this.#registers.close()
    await Promise.all([this.#ledger.close(), this.#store.close()])
  }

  #cached() {
    const { keys } = this.#cache
    return this.#cache.define<{ readonly companyId: string; readonly id: string }, string>({
      type: 'master_data',
      key: (ref) => keys.cached({ ...ref, type: 'unit' }),
      tags: () => ['units'],
      load: async ({ id }) => {
        await this.pool.query('SELECT 1')
        return `unit ${id}`
      },
      codec: { encode: (name) => name, decode: (name) => name },
    })
  }

  #health() {
    return realtimeHealth({
      pool: this.pool,
      redis: this.redis,
      registers: this.#registers,
      relay: this.#relay,
    })
  }

  #ref(n: number) {
    return { companyId: COMPANY, account: accountOf(n), fiscalYear: 2026 }
  }

  #voucher(id: string, n: number) {
    const lines = [
      { account: accountOf(n), debit: 1n },
      { account: 'X', credit: 1n },
    ]
    return { companyId: COMPANY, id, date: '2026-01-05', fiscalYear: 2026, lines }
  }
}

function call(name: string, deadlineMs: number, begin: DeadlineCall['begin']): DeadlineCall {
  return { name, deadlineMs, begin }
}
