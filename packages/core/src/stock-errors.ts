/** Why stock was not moved: thrown by stock stores, seen by whoever calls `Stock`. Nothing was changed. */

import { KerpError } from './errors.js'
import { exactValue } from './exact-value.js'
import { formatQuantity } from './quantity.js'
import type { ReservationState } from './stock-store.js'

/** One row that has less than was asked of it. Quantities are thousandths. */
export interface StockShortage {
  readonly item: string
  readonly warehouse: string
  /** What the whole movement asks of this row. */
  readonly requested: bigint
  /** What is there and not reserved: on hand less reserved. */
  readonly available: bigint
  readonly onHand: bigint
  readonly reserved: bigint
}

/**
 * There is not enough. Code `INSUFFICIENT_STOCK`, not retryable as it is: the refusal is not kept, so the same
 * movement may be tried again when goods have come in.
 */
export class InsufficientStockError extends KerpError {
  static override readonly errorName = 'InsufficientStockError'
  /** Every row that is short, as it stood under its lock; at least one. */
  readonly shortages: readonly StockShortage[]

  constructor(
    readonly companyId: string,
    shortages: readonly StockShortage[],
  ) {
    super(shortages.slice(0, SHOWN_MAX).map(wordsOf).join(' '), {
      code: 'INSUFFICIENT_STOCK',
      retryable: false,
    })
    this.shortages = shortages.map((shortage) => exactValue(shortage))
  }
}

const SHOWN_MAX = 3

function wordsOf({ item, warehouse, requested, available, onHand, reserved }: StockShortage): string {
  const held = `${formatQuantity(onHand)} on hand, ${formatQuantity(reserved)} reserved`
  const where = `${JSON.stringify(item)} in ${JSON.stringify(warehouse)}`
  return `${formatQuantity(requested)} of ${where} asked for, ${formatQuantity(available)} available (${held}).`
}

/** The id is already used by a movement or reservation with another content. Code `MOVEMENT_CONFLICT`, not retryable. */
export class MovementConflictError extends KerpError {
  static override readonly errorName = 'MovementConflictError'

  constructor(
    readonly companyId: string,
    readonly movementId: string,
  ) {
    super(`${JSON.stringify(movementId)} was done before with another content.`, {
      code: 'MOVEMENT_CONFLICT',
      retryable: false,
    })
  }
}

/** The company has no reservation of this id. Code `RESERVATION_NOT_FOUND`, not retryable. */
export class ReservationNotFoundError extends KerpError {
  static override readonly errorName = 'ReservationNotFoundError'

  constructor(
    readonly companyId: string,
    readonly reservationId: string,
  ) {
    super(`Reservation ${JSON.stringify(reservationId)} does not exist.`, {
      code: 'RESERVATION_NOT_FOUND',
      retryable: false,
    })
  }
}

/** The reservation has ended in another way than was asked for. Code `RESERVATION_SETTLED`, not retryable. */
export class ReservationSettledError extends KerpError {
  static override readonly errorName = 'ReservationSettledError'

  constructor(
    readonly companyId: string,
    readonly reservationId: string,
    readonly state: Exclude<ReservationState, 'held' | 'expired'>,
  ) {
    super(`Reservation ${JSON.stringify(reservationId)} is ${state}.`, {
      code: 'RESERVATION_SETTLED',
      retryable: false,
    })
  }
}

/** The reservation's time was up before it was confirmed; its goods are free. Code `RESERVATION_EXPIRED`, not retryable. */
export class ReservationExpiredError extends KerpError {
  static override readonly errorName = 'ReservationExpiredError'

  constructor(
    readonly companyId: string,
    readonly reservationId: string,
  ) {
    super(`Reservation ${JSON.stringify(reservationId)} has expired; its goods are free again.`, {
      code: 'RESERVATION_EXPIRED',
      retryable: false,
    })
  }
}

/**
 * A row has seen a higher fence than the one that was shown to it: somebody else holds the lock now, or held it
 * later. Code `FENCED`, not retryable. Should the lock still be held by this machine's clocks, the fences have
 * gone back (a clock, a restore): raise them above `rowFence` in the lock and take a new one.
 */
export class FencedError extends KerpError {
  static override readonly errorName = 'FencedError'

  constructor(
    /** What was to be written, in words. */
    readonly row: string,
    readonly fence: string,
    /** The fence that the row holds. */
    readonly rowFence: string,
  ) {
    super(`${row} was written under fence ${rowFence}, later than ${fence}; nothing was changed.`, {
      code: 'FENCED',
      retryable: false,
    })
  }
}
