/** Errors that only this app's HTTP surface has. Those of the library come from its packages. */

import { KerpError } from '@kerp/core'

/** The request bears no token, or one that is not ours or has run out. */
export class UnauthorizedError extends KerpError {
  static override readonly errorName = 'UnauthorizedError'

  constructor() {
    super('This route needs the header `Authorization: Bearer <token>` with a token of POST /session.', {
      code: 'UNAUTHORIZED',
      retryable: false,
    })
  }
}

/** The token is of another company. */
export class ForbiddenError extends KerpError {
  static override readonly errorName = 'ForbiddenError'

  constructor() {
    super('The token is of another company.', { code: 'FORBIDDEN', retryable: false })
  }
}

/** The request calls this server by a name that is not its own. */
export class HostRefusedError extends KerpError {
  static override readonly errorName = 'HostRefusedError'

  constructor() {
    super(
      'This server does not answer to the host of this request; ALLOWED_HOSTS names those that it does.',
      {
        code: 'HOST_REFUSED',
        retryable: false,
      },
    )
  }
}

/** No such company, or no such route. */
export class NotFoundError extends KerpError {
  static override readonly errorName = 'NotFoundError'

  constructor(message: string, code: 'COMPANY_NOT_FOUND' | 'ROUTE_NOT_FOUND') {
    super(message, { code, retryable: false })
  }
}

/** The request is not HTTP or JSON as this app reads them. */
export class MalformedRequestError extends KerpError {
  static override readonly errorName = 'MalformedRequestError'

  constructor(message: string) {
    super(message, { code: 'MALFORMED_REQUEST', retryable: false })
  }
}

/** The user, or the address, called this route too often. */
export class RateLimitedError extends KerpError {
  static override readonly errorName = 'RateLimitedError'
  /** When it may be called again, for `Retry-After`. */
  readonly retryAfterS: number

  constructor(waitMs: number) {
    const retryAfterS = Math.max(1, Math.ceil(waitMs / 1_000))
    super(`Too many calls of this route by one caller; the next one may come in ${retryAfterS} s.`, {
      code: 'RATE_LIMITED',
      retryable: true,
    })
    this.retryAfterS = retryAfterS
  }
}

/** The body is longer than this app reads. */
export class BodyTooLargeError extends KerpError {
  static override readonly errorName = 'BodyTooLargeError'

  constructor(readonly bytesMax: number) {
    super(`The body must be at most ${bytesMax} bytes long.`, { code: 'BODY_TOO_LARGE', retryable: false })
  }
}
