/** What guarding a commit can refuse. */

import { KerpError } from '@kerp/core'

/**
 * Redis no longer holds the mark of an operation, so that readers may have cached what is about to change: it was
 * restarted, failed over or evicted it, or the process stood still. Code `OPERATION_LOST`, retryable: roll back, and
 * begin anew. Nothing was committed under the mark.
 */
export class OperationLostError extends KerpError {
  static override readonly errorName = 'OperationLostError'

  constructor(
    /** How many of the operation's rows are still marked. */
    readonly rowsHeld: number,
    readonly rows: number,
  ) {
    super(`Redis holds the mark of ${rowsHeld} of ${rows} rows that are about to change: do not commit.`, {
      code: 'OPERATION_LOST',
      retryable: true,
    })
  }
}

/**
 * Guarded work ended without `confirm()`, so that nobody knows whether it was guarded when it was committed. Code
 * `OPERATION_NOT_CONFIRMED`, not retryable: call `confirm()` as the last thing before each COMMIT.
 */
export class OperationNotConfirmedError extends KerpError {
  static override readonly errorName = 'OperationNotConfirmedError'

  constructor() {
    super('Guarded work must call confirm() as the last thing before it commits; this one did not.', {
      code: 'OPERATION_NOT_CONFIRMED',
      retryable: false,
    })
  }
}
