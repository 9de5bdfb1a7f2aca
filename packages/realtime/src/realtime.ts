/** The usual way to wire the packages: one Redis, one PostgreSQL, and everything about balances, stock and locks. */

import { BalanceCache } from '@kerp/balance-cache'
import {
  type Closable,
  closeOnce,
  combineObservers,
  type HealthReport,
  InvalidInputError,
  InvalidOptionError,
  type Logger,
  loggingObserver,
  type Observer,
  observerOfPart,
} from '@kerp/core'
import {
  Locks,
  type LocksOptions,
  ReservationSweeper,
  type ReservationSweeperOptions,
  Stock,
} from '@kerp/inventory-lock'
import { createKeys, type Keys } from '@kerp/keys'
import { createMetrics, type MetricRegistry, type Metrics } from '@kerp/metrics'
import {
  type AccountCatalog,
  type DatabasePool,
  Ledger,
  type LedgerOptions,
  Outbox,
  type OutboxOptions,
  type Queryable,
  RegisterRows,
  type RegisterRowsOptions,
  Retention,
  type RetentionOptions,
  StockLedger,
  type StockLedgerOptions,
  type WarehouseCatalog,
} from '@kerp/postgres'
import type { RedisClient } from '@kerp/redis'
import {
  type LocalTierOptions,
  OutboxRelay,
  type OutboxRelayOptions,
  Registers,
  type RegistersOptions,
} from '@kerp/registers'
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
  /**
   * Where failures of background work are written, each kind at most once a minute; `false`: nowhere.
   * @defaultValue `console`, or what `setDefaultLogger` was given
   */
  readonly logger?: Logger | false | undefined
  /** Which accounts may be posted to; `anyAccount` takes every code. @defaultValue the table of accounts (`Accounts`) */
  readonly accounts?: AccountCatalog | undefined
  /** Which warehouses have stock; `anyWarehouse` takes every code. @defaultValue the table of warehouses (`Warehouses`) */
  readonly warehouses?: WarehouseCatalog | undefined
  /** @defaultValue those of `createKeys()` */
  readonly keys?: Keys | undefined
  /** Bounds of the rows that this process holds. `false`: none are held. @defaultValue those of `LocalTierOptions` */
  readonly localTier?: Omit<LocalTierOptions, 'positions'> | false | undefined
  /** Of `migrate`. @defaultValue 'kerp' */
  readonly schema?: string | undefined
  /**
   * `off` for a pooler in transaction mode, such as PgBouncer's. With `on` it is found out, see `WriterOptions`.
   * @defaultValue 'on'
   */
  readonly prepare?: 'on' | 'off' | undefined
  /** Options of single parts: deadlines, bounds, horizons. @defaultValue those of the parts */
  readonly parts?: RealtimeParts | undefined
  /**
   * Whether this process relays, sweeps expired reservations and trims the outbox. Any number of processes may, and at
   * least one must. @defaultValue true
   */
  readonly background?: boolean | undefined
}

/** What `Realtime` gives to every part itself. */
type Given = 'redis' | 'keys' | 'pool' | 'schema' | 'prepare' | 'observer'

/** Options of the parts beyond those of `RealtimeOptions`; each part checks its own. */
export interface RealtimeParts {
  readonly ledger?: Omit<LedgerOptions, Given | 'accounts'> | undefined
  readonly stock?: Omit<StockLedgerOptions, Given | 'warehouses'> | undefined
  readonly outbox?: Omit<OutboxOptions, Given> | undefined
  readonly rows?: Omit<RegisterRowsOptions, Given> | undefined
  readonly registers?: Omit<RegistersOptions, Given | 'source' | 'localTier'> | undefined
  /** For example `eviction`, or the deadline of one call to Redis. */
  readonly locks?: Omit<LocksOptions, Given> | undefined
  readonly relay?: Omit<OutboxRelayOptions, Given | 'outbox'> | undefined
  readonly sweeper?: Omit<ReservationSweeperOptions, Given | 'stock'> | undefined
  readonly retention?: Omit<RetentionOptions, Given | 'outbox'> | undefined
}

/** A registry of prom-client, as metrics are registered in it and read from it. */
export type ProbeRegistry = MetricRegistry & { readonly contentType: string }

const CONNECTIONS_MIN = 2

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
   * @throws {InvalidOptionError} `INVALID_OPTION`: what cannot work later is refused here
   */
  constructor(options: RealtimeOptions) {
    checkWiring(options)
    const { redis, pool, registry, accounts, warehouses, background = true, parts = {} } = options
    this.#options = options
    this.metrics = registry === undefined ? undefined : createMetrics({ registry })
    const observer = combineObservers(this.metrics?.observer, options.observer, logOf(options))
    const stored = { pool, schema: options.schema }
    const written = { ...stored, observer, prepare: options.prepare }
    const source = new RegisterRows({ ...parts.rows, ...stored })
    const outbox = new Outbox({ ...parts.outbox, ...stored })
    this.keys = options.keys ?? createKeys()
    const localTier = options.localTier === false ? undefined : { ...options.localTier, positions: outbox }
    const shared = { redis, keys: this.keys, observer }
    this.ledger = new Ledger({ ...parts.ledger, ...written, accounts })
    this.registers = new Registers({ ...parts.registers, ...shared, source, localTier })
    const registers = this.registers
    this.balances = new BalanceCache({ registers, source, invalidations: outbox, observer })
    const store = new StockLedger({ ...parts.stock, ...written, warehouses })
    this.stock = new Stock({ store, registers, source, observer })
    this.locks = new Locks({ ...parts.locks, ...shared, redis: options.coordination ?? redis })
    this.relay = new OutboxRelay({ ...parts.relay, ...shared, outbox })
    const sweeper = new ReservationSweeper({ ...parts.sweeper, stock: this.stock, observer })
    const retention = new Retention({ ...parts.retention, outbox, observer })
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
    const { pool, schema, redis, coordination, background = true } = this.#options
    const relay = background ? this.relay : undefined
    return realtimeHealth({ pool, schema, redis, coordination, registers: this.registers, relay })
  }

  /** What the HTTP server answers to a machine that asks. Never throws. */
  probe(path: ProbePath): Promise<ProbeAnswer> {
    return answerProbe(path, this, this.#options.registry)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What would otherwise end in a TypeError here, or in deadlines later. */
function checkWiring(options: RealtimeOptions): void {
  const given: unknown = options
  if (typeof given !== 'object' || given === null) {
    throw new InvalidInputError('options', 'the options of Realtime, at least { redis, pool }', given)
  }
  const redis: unknown = Reflect.get(given, 'redis')
  if (typeof redis !== 'object' || redis === null) {
    throw new InvalidOptionError('Realtime', 'redis', 'a client of ioredis, as of `createRedis()`', redis)
  }
  const pool: unknown = Reflect.get(given, 'pool')
  const settings: unknown =
    typeof pool === 'object' && pool !== null ? Reflect.get(pool, 'options') : undefined
  const max: unknown =
    typeof settings === 'object' && settings !== null ? Reflect.get(settings, 'max') : undefined
  if (options.background !== false && typeof max === 'number' && max < CONNECTIONS_MIN) {
    const expected = `a pool of at least ${CONNECTIONS_MIN} connections, as the relay keeps one of them`
    throw new InvalidOptionError('Realtime', 'pool', expected, max)
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

function logOf({ logger }: RealtimeOptions): Observer | undefined {
  if (logger === undefined) return observerOfPart(undefined)
  return logger === false ? undefined : loggingObserver(logger)
}
