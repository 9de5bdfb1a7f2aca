/**
 * Goods that are short in one warehouse and lie in another: brought in a section under the lock of their item.
 *
 * The lock is for order, not for safety: two sections that restock one item would send goods to and fro. What keeps
 * stock exact is the database, which judges every movement, and refuses one with the fence of a section that is late.
 */

import {
  FencedError,
  InsufficientStockError,
  type RandomSource,
  type StockAdjustment,
  type StockMovement,
  systemRandom,
} from '@kerp/core'
import {
  type Lock,
  LockBusyError,
  LockLostError,
  type LockResource,
  type Locks,
  LockUnavailableError,
  type Stock,
  type StockLevel,
} from '@kerp/inventory-lock'
import { WAREHOUSES } from './companies.js'

/** What restocking works with. */
export interface RestockingOptions {
  readonly stock: Stock
  readonly locks: Locks
  readonly random?: RandomSource
}

/** Goods that were taken, and what it took. */
export interface Withdrawal {
  readonly movement: StockMovement
  /** Whether there was too little at first. */
  readonly wasShort: boolean
  /** Transfers that brought what was missing. */
  readonly transfers: number
}

const LOCK = { ttlMs: 5_000, waitMs: 5_000 }
/** Sections that are begun for one withdrawal, for example while Redis is away. */
const SECTIONS_MAX = 6
/** Looks of one section; sales without a lock may take what it has just brought. */
const ROUNDS_MAX = 8
/** Goods are counted in pieces, although stock could keep a thousandth of one. */
const PIECE = 1_000n

/** What the sections of one withdrawal have done so far. */
interface Brought {
  transfers: number
  movement?: StockMovement
}

/** Brings goods to where they are wanted. */
export class Restocking {
  readonly #stock: Stock
  readonly #locks: Locks
  /** A transfer's quantity depends on what is there now, so its id must not be that of an earlier run. */
  readonly #run: string
  #transfers = 0

  constructor({ stock, locks, random = systemRandom }: RestockingOptions) {
    this.#stock = stock
    this.#locks = locks
    this.#run = random.hex(6)
  }

  /**
   * Takes goods from a warehouse (`quantity` is below zero), and brings them from the others first if there are too
   * few. Repeating it with the same `movementId` is safe, also after an error.
   *
   * @throws {InsufficientStockError} `INSUFFICIENT_STOCK` when all warehouses together have too little.
   * @throws what `Stock.adjust` and `Locks.withLock` throw.
   */
  async withdraw(adjustment: StockAdjustment): Promise<Withdrawal> {
    try {
      return { movement: await this.#stock.adjust(adjustment), wasShort: false, transfers: 0 }
    } catch (error) {
      if (!(error instanceof InsufficientStockError)) throw error
    }
    const resource = restockLock(adjustment.companyId, adjustment.item)
    // A section that ends without the goods may have brought some: the next one finds them.
    const brought: Brought = { transfers: 0 }
    for (let section = 1; ; section += 1) {
      try {
        const movement = await this.#locks.withLock(resource, LOCK, (lock) =>
          this.#bringAndTake(adjustment, lock, brought),
        )
        return { movement, wasShort: true, transfers: brought.transfers }
      } catch (error) {
        const { movement, transfers } = brought
        // The lock was lost after the goods were taken: they are, by this call, and another one would say "before".
        if (movement !== undefined) return { movement, wasShort: true, transfers }
        if (section === SECTIONS_MAX || !isPassing(error)) throw error
      }
    }
  }

  /**
   * Evens out what the warehouses have of some items, under the locks of all of them. Returns how many transfers
   * that took; fewer than needed when a lock is lost on the way.
   */
  async redistribute(companyId: string, items: readonly string[]): Promise<number> {
    const resources = items.map((item) => restockLock(companyId, item))
    let transfers = 0
    try {
      await this.#locks.withLocks(resources, LOCK, async (group) => {
        for (const lock of group.locks) {
          if (await this.#evenOut(companyId, lock.resource.id, lock)) transfers += 1
        }
      })
    } catch (error) {
      if (!isPassing(error)) throw error
    }
    return transfers
  }

  async #bringAndTake(adjustment: StockAdjustment, lock: Lock, brought: Brought): Promise<StockMovement> {
    for (let round = 1; ; round += 1) {
      lock.assertHeld()
      try {
        brought.movement = await this.#stock.adjust({ ...adjustment, fence: lock.fence })
        return brought.movement
      } catch (error) {
        if (!(error instanceof InsufficientStockError) || round === ROUNDS_MAX) throw error
        brought.transfers += await this.#bring(adjustment, missingIn(error), lock)
      }
    }
  }

  /** From the warehouse that has most first, and half of what it has, so that the next sale finds some, too. */
  async #bring(
    { companyId, item, warehouse }: StockAdjustment,
    missing: bigint,
    lock: Lock,
  ): Promise<number> {
    let left = missing
    let transfers = 0
    for (const donor of await this.#levels(companyId, item)) {
      if (left <= 0n) break
      if (donor.warehouse === warehouse) continue
      const half = wholePieces(donor.available / 2n)
      const quantity = smaller(donor.available, half > left ? half : left)
      if (!(await this.#transfer(donor, warehouse, quantity, lock))) continue
      left -= quantity
      transfers += 1
    }
    return transfers
  }

  async #evenOut(companyId: string, item: string, lock: Lock): Promise<boolean> {
    const levels = await this.#levels(companyId, item)
    const [most, least] = [levels[0], levels.at(-1)]
    if (most === undefined || least === undefined) return false
    const quantity = wholePieces((most.available - least.available) / 2n)
    return this.#transfer(most, least.warehouse, quantity, lock)
  }

  /** What was read may be gone when it is sent: then nothing happens, and the caller looks again. */
  async #transfer(from: StockLevel, to: string, quantity: bigint, lock: Lock): Promise<boolean> {
    if (quantity <= 0n) return false
    lock.assertHeld()
    this.#transfers += 1
    const movementId = `restock-${this.#run}-${this.#transfers}`
    const { companyId, item, warehouse } = from
    try {
      await this.#stock.transfer({
        companyId,
        movementId,
        item,
        from: warehouse,
        to,
        quantity,
        fence: lock.fence,
      })
      return true
    } catch (error) {
      if (error instanceof InsufficientStockError) return false
      throw error
    }
  }

  /** Of all warehouses, the fullest first. */
  async #levels(companyId: string, item: string): Promise<readonly StockLevel[]> {
    const refs = WAREHOUSES.map(({ code }) => ({ item, warehouse: code }))
    const levels = await this.#stock.getMany(companyId, refs)
    return [...levels].sort((a, b) => Number(b.available - a.available))
  }
}

function restockLock(companyId: string, item: string): LockResource {
  return { companyId, type: 'restock', id: item }
}

/** Whether another section may succeed: the withdrawal has its own id, so that it cannot happen twice. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof LockLostError ||
    error instanceof LockBusyError ||
    error instanceof LockUnavailableError ||
    error instanceof InsufficientStockError ||
    error instanceof FencedError
  )
}

function missingIn({ shortages }: InsufficientStockError): bigint {
  return shortages.reduce((sum, { requested, available }) => sum + requested - available, 0n)
}

function wholePieces(quantity: bigint): bigint {
  return (quantity / PIECE) * PIECE
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
