/** The one place where an error becomes an HTTP status and a body: this app's codes here, the rest by the library. */

import { KerpError } from '@kerp/core'
import { type ErrorAnswer, errorAnswer as libraryAnswer } from '@kerp/realtime'
import { withoutTokens } from '../session.js'

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  MALFORMED_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  HOST_REFUSED: 403,
  COMPANY_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  PAYROLL_NOT_FOUND: 404,
  FAULT_REFUSED: 409,
  BODY_TOO_LARGE: 413,
  PAYROLL_NOT_CONFIGURED: 422,
  RATE_LIMITED: 429,
}

const INTERNAL: ErrorAnswer = {
  status: 500,
  body: {
    error: {
      code: 'INTERNAL',
      message: 'The server failed; what went wrong is in its log.',
      retryable: false,
    },
  },
}

/**
 * The answer for whatever a route threw; what we did not foresee says nothing of its inside, and no message repeats a
 * token, in whatever field it was sent.
 */
export function errorAnswer(thrown: unknown): ErrorAnswer {
  const answer = ownAnswer(thrown) ?? libraryAnswer(thrown) ?? INTERNAL
  const { error } = answer.body
  return { ...answer, body: { error: { ...error, message: withoutTokens(error.message) } } }
}

function ownAnswer(error: unknown): ErrorAnswer | undefined {
  if (!(error instanceof KerpError)) return undefined
  const status = STATUS_OF_CODE[error.code]
  if (status === undefined) return undefined
  const { code, message, retryable } = error
  return { status, body: { error: { code, message, retryable } } }
}
