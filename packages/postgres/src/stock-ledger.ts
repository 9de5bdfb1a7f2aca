/** The stock ledger: moves goods exactly once per id, and never lets a row fall below what is there. */

import {
  type Closable,
  closeOnce,
  type ReservationChange,
  type ReservationRef,
  type StockAdjustment,
  type StockExpiry,
  type StockMovement,
  type StockRef,
  type StockReservation,
  type StockStore,
  type StockTransfer,
} from '@kerp/core'
import type { AccountCatalog } from './account-catalog.js'
import { AUDIT_TIMES } from './audit-verdict.js'
import { BatchQueue } from './batch-queue.js'
import { CachedCatalog } from './cached-catalog.js'
import type { Database } from './database.js'
import { MovementInvalidError } from './errors.js'
import { checkFields, checkWhole } from './identifiers.js'
import { KnownRows } from './known-rows.js'
import type { Queryable } from './queryable.js'
import { textOf } from './row-text.js'
import { changeOf, movementOf, type StockAnswer } from './stock-answer.js'
import { auditStock, type StockAudit } from './stock-audit.js'
import { stockKind } from './stock-kind.js'
import { type ResolvedStockOptions, resolveStockOptions, type StockLedgerOptions } from './stock-options.js'
import { stockStatements, type StockStatements } from './stock-statements.js'
import type { StockResult } from './stock-transaction.js'
import { type LockedStock, moveWithin, raiseStockFence, type StockWithin } from './stock-within.js'
import {
  adjustWork,
  checkStockRef,
  reserveWork,
  settleWork,
  type StockWork,
  transferWork,
  warehousesOf,
} from './stock-work.js'
import { WakeSender } from './wake-sender.js'
import { type WarehouseCatalog, Warehouses } from './warehouses.js'
import { withTrace } from './writer-options.js'

const WAREHOUSES_REMEMBERED_MAX = 100_000
const EXPIRE_MAX = 1_000

/**
 * Stock of all companies of one database.
 *
 * Takes no lock beside the rows' own: movements that arrive together share one transaction and are judged one by
 * one in order, each caller with its own answer. Any number of stock ledgers, in any number of processes, may work
 * on the same database. The constructor does no I/O; run `migrate` before.
 *
 * Beside the refusals of `StockStore`, every method that changes something throws `MovementInvalidError`
 * (`MOVEMENT_INVALID`) before any SQL, `MovementRejectedError` (`MOVEMENT_REJECTED`), and, retryable with the same
 * id: `MovementUnknownError` (`MOVEMENT_UNKNOWN`), `DatabaseUnavailableError` (`DATABASE_UNAVAILABLE`),
 * `OverloadedError` (`OVERLOADED`), and `DeadlineExceededError` (`DEADLINE_EXCEEDED`) when `warehouses` does not
 * answer. It settles within `deadlineMs`; where warehouses are looked up for the first time, within twice of it.
 *
 * @example
 * const stock = new StockLedger({ pool: new pg.Pool() })
 * await stock.adjust({ companyId: 'c1', movementId: 'IN-1', item: 'A', warehouse: 'W1', quantity: 12_000n })
 */
export class StockLedger implements StockStore, Closable {
  readonly close: () => Promise<void>
  readonly #queue: BatchQueue<StockWork, StockResult, StockAnswer>
  readonly #wake: WakeSender
  readonly #catalog: CachedCatalog
  readonly #within: StockWithin
  readonly #database: Database
  readonly #statements: StockStatements
  readonly #resolved: ResolvedStockOptions
  readonly #tracing: StockLedgerOptions['tracing']

