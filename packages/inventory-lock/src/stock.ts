/** Stock that cannot be oversold: moved in the database, read through Redis. */

import {
  observerOfPart,
  InvalidInputError,
  listInput,
  type Observer,
  type ReadToken,
  type RegisterSource,
  type ReservationChange,
  type ReservationRef,
  type StockAdjustment,
  type StockMovement,
  type StockRef,
  type StockReservation,
  type StockStore,
  type StockTransfer,
  objectOptions,
  partOption,
} from '@kerp/core'
import { comparePages, type RegisterVerdict, type Registers } from '@kerp/registers'
import { AppliedImages } from './applied-images.js'
import { checkedRef, type StockReading, stockReading, stockRegister } from './stock-level.js'

/** What a `Stock` is made of. */
export interface StockOptions {
  /** Where stock is kept: `StockLedger` of `@kerp/postgres`, or the host's own. Not closed with it. */
  readonly store: StockStore
  /** What levels are read through; closed by whoever opened them. */
  readonly registers: Registers
  /** Lists rows for `audit`; the same database that the registers are loaded from. */
  readonly source: RegisterSource
  readonly observer?: Observer | undefined
}

/** What a read may ask for beside its rows. */
export interface StockReadOptions {
  /** The token of a movement: levels are at least as new as it. */
  readonly atLeast?: ReadToken | undefined
  /** All levels as they stood at one moment: no transfer is in one of them and not in another. */
  readonly cut?: boolean | undefined
}

/** What an audit of cached levels found: every row is in exactly one count. */
export type StockCacheAudit = Readonly<Record<RegisterVerdict, number>> & { readonly rows: number }

const PAGE_ROWS = 500

/**
 * Moves and reads stock.
 *
 * The hot path takes no lock: the store judges movements in its transactions, whoever sends them, so that two
 * processes never sell the same goods. Every movement is answered once per id. After each commit the new levels are
 * handed to Redis; a Redis that is down is no error of a movement, and reads are then answered by the database.
 *
 * Every method that moves throws what the store throws: see `StockStore`. Quantities are thousandths.
 *
 * @example
 * const stock = new Stock({ store: new StockLedger({ pool }), registers, source })
 * await stock.adjust({ companyId: 'c1', movementId: 'IN-1', item: 'A', warehouse: 'W1', quantity: 5_000n })
 * const level = await stock.get({ companyId: 'c1', item: 'A', warehouse: 'W1' })
 * level.available // 5000n
 */
export class Stock {
  readonly #store: StockStore
  readonly #registers: Registers
  readonly #source: RegisterSource
  readonly #applied: AppliedImages

