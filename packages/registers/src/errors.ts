/** What reading registers and relaying into them can refuse. */

import { KerpError } from '@kerp/core'

/**
 * A read token belongs to another history than the database's: it was replaced (failover that lost commits,
 * restore, restart) since the token was made. Code `EPOCH_CHANGED`, not retryable: what the token stands for
 * may be gone, so the writer must look again.
 */
export class EpochChangedError extends KerpError {
  static override readonly errorName = 'EpochChangedError'

  constructor(
    readonly tokenEpoch: string,
    readonly databaseEpoch: string,
  ) {
    super(
      `The read token is of database epoch ${tokenEpoch}, the database is of epoch ${databaseEpoch}: ` +
        'it was restarted or replaced since, and may have lost what the token stands for.',
      { code: 'EPOCH_CHANGED', retryable: false },
    )
  }
}

/**
 * The database itself has not reached the version that a read token names: the write was not committed there.
 * Code `VERSION_NOT_REACHED`, retryable: a commit that is still on its way may arrive.
 */
export class VersionNotReachedError extends KerpError {
  static override readonly errorName = 'VersionNotReachedError'

  constructor(
    readonly wantedVersion: number,
    readonly databaseVersion: number,
  ) {
    super(
      `The read token asks for version ${wantedVersion} of a row; the database has version ${databaseVersion}.`,
      { code: 'VERSION_NOT_REACHED', retryable: true },
    )
  }
}

/**
 * Loading this row failed a moment ago, here or in another process, and is not tried again before the back-off is
 * over: a quarter of a second at most, unless set otherwise. Code `LOAD_BACKOFF`, retryable. `cause` is what the
 * source threw, if it was thrown in this process.
 */
export class LoadBackoffError extends KerpError {
  static override readonly errorName = 'LoadBackoffError'

  constructor(
    /** The code of what the source threw, `UNEXPECTED` for what is no `KerpError`. */
    readonly loaderCode: string,
    cause?: unknown,
  ) {
    super(`Loading this row failed a moment ago (${loaderCode}); it is not tried again yet.`, {
      code: 'LOAD_BACKOFF',
      retryable: true,
      cause,
    })
  }
}

/** The relay did not catch up in time. Code `RELAY_BEHIND`, retryable: it goes on. */
export class RelayBehindError extends KerpError {
  static override readonly errorName = 'RelayBehindError'

  constructor(
    readonly deadlineMs: number,
    readonly companiesBehind: number,
    cause?: unknown,
  ) {
    super(
      `The outbox relay did not catch up within ${Math.round(deadlineMs)} ms; ${companiesBehind} companies are behind.`,
      {
        code: 'RELAY_BEHIND',
        retryable: true,
        cause,
      },
    )
  }
}

/**
 * Between two statements of one pass the database was replaced, or rows that were not read yet were trimmed.
 * Code `OUTBOX_MOVED`, retryable: the next pass sees the new state and voids what it must.
 */
export class OutboxMovedError extends KerpError {
  static override readonly errorName = 'OutboxMovedError'

  constructor() {
    super('The outbox was trimmed or replaced while a backlog was read; the next pass starts over.', {
      code: 'OUTBOX_MOVED',
      retryable: true,
    })
  }
}

/**
 * What Redis holds of a company was brought there by another database that is alive. Code `FOREIGN_DATABASE`, not
 * retryable: two databases share one namespace of one Redis. Nothing of it is answered, and nothing is stored over it.
 */
export class ForeignDatabaseError extends KerpError {
  static override readonly errorName = 'ForeignDatabaseError'

  constructor(
    readonly companyId: string,
    readonly databaseEpoch: string,
    readonly registersEpoch: string,
  ) {
    super(
      `The rows of company ${companyId} in Redis are of another database (${registersEpoch}) than this one ` +
        `(${databaseEpoch}): give each database a namespace of its own, with createKeys({ namespace }).`,
      { code: 'FOREIGN_DATABASE', retryable: false },
    )
  }
}

/**
 * The relay's database is on an earlier timeline than the registers: a primary that was replaced, and does not
 * know it. Code `TIMELINE_BEHIND`, not retryable. The registers stay with the later timeline.
 */
export class TimelineBehindError extends KerpError {
  static override readonly errorName = 'TimelineBehindError'

  constructor(
    readonly databaseEpoch: string,
    readonly registersEpoch: string,
  ) {
    super(
      `The outbox is of database epoch ${databaseEpoch}, the registers are of the later epoch ${registersEpoch}: ` +
        'this database was replaced; connect the relay to its successor.',
      { code: 'TIMELINE_BEHIND', retryable: false },
    )
  }
}
