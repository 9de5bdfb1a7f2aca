/** Every error of locks; the codes are explained in docs/errors.md. */

import { KerpError } from '@kerp/core'

/**
 * Why a lock was lost. `expired`: its lease ended, and it was not to be renewed, or the process slept or was
 * blocked past its end. `unreachable`: Redis did not answer until the lease ended. `taken`: Redis says that the
 * lock is gone or another's. `maxHold`: it was held for `maxHoldMs`. `released`: the caller gave it back itself.
 * `closed`: its provider was closed.
 */
export type LockLossReason = 'expired' | 'unreachable' | 'taken' | 'maxHold' | 'released' | 'closed'

/** Somebody else held the lock for the whole of `waitMs`. Code `LOCK_BUSY`, retryable; nothing was done. */
export class LockBusyError extends KerpError {
  static override readonly errorName = 'LockBusyError'

  constructor(
    /** The lock as `TYPE:ID`. */
    readonly lock: string,
    readonly waitMs: number,
  ) {
    super(`Lock ${lock} was held by others for ${Math.round(waitMs)} ms.`, {
      code: 'LOCK_BUSY',
      retryable: true,
    })
  }
}

/**
 * Redis could not say whether the lock is free. Code `LOCK_UNAVAILABLE`; `cause` says why. Retryable unless Redis
 * refused for good. Should the lock have been granted without the caller hearing of it, it is given back.
 */
export class LockUnavailableError extends KerpError {
  static override readonly errorName = 'LockUnavailableError'

  constructor(
    readonly lock: string,
    cause: unknown,
  ) {
    const retryable = !(cause instanceof KerpError) || cause.retryable
    super(`Lock ${lock} cannot be asked for now.`, { code: 'LOCK_UNAVAILABLE', retryable, cause })
  }
}

/**
 * The lock is no longer held: another may have done the same work meanwhile. Code `LOCK_LOST`, not retryable as
 * it is: what the section did must be looked at first (fenced writes were refused or happened in time).
 */
export class LockLostError extends KerpError {
  static override readonly errorName = 'LockLostError'

  constructor(
    readonly lock: string,
    readonly reason: LockLossReason,
    /** The fence that was held, if the lock had one. */
    readonly fence: string | undefined,
  ) {
    super(`Lock ${lock} is no longer held: ${WORDS[reason]}.`, { code: 'LOCK_LOST', retryable: false })
  }
}

const WORDS: Readonly<Record<LockLossReason, string>> = {
  expired: 'its lease ended',
  unreachable: 'Redis did not answer until its lease ended',
  taken: 'Redis says that it is gone or held by another',
  maxHold: 'it was held for as long as it may be',
  released: 'it was given back',
  closed: 'its provider was closed',
}

/** A script answered with a shape that this version does not know. Code `LOCK_PROTOCOL`, not retryable. */
export class UnexpectedReplyError extends KerpError {
  static override readonly errorName = 'UnexpectedReplyError'

  constructor(readonly operation: string) {
    super(`Redis answered ${operation} in an unknown way; are all services of one version?`, {
      code: 'LOCK_PROTOCOL',
      retryable: false,
    })
  }
}

/** `QuorumLocks` needs `redlock` 4.2.0, which is not installed. Code `REDLOCK_MISSING`, not retryable. */
export class RedlockMissingError extends KerpError {
  static override readonly errorName = 'RedlockMissingError'

  constructor(cause?: unknown) {
    super('QuorumLocks needs the package redlock in version 4.2.0: npm install redlock@4.2.0', {
      code: 'REDLOCK_MISSING',
      retryable: false,
      cause,
    })
  }
}
