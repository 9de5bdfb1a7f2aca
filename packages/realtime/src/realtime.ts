/** The usual way to wire the packages: one Redis, one PostgreSQL, and everything about balances, stock and locks. */

import { BalanceCache } from '@kerp/balance-cache'
import { type Closable, closeOnce, combineObservers, type HealthReport, type Observer } from '@kerp/core'
import { Locks, ReservationSweeper, Stock } from '@kerp/inventory-lock'
import { createKeys, type Keys } from '@kerp/keys'
import { createMetrics, type MetricRegistry, type Metrics } from '@kerp/metrics'
import {
  type AccountCatalog,
  type DatabasePool,
  Ledger,
  Outbox,
  type Queryable,
  RegisterRows,
  Retention,
  StockLedger,
  type WarehouseCatalog,
} from '@kerp/postgres'
import type { RedisClient } from '@kerp/redis'
import { type LocalTierOptions, OutboxRelay, Registers } from '@kerp/registers'
import { answerProbe, type ProbeAnswer, type ProbePath } from './probe-answer.js'
import { realtimeHealth } from './realtime-health.js'

/** What a host gives. All of it stays the host's: nothing here is ever closed by `Realtime`. */
export interface RealtimeOptions {
  /** For copies of rows; it may evict. */
  readonly redis: RedisClient
  /** For locks: a Redis with `maxmemory-policy noeviction`. @defaultValue `redis` */
  readonly coordination?: RedisClient | undefined
  /** A `pg.Pool` on a database that `migrate(pool)` has prepared. */
  readonly pool: DatabasePool & Queryable
  /** A `Registry` of prom-client in which nothing of ours is yet; left out: nothing is counted. */
  readonly registry?: ProbeRegistry | undefined
  /** Hears every observation, beside the metrics. */
  readonly observer?: Observer | undefined
  /** Which accounts may be posted to; `anyAccount` takes every code. @defaultValue the table of accounts (`Accounts`) */
  readonly accounts?: AccountCatalog | undefined
  /** Which warehouses have stock; `anyWarehouse` takes every code. @defaultValue the table of warehouses (`Warehouses`) */
  readonly warehouses?: WarehouseCatalog | undefined
  /** @defaultValue those of `createKeys()` */
  readonly keys?: Keys | undefined
  /** Bounds of the rows that this process holds. `false`: none are held. @defaultValue those of `LocalTierOptions` */
  readonly localTier?: Omit<LocalTierOptions, 'positions'> | false | undefined
  /**
   * Whether this process relays, sweeps expired reservations and trims the outbox. Any number of processes may, and at
   * least one must. @defaultValue true
   */
  readonly background?: boolean | undefined
}

/** A registry of prom-client, as metrics are registered in it and read from it. */
export type ProbeRegistry = MetricRegistry & { readonly contentType: string }

/**
 * Balances, stock and locks, wired. What needs other parts, such as events or caches, wires the packages itself.
 *
 * @example
 * const realtime = new Realtime({ redis, pool })
 * realtime.start()
 * const cash = await realtime.balances.get({ companyId: 'c1', account: '1101', fiscalYear: 2026 })
 * await realtime.close()
 */
export class Realtime implements Closable {
  readonly keys: Keys
  readonly ledger: Ledger
  readonly registers: Registers
  readonly balances: BalanceCache
  readonly stock: Stock
  readonly locks: Locks
  readonly relay: OutboxRelay
  /** Undefined without a registry. */
  readonly metrics: Metrics | undefined
  /** Ends the background work, then what was opened first last. The pool and the Redis clients stay open. */
  readonly close: () => Promise<void>
  readonly #options: RealtimeOptions
  readonly #background: readonly { start(): void }[]

  /**
   * No I/O happens here.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION`
   */
  constructor(options: RealtimeOptions) {
    const { redis, pool, registry, accounts, warehouses, background = true } = options
    this.#options = options
    this.metrics = registry === undefined ? undefined : createMetrics({ registry })
    const observer = combineObservers(this.metrics?.observer, options.observer)
    const source = new RegisterRows({ pool })
    const outbox = new Outbox({ pool })
    this.keys = options.keys ?? createKeys()
    const localTier = options.localTier === false ? undefined : { ...options.localTier, positions: outbox }
    const shared = { redis, keys: this.keys, observer }
    this.ledger = new Ledger({ pool, observer, ...(accounts === undefined ? {} : { accounts }) })
    this.registers = new Registers({ ...shared, source, localTier })
    const registers = this.registers
    this.balances = new BalanceCache({ registers, source, invalidations: outbox, observer })
    const store = new StockLedger({ pool, observer, ...(warehouses === undefined ? {} : { warehouses }) })
    this.stock = new Stock({ store, registers, source, observer })
    this.locks = new Locks({ ...shared, redis: options.coordination ?? redis })
    this.relay = new OutboxRelay({ ...shared, outbox })
    const sweeper = new ReservationSweeper({ stock: this.stock, observer })
    const retention = new Retention({ outbox, observer })
    this.#background = background ? [this.relay, sweeper, retention] : []
    this.close = closeOnce(() =>
      closeInOrder([sweeper, retention, this.locks, store, this.ledger, this.relay, registers, this.metrics]),
    )
  }

  /**
   * Begins the background work, once; returns at once. A Redis or a database that is not there yet is no error: it is
   * tried again until `close`.
   *
   * @throws {ClosedError} `CLOSED`
   */
  start(): void {
    for (const part of this.#background) part.start()
  }

  /** Asks the database, Redis and the relay, in at most 1 s. Never throws. */
  health(): Promise<HealthReport> {
    const { pool, redis, coordination, background = true } = this.#options
    const relay = background ? this.relay : undefined
    return realtimeHealth({ pool, redis, coordination, registers: this.registers, relay })
  }

  /** What the HTTP server answers to a machine that asks. Never throws. */
  probe(path: ProbePath): Promise<ProbeAnswer> {
    return answerProbe(path, this, this.#options.registry)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** All are closed, whatever becomes of the others; the first failure is thrown at the end. */
async function closeInOrder(parts: readonly ({ close(): Promise<void> } | undefined)[]): Promise<void> {
  const failures: unknown[] = []
  for (const part of parts) {
    await part?.close().catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
}
