/**
 * What a host implements, or takes ready-made from `@kerp/postgres`, to keep stock: movements that happen once
 * each, and reservations that end one way. Quantities are whole thousandths.
 */

import type { RegisterImages } from './ports.js'
import type { ReadToken } from './read-token.js'

/** Names one row of stock: an item in a warehouse of a company. */
export interface StockRef {
  readonly companyId: string
  readonly item: string
  readonly warehouse: string
}

/** What a movement may show beside its content. */
export interface StockFence {
  /**
   * The fence of the lock that the caller holds (`lock.fence`): every touched row keeps the highest one it has
   * seen, and refuses lower ones. It is no part of the movement: a retry may show another one.
   */
  readonly fence?: string | undefined
}

/** Goods that arrive, leave, or are counted anew. `movementId` is chosen by the caller and makes it idempotent. */
export interface StockAdjustment extends StockRef, StockFence {
  readonly movementId: string
  /** Thousandths that are added; below zero they are taken from what is available. Not zero. */
  readonly quantity: bigint
}

/** Goods that go from one warehouse to another: both rows change, or none. */
export interface StockTransfer extends StockFence {
  readonly companyId: string
  readonly movementId: string
  readonly item: string
  readonly from: string
  readonly to: string
  /** Thousandths, above zero. */
  readonly quantity: bigint
}

/** One line of a reservation. */
export interface StockReservationLine {
  readonly item: string
  readonly warehouse: string
  /** Thousandths, above zero. */
  readonly quantity: bigint
}

/** Goods that are kept for somebody for a while: all lines or none; lines of one row are summed. */
export interface StockReservation extends StockFence {
  readonly companyId: string
  readonly reservationId: string
  readonly lines: readonly StockReservationLine[]
  /** How long the goods are kept, in ms, by the database's clock. */
  readonly ttlMs: number
}

/** Names a reservation. */
export interface ReservationRef {
  readonly companyId: string
  readonly reservationId: string
}

/**
 * A committed movement: `images` are its rows as they stood right after *this* movement, in the order in which
 * it names them, also when it shared a transaction with others or is answered again.
 */
export interface StockMovement extends RegisterImages {
  readonly companyId: string
  readonly movementId: string
  /** True when the answer was read back: the same movement was done before, or shares this call's effect. */
  readonly replayed: boolean
  /** For `atLeast`, so that a read sees this movement. */
  readonly token: ReadToken
}

/** `held` until it ends in exactly one of the other ways. */
export type ReservationState = 'held' | 'confirmed' | 'cancelled' | 'expired'

/** A committed change of a reservation, with the rows as they stood right after it. */
export interface ReservationChange extends RegisterImages {
  readonly companyId: string
  readonly reservationId: string
  /** The state that this change brought about. */
  readonly state: ReservationState
  readonly expiresAt: Date
  readonly replayed: boolean
  readonly token: ReadToken
}

/** What one sweep did. */
export interface StockExpiry {
  /** The reservations that ended by this sweep. */
  readonly expired: readonly ReservationChange[]
  /** True when more may be due: sweep on. */
  readonly isMore: boolean
}

/**
 * Where stock is kept. Every method is answered once per id: the same content again gets the same answer, another
 * content `MOVEMENT_CONFLICT`; a refusal is not kept, so a retry is judged anew.
 *
 * Refusals: `InsufficientStockError`, `MovementConflictError`, `FencedError`, `ReservationNotFoundError`,
 * `ReservationSettledError`, `ReservationExpiredError`, and an `InvalidInputError` for what can never be done.
 */
export interface StockStore {
  adjust(adjustment: StockAdjustment): Promise<StockMovement>
  transfer(transfer: StockTransfer): Promise<StockMovement>
  /** Keeps the goods: reserved grows, on hand stays. */
  reserve(reservation: StockReservation): Promise<ReservationChange>
  /** The goods leave: on hand and reserved shrink. Refused from the moment of expiry on. */
  confirm(reservation: ReservationRef): Promise<ReservationChange>
  /** The goods are free again. One that has expired is answered as `expired`: its goods are free, too. */
  cancel(reservation: ReservationRef): Promise<ReservationChange>
  /** Ends at most `limit` reservations whose time is up. */
  expire(options: { readonly limit: number }): Promise<StockExpiry>
}
