/**
 * How a Redis call can fail, told by class: certainly not done, perhaps done, refused for good.
 *
 * None of these errors carries a key, an argument, a password or the original ioredis error, whose
 * `command.args` would show them to every logger.
 */

import { KerpError } from '@kerp/core'

/** What every failed call knows. */
export interface RedisFailure {
  /** The script's or command's name. */
  readonly operation: string
  /** The first word of the server's error reply, when it is one of `REPLY_CODES`; else undefined. */
  readonly replyCode?: string | undefined
  /** Why, in words of this library: never a text of the server or of the caller. */
  readonly reason: string
}

/** The call certainly had no effect. Code `REDIS_NOT_DONE`, retryable: the same call may succeed later. */
export class RedisNotDoneError extends KerpError {
  static override readonly errorName = 'RedisNotDoneError'
  readonly operation: string
  readonly replyCode: string | undefined

  constructor(failure: RedisFailure) {
    super(describe(failure, 'was not done'), { code: 'REDIS_NOT_DONE', retryable: true })
    this.operation = failure.operation
    this.replyCode = failure.replyCode
  }
}

/**
 * Nobody can say whether the call had its effect: it was sent and no answer came. Code `REDIS_UNKNOWN`,
 * retryable with the same operation id, or when the call is idempotent.
 */
export class RedisUnknownError extends KerpError {
  static override readonly errorName = 'RedisUnknownError'
  readonly operation: string
  readonly replyCode: string | undefined

  constructor(failure: RedisFailure) {
    super(describe(failure, 'may have been done'), { code: 'REDIS_UNKNOWN', retryable: true })
    this.operation = failure.operation
    this.replyCode = failure.replyCode
  }
}

/**
 * The server refused the call for good: the same call would be refused again. Code `REDIS_REFUSED`, not
 * retryable. A script that was refused half way keeps what it wrote before, so scripts check first.
 */
export class RedisRefusedError extends KerpError {
  static override readonly errorName = 'RedisRefusedError'
  readonly operation: string
  readonly replyCode: string | undefined

  constructor(failure: RedisFailure) {
    super(describe(failure, 'was refused'), { code: 'REDIS_REFUSED', retryable: false })
    this.operation = failure.operation
    this.replyCode = failure.replyCode
  }
}

/** A password would cross the network in clear text. Code `REDIS_INSECURE`, not retryable. */
export class RedisInsecureError extends KerpError {
  static override readonly errorName = 'RedisInsecureError'

  constructor() {
    super(
      'createRedis would send a password in clear text to another machine: turn TLS on (`tls: true`, ' +
        '`REDIS_TLS=true` or a `rediss://` URL), or say `allowPlaintextPassword: true`.',
      { code: 'REDIS_INSECURE', retryable: false },
    )
  }
}

/** The server may evict or forget what must not be lost. Code `REDIS_UNSUITABLE`, not retryable. */
export class RedisUnsuitableError extends KerpError {
  static override readonly errorName = 'RedisUnsuitableError'

  /** `problem` says what was found, `fix` what the operator does about it. */
  constructor(problem: string, fix: string) {
    super(`This Redis cannot be used for coordination: ${problem}. ${fix}`, {
      code: 'REDIS_UNSUITABLE',
      retryable: false,
    })
  }
}

/** A test double lacks a part that must be installed. Code `REDIS_MISSING`, not retryable. */
export class RedisMissingError extends KerpError {
  static override readonly errorName = 'RedisMissingError'

  constructor(sentence: string) {
    super(sentence, { code: 'REDIS_MISSING', retryable: false })
  }
}

function describe(failure: RedisFailure, verdict: string): string {
  const reply = failure.replyCode === undefined ? '' : ` (${failure.replyCode})`
  return `Redis call \`${failure.operation}\` ${verdict}${reply}: ${failure.reason}.`
}
