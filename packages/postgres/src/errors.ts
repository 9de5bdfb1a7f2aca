/** Every error of the database half; the codes are explained in docs/errors.md. */

import { InvalidInputError, KerpError } from '@kerp/core'

/** The driver's error without what quotes the refused row and the statement's values: an amount belongs into no log. */
function withoutRow(cause: unknown): unknown {
  if (!(cause instanceof Error)) return cause
  const facts = Object.entries(Object.getOwnPropertyDescriptors(cause))
  const kept = facts.filter(([name]) => name !== 'detail' && name !== 'where')
  return Object.create(Object.getPrototypeOf(cause) as object, Object.fromEntries(kept))
}

/** A voucher was refused before anything was written. Names the field, what it must be, and what came. */
export class VoucherInvalidError extends InvalidInputError {
  static override readonly errorName = 'VoucherInvalidError'

  constructor(field: string, expected: string, got: unknown, describe?: (value: unknown) => string) {
    super(field, expected, got, 'VOUCHER_INVALID', describe)
  }
}

/** The voucher's id is already used by a voucher with another content; nothing was changed. */
export class VoucherConflictError extends KerpError {
  static override readonly errorName = 'VoucherConflictError'

  constructor(
    readonly companyId: string,
    readonly voucherId: string,
  ) {
    super(`Voucher ${JSON.stringify(voucherId)} was posted before with another content.`, {
      code: 'VOUCHER_CONFLICT',
      retryable: false,
    })
  }
}

/** The company has no voucher of this id. */
export class VoucherNotFoundError extends KerpError {
  static override readonly errorName = 'VoucherNotFoundError'

  constructor(
    readonly companyId: string,
    readonly voucherId: string,
  ) {
    super(`Voucher ${JSON.stringify(voucherId)} does not exist.`, {
      code: 'VOUCHER_NOT_FOUND',
      retryable: false,
    })
  }
}

/** The voucher has a reversing voucher already, of another id; nothing was changed. */
export class VoucherReversedError extends KerpError {
  static override readonly errorName = 'VoucherReversedError'

  constructor(
    readonly companyId: string,
    readonly voucherId: string,
    /** The voucher that reversed it. */
    readonly reversedBy: string,
  ) {
    super(`Voucher ${JSON.stringify(voucherId)} was reversed before, by ${JSON.stringify(reversedBy)}.`, {
      code: 'VOUCHER_REVERSED',
      retryable: false,
    })
  }
}

/** The database refused this voucher, for example by a CHECK or a trigger of the host; nothing was changed. */
export class VoucherRejectedError extends KerpError {
  static override readonly errorName = 'VoucherRejectedError'

  constructor(
    readonly voucherId: string,
    /** PostgreSQL's SQLSTATE, for example `23514`. */
    readonly sqlState: string,
    cause: unknown,
  ) {
    super(`The database refused voucher ${JSON.stringify(voucherId)} (SQLSTATE ${sqlState}).`, {
      code: 'VOUCHER_REJECTED',
      retryable: false,
      cause: withoutRow(cause),
    })
  }
}

/** It is not known whether the voucher was posted. Post the same voucher with the same id again to learn it. */
export class PostingUnknownError extends KerpError {
  static override readonly errorName = 'PostingUnknownError'

  constructor(
    readonly voucherId: string,
    cause?: unknown,
  ) {
    super(`It is not known whether voucher ${JSON.stringify(voucherId)} was posted; post it again.`, {
      code: 'POSTING_UNKNOWN',
      retryable: true,
      cause,
    })
  }
}

/** A movement of stock was refused before anything was written. Names the field, what it must be, and what came. */
export class MovementInvalidError extends InvalidInputError {
  static override readonly errorName = 'MovementInvalidError'

  constructor(field: string, expected: string, got: unknown) {
    super(field, expected, got, 'MOVEMENT_INVALID')
  }
}

/** The database refused this movement, for example by a CHECK or a trigger of the host; nothing was changed. */
export class MovementRejectedError extends KerpError {
  static override readonly errorName = 'MovementRejectedError'