  /** No I/O happens here. */
  constructor(options: StockOptions) {
    objectOptions('Stock', options)
    this.#store = partOption('Stock', 'store', options.store, { methods: ['adjust'], words: 'a StockLedger' })
    this.#registers = partOption('Stock', 'registers', options.registers, {
      methods: ['apply'],
      words: 'a Registers',
    })
    this.#source = partOption('Stock', 'source', options.source, {
      methods: ['list'],
      words: 'a source of rows',
    })
    this.#applied = new AppliedImages(options.registers, observerOfPart(options.observer))
  }

  /**
   * Adds to one row, or takes from what is available there.
   *
   * @throws {InsufficientStockError} `INSUFFICIENT_STOCK`: with what is there; not kept, so a retry is judged anew.
   * @throws {MovementConflictError} `MOVEMENT_CONFLICT`: the id belongs to another movement.
   * @throws {FencedError} `FENCED`: the row has seen a higher fence than the one that was shown.
   */
  async adjust(adjustment: StockAdjustment): Promise<StockMovement> {
    return this.#apply(await this.#store.adjust(adjustment))
  }

  /** Moves goods from one warehouse to another: both rows change, or none. Throws like `adjust`. */
  async transfer(transfer: StockTransfer): Promise<StockMovement> {
    return this.#apply(await this.#store.transfer(transfer))
  }

  /** Keeps goods for `ttlMs`: all lines, those of one row summed, or none. Throws like `adjust`. */
  async reserve(reservation: StockReservation): Promise<ReservationChange> {
    return this.#apply(await this.#store.reserve(reservation))
  }

  /**
   * The reserved goods leave.
   *
   * @throws {ReservationExpiredError} `RESERVATION_EXPIRED`: too late by the database's clock.
   * @throws {ReservationSettledError} `RESERVATION_SETTLED`: it was cancelled.
   * @throws {ReservationNotFoundError} `RESERVATION_NOT_FOUND`
   */
  async confirm(reservation: ReservationRef): Promise<ReservationChange> {
    return this.#apply(await this.#store.confirm(reservation))
  }

  /**
   * The reserved goods are free again. One that has expired is answered with state `expired`.
   *
   * @throws {ReservationSettledError} `RESERVATION_SETTLED`: it was confirmed.
   * @throws {ReservationNotFoundError} `RESERVATION_NOT_FOUND`
   */
  async cancel(reservation: ReservationRef): Promise<ReservationChange> {
    return this.#apply(await this.#store.cancel(reservation))
  }

  /**
   * Frees the goods of at most `limit` reservations whose time is up. `ReservationSweeper` calls it regularly.
   *
   * @returns how many ended by this call, and whether more may be due.
   */
  async expire(options: {
    readonly limit: number
  }): Promise<{ readonly expired: number; readonly isMore: boolean }> {
    const { expired, isMore } = await this.#store.expire(options)
    await Promise.all(expired.map((change) => this.#applied.add(change)))
    return { expired: expired.length, isMore }
  }

  /**
   * The level, if this process holds it and can prove that it is at most `maxStalenessMs` old; undefined says nothing,
   * and `get` answers then. Synchronous, no I/O; needs an in-process tier of `Registers`.
   */
  peek(ref: StockRef): StockReading | undefined {
    const { companyId, item, warehouse } = checkedRef(ref)
    return this.#registers.peekAs(stockReading, companyId, 'inventory', item, warehouse)
  }

  /** One level; zero with version 0 if the row was never written. Throws like `getMany`. */
  async get(ref: StockRef, options: StockReadOptions = {}): Promise<StockReading> {
    const register = stockRegister(ref)
    const levels = await this.#registers.getManyAs(stockReading, register.companyId, [register], options)
    return present(levels[0])
  }

  /**
   * Levels of one company in the order of `refs`. Those that this process holds cost no round trip, those in Redis one
   * whatever their number, the others one statement. Each level is exact; several are one moment only with `cut`.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` or `INVALID_KEY` for a ref or token that is none.
   * @throws {EpochChangedError} `EPOCH_CHANGED`: the token is of another history than the database's.
   * @throws {VersionNotReachedError} `VERSION_NOT_REACHED`, retryable: the database is behind the token.
   * @throws what the source throws, for example `DATABASE_UNAVAILABLE`.
   */
  async getMany(
    companyId: string,
    refs: readonly Omit<StockRef, 'companyId'>[],
    options: StockReadOptions = {},
  ): Promise<readonly StockReading[]> {
    listInput('refs', refs)
    if (refs.length === 0) return []
    const registers = refs.map((ref) => stockRegister({ ...ref, companyId }))
    return this.#registers.getManyAs(stockReading, companyId, registers, options)
  }

  /**
   * Compares every cached level of a company with its row, while movements may go on.
   *
   * @throws what the source throws.
   */
  async audit(companyId: string): Promise<StockCacheAudit> {
    const counts = { rows: 0, equal: 0, behind: 0, absent: 0, foreign: 0, different: 0 }
    const parts = { registers: this.#registers, source: this.#source }
    const listing = { companyId, family: 'inventory', limit: PAGE_ROWS } as const
    for await (const page of comparePages(parts, listing)) {
      counts.rows += page.length
      for (const { verdict } of page) counts[verdict] += 1
    }
    return counts
  }

  async #apply<M extends StockMovement | ReservationChange>(committed: M): Promise<M> {
    await this.#applied.add(committed)
    return committed
  }
}

function present(level: StockReading | undefined): StockReading {
  if (level !== undefined) return level
  throw new InvalidInputError('refs', 'a list without holes', level)
}
