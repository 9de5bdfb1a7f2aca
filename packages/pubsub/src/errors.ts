/** Every error of events; the codes are explained in docs/errors.md. */

import { InvalidInputError, KerpError } from '@kerp/core'

/**
 * An event was refused before anything was sent: an unknown type, a payload of another shape, an id that cannot
 * stand in a stream, or too many bytes. Code `EVENT_INVALID`, not retryable.
 */
export class EventInvalidError extends InvalidInputError {
  static override readonly errorName = 'EventInvalidError'

  constructor(field: string, expected: string, got: unknown) {
    super(field, expected, got, 'EVENT_INVALID')
  }
}

/**
 * Redis did not take the event, or did not say so; `cause` tells which (`REDIS_UNKNOWN`: it may have). Code
 * `EVENT_NOT_PUBLISHED`; retryable with the same `eventId`, which is published at most once.
 */
export class EventNotPublishedError extends KerpError {
  static override readonly errorName = 'EventNotPublishedError'

  constructor(
    readonly eventId: string,
    cause: unknown,
  ) {
    const retryable = !(cause instanceof KerpError) || cause.retryable
    super(`Event ${eventId} was not published, as far as is known; repeat it with the same id.`, {
      code: 'EVENT_NOT_PUBLISHED',
      retryable,
      cause,
    })
  }
}

/** The database began another history while its events were published; the next turn finds out where it stands. */
export class EpochMovedError extends KerpError {
  static override readonly errorName = 'EpochMovedError'

  constructor() {
    super('The database began another history while events were published.', {
      code: 'EVENT_EPOCH_MOVED',
      retryable: true,
    })
  }
}