  constructor(options: StockLedgerOptions) {
    const resolved = resolveStockOptions(options)
    const { database, schema, observer, clock, random, bounds } = resolved
    const statements = stockStatements(schema)
    const warehouses = options.warehouses ?? new Warehouses({ pool: options.pool, schema, clock })
    this.#resolved = resolved
    this.#tracing = options.tracing
    this.#database = database
    this.#statements = statements
    this.#catalog = new CachedCatalog(
      catalogOf(warehouses),
      clock,
      resolved.warehousesTtlMs,
      WAREHOUSES_REMEMBERED_MAX,
    )
    this.#wake = new WakeSender(database, schema, clock, resolved.wakeEveryMs)
    this.#within = { schema, statements, observer, random, lockTimeoutMs: bounds.lockTimeoutMs }
    const kind = stockKind({
      database,
      statements,
      prepared: resolved.prepared,
      knownRows: new KnownRows(),
      observer,
      onCommitted: () => this.#wake.send(),
    })
    this.#queue = new BatchQueue(kind, bounds, clock, random)
    this.close = closeOnce(async () => {
      await this.#queue.close()
      await this.#wake.close()
    })
  }

  async adjust(adjustment: StockAdjustment): Promise<StockMovement> {
    return this.#move(adjustWork(adjustment))
  }

  async transfer(transfer: StockTransfer): Promise<StockMovement> {
    return this.#move(transferWork(transfer))
  }

  async reserve(reservation: StockReservation): Promise<ReservationChange> {
    const work = reserveWork(reservation)
    await this.#checkWarehouses(work.companyId, warehousesOf(work))
    return changeOf(work, await this.#queue.add(withTrace(work, this.#tracing)))
  }

  async confirm(reservation: ReservationRef): Promise<ReservationChange> {
    return this.#settle(settleWork('confirm', reservation))
  }

  async cancel(reservation: ReservationRef): Promise<ReservationChange> {
    return this.#settle(settleWork('cancel', reservation))
  }

  /**
   * Ends reservations whose time is up, at most `limit` (1 to 1,000). Safe to run from several processes at once.
   *
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable; some may have ended, rightly.
   */
  async expire(options: { readonly limit: number }): Promise<StockExpiry> {
    const { limit } = checkFields('options', options)
    checkWhole('limit', limit, 1, EXPIRE_MAX)
    const due = await this.#database.read('finding expired reservations', this.#resolved.readDeadlineMs, {
      text: this.#statements.due,
      values: [String(limit)],
    })
    const works = due.map((row) =>
      settleWork('expire', { companyId: textOf(row, 'company'), reservationId: textOf(row, 'id') }),
    )
    const expired = await Promise.all(
      works.map(async (work): Promise<ReservationChange[]> => {
        const answer = await this.#queue.add(withTrace(work, this.#tracing))
        return answer.kind === 'done' ? [changeOf(work, answer)] : []
      }),
    )
    return { expired: expired.flat(), isMore: due.length === limit }
  }

  /**
   * Does an adjustment, transfer or reservation inside a transaction of the host, under the same rules. What it
   * returns may be handed on only after the host's COMMIT was answered with `COMMIT`; after any error roll back.
   *
   * Errors of the driver pass through unchanged; deadlocks (40P01) and serialization failures (40001) are the
   * host's to repeat. Relays see the movement at their next poll, or at once after `wake()`.
   *
   * @throws {TransactionRequiredError} `TRANSACTION_REQUIRED`: no transaction is open on the queryable.
   */
  async adjustWithin(queryable: Queryable, adjustment: StockAdjustment): Promise<StockMovement> {
    return this.#moveWithin(queryable, adjustWork(adjustment))
  }

  /** As `adjustWithin`. */
  async transferWithin(queryable: Queryable, transfer: StockTransfer): Promise<StockMovement> {
    return this.#moveWithin(queryable, transferWork(transfer))
  }

  /** As `adjustWithin`. */
  async reserveWithin(queryable: Queryable, reservation: StockReservation): Promise<ReservationChange> {
    const work = reserveWork(reservation)
    await this.#checkWarehouses(work.companyId, warehousesOf(work))
    return changeOf(work, await moveWithin(this.#within, queryable, withTrace(work, this.#tracing)))
  }

  /** As `adjustWithin`. A reservation that turns out to have expired is left for the sweep. */
  async confirmWithin(queryable: Queryable, reservation: ReservationRef): Promise<ReservationChange> {
    const work = settleWork('confirm', reservation)
    return changeOf(work, await moveWithin(this.#within, queryable, withTrace(work, this.#tracing)))
  }

  /**
   * The first statement of a fenced section: shows the lock's fence to a row of stock in the host's transaction,
   * keeps the row locked until the transaction ends, and answers how it stands. Read nothing of it before.
   *
   * @throws {FencedError} `FENCED`, not retryable: a later holder of the lock was here. Roll back.
   * @throws {MovementInvalidError} `MOVEMENT_INVALID` for a row that there cannot be.
   * @throws {InvalidInputError} `INVALID_INPUT` for a fence that is none.
   */
  async raiseFence(queryable: Queryable, ref: StockRef, fence: string): Promise<LockedStock> {
    const row = checkStockRef(ref)
    await this.#checkWarehouses(row.companyId, [row.warehouse])
    return raiseStockFence(this.#within, queryable, row, fence)
  }

  /** Tells relays to look at once: for hosts, after the COMMIT of a movement within. Only a hint; never throws. */
  wake(): void {
    this.#wake.send()
  }

  /** Computes every figure of a company again from its movements. Reads everything; takes seconds per million lines. */
  async audit(companyId: string): Promise<StockAudit> {
    const { schema, readDeadlineMs } = this.#resolved
    return auditStock(this.#database, schema, readDeadlineMs * AUDIT_TIMES, companyId)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #move(work: StockWork): Promise<StockMovement> {
    await this.#checkWarehouses(work.companyId, warehousesOf(work))
    return movementOf(work, await this.#queue.add(withTrace(work, this.#tracing)))
  }

  async #moveWithin(queryable: Queryable, work: StockWork): Promise<StockMovement> {
    await this.#checkWarehouses(work.companyId, warehousesOf(work))
    return movementOf(work, await moveWithin(this.#within, queryable, withTrace(work, this.#tracing)))
  }

  async #settle(work: StockWork): Promise<ReservationChange> {
    return changeOf(work, await this.#queue.add(withTrace(work, this.#tracing)))
  }

  async #checkWarehouses(companyId: string, warehouses: readonly string[]): Promise<void> {
    if (this.#catalog.knowsPostable(companyId, warehouses)) return
    const { deadlineMs } = this.#resolved.bounds
    const lookup = this.#catalog.lookup(companyId, warehouses)
    const known = await this.#database.within('looking up warehouses', deadlineMs, lookup)
    const unknown = warehouses.find((warehouse) => !known.has(warehouse))
    if (unknown !== undefined)
      throw new MovementInvalidError('warehouse', 'a warehouse of the company', unknown)
  }
}

/** A warehouse is to stock what an account that takes postings is to the ledger. */
function catalogOf(warehouses: WarehouseCatalog): AccountCatalog {
  return {
    async lookup(companyId, codes) {
      const known = await warehouses.lookup(companyId, codes)
      return new Map([...known].map((code) => [code, 'postable']))
    },
  }
}