  constructor(
    readonly movementId: string,
    /** PostgreSQL's SQLSTATE, for example `23514`. */
    readonly sqlState: string,
    cause: unknown,
  ) {
    super(`The database refused movement ${JSON.stringify(movementId)} (SQLSTATE ${sqlState}).`, {
      code: 'MOVEMENT_REJECTED',
      retryable: false,
      cause: withoutRow(cause),
    })
  }
}

/** It is not known whether the movement was done. Call with the same id and content again to learn it. */
export class MovementUnknownError extends KerpError {
  static override readonly errorName = 'MovementUnknownError'

  constructor(
    readonly movementId: string,
    cause?: unknown,
  ) {
    super(
      `It is not known whether movement ${JSON.stringify(movementId)} was done; call again with the same id.`,
      {
        code: 'MOVEMENT_UNKNOWN',
        retryable: true,
        cause,
      },
    )
  }
}

/** The database cannot be reached, or did not answer in time. */
export class DatabaseUnavailableError extends KerpError {
  static override readonly errorName = 'DatabaseUnavailableError'

  constructor(
    readonly operation: string,
    cause?: unknown,
    /** What is known of the effect. */
    effect = 'nothing was changed',
  ) {
    super(`The database is not available for ${operation}; ${effect}.`, {
      code: 'DATABASE_UNAVAILABLE',
      retryable: true,
      cause,
    })
  }
}

/** The database answered something that the library cannot work with: a missing schema, an old server. */
export class DatabaseUnsuitableError extends KerpError {
  static override readonly errorName = 'DatabaseUnsuitableError'

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'DATABASE_UNSUITABLE', retryable: false, cause })
  }
}

/** `postWithin`, or a movement within, was given a connection on which no transaction is open; nothing was changed. */
export class TransactionRequiredError extends KerpError {
  static override readonly errorName = 'TransactionRequiredError'

  constructor(readonly operation: string) {
    super(`${operation} needs a queryable whose statements all run in one open transaction.`, {
      code: 'TRANSACTION_REQUIRED',
      retryable: false,
    })
  }
}

/** A fence was shown to a row that does not exist; nothing was changed. */
export class FencedRowMissingError extends KerpError {
  static override readonly errorName = 'FencedRowMissingError'

  constructor(readonly row: string) {
    super(`There is no ${row} that could keep a fence.`, { code: 'FENCED_ROW_MISSING', retryable: false })
  }
}

/** There is no run of this id. */
export class BatchRunMissingError extends KerpError {
  static override readonly errorName = 'BatchRunMissingError'

  constructor(readonly runId: string) {
    super(`There is no batch run ${JSON.stringify(runId)}.`, { code: 'BATCH_RUN_MISSING', retryable: false })
  }
}

/** A run is not in a state in which this can be done; nothing was changed. */
export class BatchRunStateError extends KerpError {
  static override readonly errorName = 'BatchRunStateError'

  constructor(
    readonly runId: string,
    expected: string,
    readonly state: string,
  ) {
    super(`The batch run ${JSON.stringify(runId)} must be ${expected}, it is ${state}.`, {
      code: 'BATCH_RUN_STATE',
      retryable: false,
    })
  }
}

/** Rows behind the reader's position were deleted; the next `tick` says so in `trimmedTo`. */
export class OutboxTrimmedError extends KerpError {
  static override readonly errorName = 'OutboxTrimmedError'

  constructor() {
    super('Rows of the outbox that were still to be read have been deleted.', {
      code: 'OUTBOX_TRIMMED',
      retryable: true,
    })
  }
}

/** A private PostgreSQL could not be started; the message carries the end of the server's own log. */
export class PrivatePostgresError extends KerpError {
  static override readonly errorName = 'PrivatePostgresError'

  constructor(message: string, cause?: unknown) {
    super(message, { code: 'PRIVATE_POSTGRES_FAILED', retryable: false, cause })
  }
}
