/**
 * The whole library on one topology of Redis, used by two processes at once while servers fail, and judged after:
 * balances, stock behind fenced locks, and events.
 */

import { BalanceCache } from '@kerp/balance-cache'
import { readTokenOf } from '@kerp/core'
import { Locks, Stock } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { EventLog, Outbox, RegisterRows } from '@kerp/postgres'
import { EventRelay, erpEvents, Subscriber } from '@kerp/pubsub'
import { closeRedis, type CreateRedisOptions, createRedis, type RedisClient, whenReady } from '@kerp/redis'
import { OutboxRelay, Registers } from '@kerp/registers'
import { expect } from 'vitest'
import { type OwnStock, ownStock, stocked } from '../postgres/own-stock.js'
import { twoLines } from '../postgres/own-database.js'
import { EventHearing } from './event-hearing.js'

const PROCESSES = 2
const POSTERS = 3
const PATIENCE = { timeout: 60_000, interval: 20 }
const OPENING = 1_000_000n
const DEBIT = '1101'
const CREDIT = '4101'

/** One process of a host. */
interface Process {
  readonly redis: RedisClient
  readonly balances: BalanceCache
  readonly stock: Stock
  readonly locks: Locks
}

/** A fenced write that the database took. */
interface FencedWrite {
  readonly fence: number
  readonly version: number
}

/** What was promised while servers failed, to be judged. */
interface Promises {
  vouchers: number
  /** Reads that did not show what the same caller had posted. */
  missed: number
  readonly states: Set<string>
  readonly writes: FencedWrite[]
  /** Sections under a lock that ended without a write: nobody was promised anything. */
  refused: number
}

/** Where Redis is, and whether its channels are sharded. */
export interface FailoverOptions {
  readonly redis: CreateRedisOptions
  readonly databaseUrl: string
  readonly sharded?: boolean
}

/** Servers fail outside; this world goes on. */
export class FailoverWorld implements AsyncDisposable {
  readonly promises: Promises = { vouchers: 0, missed: 0, states: new Set(), writes: [], refused: 0 }
  readonly keys = createKeys()
  readonly #closers: (() => Promise<unknown>)[] = []
  readonly #working: Promise<void>[] = []
  #processes: readonly Process[] = []
  #hearing: EventHearing | undefined
  #stopped = false
  #grants = 0

  private constructor(
    readonly database: OwnStock,
    readonly companyId: string,
  ) {}

