/** Every error of events; the codes are explained in docs/errors.md. */

import { describeAmount, InvalidInputError, KerpError } from '@kerp/core'

/**
 * An event was refused before anything was sent: an unknown type, a payload of another shape, an id that cannot
 * stand in a stream, or too many bytes. Code `EVENT_INVALID`, not retryable.
 */
export class EventInvalidError extends InvalidInputError {
  static override readonly errorName = 'EventInvalidError'

  constructor(field: string, expected: string, got: unknown) {
    super(field, expected, got, 'EVENT_INVALID', describeAmount)
  }
}

/**
 * Redis did not take the event, or did not say so; `cause` tells which (`REDIS_UNKNOWN`: it may have). Code
 * `EVENT_NOT_PUBLISHED`; retryable with the same `eventId`, which is published at most once.
 */
export class EventNotPublishedError extends KerpError {
  static override readonly errorName = 'EventNotPublishedError'

  readonly eventId: string

  /** `eventIds`: of one call, those that are not known to be published; `eventId` is the first of them. */
  constructor(
    readonly eventIds: readonly string[],
    cause: unknown,
  ) {
    const retryable = !(cause instanceof KerpError) || cause.retryable
    const [first = ''] = eventIds
    const words =
      eventIds.length === 1 ? `Event ${first} was` : `${eventIds.length} events from ${first} on were`
    super(`${words} not published, as far as is known; repeat with the same ids.`, {
      code: 'EVENT_NOT_PUBLISHED',
      retryable,
      cause,
    })
    this.eventId = first
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
