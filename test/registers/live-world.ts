/** Balances on real servers: a ledger on PostgreSQL, several "processes" and relays on Redis, and the truth. */

import { readTokenOf, type ReadToken, type RegisterImages, type RegisterSource } from '@kerp/core'
import type { AccountRef, Balance } from '@kerp/balance-cache'
import { BalanceCache } from '@kerp/balance-cache'
import { createKeys } from '@kerp/keys'
import { anyAccount, Ledger, migrate, Outbox, RegisterRows } from '@kerp/postgres'
import { OutboxRelay, Registers } from '@kerp/registers'
import { Redis } from 'ioredis'
import pg from 'pg'
import { freshCompany } from '../support/fresh-company.js'

/** One process of a host: its own connection, registers and cache. */
export interface Client {
  readonly redis: Redis
  readonly registers: Registers
  readonly cache: BalanceCache
}

const REQUEST_PATH = { maxRetriesPerRequest: 0, enableOfflineQueue: false, retryStrategy: () => 20 } as const

export class LiveWorld implements AsyncDisposable {
  readonly companyId = freshCompany()
  readonly keys = createKeys()
  readonly pool: pg.Pool
  readonly ledger: Ledger
  readonly outbox: Outbox
  readonly #source: RegisterRows
  readonly #relays: OutboxRelay[] = []
  readonly #connections: Redis[] = []
  #posted = 0

  private constructor(
    readonly socketPath: string,
    pool: pg.Pool,
  ) {
    this.pool = pool
    this.ledger = new Ledger({ pool, accounts: anyAccount })
    this.outbox = new Outbox({ pool })
    this.#source = new RegisterRows({ pool })
  }

  static async open(socketPath: string, databaseUrl: string): Promise<LiveWorld> {
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 20 })
    pool.on('error', () => undefined)
    await migrate(pool)
    return new LiveWorld(socketPath, pool)
  }

  connect(): Redis {
    const redis = new Redis({ path: this.socketPath, ...REQUEST_PATH })
    redis.on('error', () => undefined)
    this.#connections.push(redis)
    return redis
  }

  /** `hesitate` is awaited between the reading of rows and their answer, so that commits fall in between. */
  client(hesitate: () => Promise<unknown> = () => Promise.resolve()): Client {
    const redis = this.connect()
    const { keys, outbox: invalidations } = this
    const source: RegisterSource = {
      list: (listing) => this.#source.list(listing),
      load: async (companyId, refs) => {
        const loaded = await this.#source.load(companyId, refs)
        await hesitate()
        return loaded
      },
    }
    const registers = new Registers({ redis, keys, source, leaseMs: 500 })
    return { redis, registers, cache: new BalanceCache({ registers, source, invalidations }) }
  }

  startRelay(): OutboxRelay {
    const { keys, outbox } = this
    const relay = new OutboxRelay({ redis: this.connect(), keys, outbox, pollMs: 10, heartbeatMs: 50 })
    this.#relays.push(relay)
    relay.start()
    return relay
  }

  ref(account: string): AccountRef {
    return { companyId: this.companyId, account, fiscalYear: 2026 }
  }

  /** Posts a voucher that moves an amount from one account to another. */
  async post(
    from: string,
    to: string,
    amount: bigint,
  ): Promise<{ images: RegisterImages; token: ReadToken }> {
    this.#posted += 1
    const { companyId } = this
    const id = `V-${this.#posted}`
    const lines = [
      { account: to, debit: amount },
      { account: from, credit: amount },
    ]
    const images = await this.ledger.post({ companyId, id, date: '2026-01-05', fiscalYear: 2026, lines })
    return { images, token: readTokenOf(images) }
  }

  /** Every state that the database ever had, as `account version debit credit`, read from the lines. */
  async history(): Promise<ReadonlySet<string>> {
    const { rows } = await this.pool.query<{ state: string }>(
      `SELECT DISTINCT ON (l.account, l.version) concat_ws(' ', account, version, debit_after, credit_after) AS state
       FROM kerp.line l WHERE company = $1 ORDER BY l.account, l.version, l.line_no DESC`,
      [this.companyId],
    )
    return new Set(rows.map(({ state }) => state))
  }

  /** The rows as they stand, in the same words. */
  async present(): Promise<ReadonlyMap<string, string>> {
    const { rows } = await this.pool.query<{ account: string; state: string }>(
      `SELECT account, concat_ws(' ', account, version, debit, credit) AS state
       FROM kerp.balance WHERE company = $1`,
      [this.companyId],
    )
    return new Map(rows.map(({ account, state }) => [account, state]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#relays.map((relay) => relay.close()))
    for (const connection of this.#connections) connection.disconnect()
    await this.ledger.close()
    await this.pool.end()
  }
}

/** A balance in the words of `history`. */
export function stateOfBalance(balance: Balance): string {
  return `${balance.account} ${balance.version} ${balance.debit} ${balance.credit}`
}