  static async open(options: FailoverOptions): Promise<FailoverWorld> {
    const database = await ownStock(options.databaseUrl)
    const world = new FailoverWorld(database, await stocked(database.stock(), OPENING))
    world.#closers.push(() => database.close())
    try {
      await world.#begin(options)
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
    return world
  }

  /** Vouchers and fenced writes that were acknowledged so far. */
  get done(): { readonly vouchers: number; readonly writes: number } {
    return { vouchers: this.promises.vouchers, writes: this.promises.writes.length }
  }

  /** How long it takes until a lock is granted again and Redis answers reads in all processes, in ms. */
  async recovery(): Promise<{ readonly lockMs: number; readonly readMs: number }> {
    const begunMs = performance.now()
    const [grants, lock] = [this.#grants, { ms: 0 }]
    const granted = expect
      .poll(() => this.#grants, PATIENCE)
      .toBeGreaterThan(grants + POSTERS * PROCESSES)
      .then(() => (lock.ms = performance.now() - begunMs))
    const refs = [DEBIT, CREDIT].map((account) => this.#ref(account))
    await Promise.all(
      this.#processes.map(({ balances }) =>
        expect
          .poll(async () => (await balances.getMany(refs)).map(({ source }) => source), PATIENCE)
          .not.toContain('database'),
      ),
    )
    const readMs = performance.now() - begunMs
    await granted
    return { lockMs: Math.round(lock.ms), readMs: Math.round(readMs) }
  }

  /** Ends the work and compares what was promised with what the database holds, and that with Redis. */
  async judge(): Promise<Readonly<Record<string, number>>> {
    this.#stopped = true
    await Promise.all(this.#working)
    const { vouchers, missed, states, writes, refused } = this.promises
    const count = await this.database.one(`SELECT count(*)::int FROM kerp.voucher WHERE company = $1`, [
      this.companyId,
    ])
    expect({ vouchers: count, missed }).toEqual({ vouchers, missed: 0 })
    const history = await this.#history()
    expect([...states].filter((state) => !history.has(state))).toEqual([])
    const inOrder = [...writes].sort((one, other) => one.version - other.version)
    expect(inOrder.filter(({ fence }, at) => fence < (inOrder[at - 1]?.fence ?? 0))).toEqual([])
    const [onHand] = await this.database.row(this.companyId)
    expect(onHand).toBe(OPENING - BigInt(writes.length))
    const events = await this.#hearing?.judge()
    await this.#judgeCaches()
    return { vouchers, states: states.size, writes: writes.length, refused, ...events }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#working)
    for (const close of this.#closers.reverse()) await close()
  }

  async #begin({ redis: place, sharded = false }: FailoverOptions): Promise<void> {
    const { pool } = this.database
    const { keys } = this
    const outbox = new Outbox({ pool })
    const source = new RegisterRows({ pool })
    const connect = async (): Promise<RedisClient> => {
      const redis = createRedis(place, {})
      this.#closers.push(() => closeRedis(redis))
      await whenReady(redis, 20_000)
      return redis
    }
    const opened = <T extends { close(): Promise<unknown> }>(part: T): T => {
      this.#closers.push(() => part.close())
      return part
    }
    const log = new EventLog({ pool })
    const relaying = { keys, redis: await connect(), backoffMsMax: 500 }
    opened(new OutboxRelay({ ...relaying, outbox, pollMs: 20 })).start()
    opened(new EventRelay({ ...relaying, source: log, sharded, checkMs: 200 })).start()
    const processes: Process[] = []
    for (let at = 0; at < PROCESSES; at += 1) {
      const redis = await connect()
      const registers = opened(new Registers({ redis, keys, source, localTier: { positions: outbox } }))
      processes.push({
        redis,
        balances: new BalanceCache({ registers, source, invalidations: outbox }),
        stock: new Stock({ store: this.database.stock(), registers, source }),
        locks: opened(new Locks({ redis, keys, closeMs: 0 })),
      })
    }
    this.#processes = processes
    this.#hearing = new EventHearing(log, this.companyId)
    await this.#hearing.listen(
      opened(new Subscriber({ redis: await connect(), keys, events: erpEvents, sharded })),
    )
    for (const [at, process] of processes.entries()) {
      for (let poster = 0; poster < POSTERS; poster += 1)
        this.#working.push(this.#post(process, `${at}-${poster}`))
      this.#working.push(this.#move(process, String(at)), this.#read(process))
    }
  }

  async #post({ balances }: Process, name: string): Promise<void> {
    const ledger = this.database.ledger()
    for (let number = 1; !this.#stopped; number += 1) {
      const images = await ledger.post(twoLines(this.companyId, `V-${name}-${number}`))
      this.promises.vouchers += 1
      await balances.apply(images)
      const [own] = images.images
      const seen = await balances.get(this.#ref(DEBIT), { atLeast: readTokenOf(images) })
      if (seen.version < (own?.version ?? 0)) this.promises.missed += 1
      await pause(2)
    }
  }

  async #read({ balances }: Process): Promise<void> {
    while (!this.#stopped) {
      for (const balance of await balances.getMany([this.#ref(DEBIT), this.#ref(CREDIT)])) {
        const { account, version, debit, credit } = balance
        if (version > 0) this.promises.states.add(`${account} ${version} ${debit} ${credit}`)
      }
      await pause(1)
    }
  }

  /** Takes goods, one by one, under a lock whose fence the database checks. */
  async #move({ locks, stock }: Process, name: string): Promise<void> {
    const { companyId } = this
    for (let number = 1; !this.#stopped; number += 1) {
      try {
        await locks.withLock(
          { companyId, type: 'item', id: 'A' },
          { ttlMs: 2_000, waitMs: 1_000 },
          async (lock) => {
            this.#grants += 1
            const movement = { companyId, item: 'A', warehouse: 'W1', quantity: -1n, fence: lock.fence }
            const { images } = await stock.adjust({ ...movement, movementId: `m-${name}-${number}` })
            // From here on it is promised, whatever becomes of the lock.
            this.promises.writes.push({ fence: lock.fenceNumber, version: images[0]?.version ?? 0 })
          },
        )
      } catch {
        this.promises.refused += 1
        await pause(5)
      }
    }
  }

  /** Every process, and an audit of Redis itself, sees the rows as they stand. */
  async #judgeCaches(): Promise<void> {
    const { companyId } = this
    const rows = await this.#present()
    const refs = [DEBIT, CREDIT].map((account) => this.#ref(account))
    for (const { balances, stock } of this.#processes) {
      await expect
        .poll(async () => {
          const read = await balances.getMany(refs)
          return read.map((row) => [
            row.source !== 'database',
            row.account,
            row.version,
            row.debit,
            row.credit,
          ])
        }, PATIENCE)
        .toEqual(rows.map((row) => [true, ...row]))
      const audit = () => balances.audit(companyId, { fiscalYear: 2026, repair: false })
      await expect
        .poll(audit, PATIENCE)
        .toMatchObject({ rows: 2, equal: 2, behind: 0, foreign: 0, different: 0 })
      const [onHand] = await this.database.row(companyId)
      const level = await stock.get({ companyId, item: 'A', warehouse: 'W1' })
      expect(level.onHand).toBe(onHand)
    }
  }

  async #history(): Promise<ReadonlySet<string>> {
    const { rows } = await this.database.pool.query<{ state: string }>(
      `SELECT DISTINCT ON (l.account, l.version) concat_ws(' ', account, version, debit_after, credit_after) AS state
       FROM kerp.line l WHERE company = $1 ORDER BY l.account, l.version, l.line_no DESC`,
      [this.companyId],
    )
    return new Set(rows.map(({ state }) => state))
  }

  async #present(): Promise<readonly (readonly [string, number, bigint, bigint])[]> {
    const { rows } = await this.database.pool.query<
      Record<'account' | 'version' | 'debit' | 'credit', string>
    >(
      `SELECT account, version, debit, credit FROM kerp.balance b WHERE company = $1 ORDER BY b.account COLLATE "C"`,
      [this.companyId],
    )
    return rows.map(({ account, version, debit, credit }) => [
      account,
      Number(version),
      BigInt(debit),
      BigInt(credit),
    ])
  }

  #ref(account: string): { companyId: string; account: string; fiscalYear: number } {
    return { companyId: this.companyId, account, fiscalYear: 2026 }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
