/** The one place where an error becomes an HTTP status and a body: this app's codes here, the rest by the library. */

import { KerpError } from '@kerp/core'
import { type ErrorAnswer, errorAnswer as libraryAnswer } from '@kerp/realtime'

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  MALFORMED_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
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

/** The answer for whatever a route threw; what we did not foresee says nothing of its inside. */
export function errorAnswer(error: unknown): ErrorAnswer {
  return ownAnswer(error) ?? libraryAnswer(error) ?? INTERNAL
}

function ownAnswer(error: unknown): ErrorAnswer | undefined {
  if (!(error instanceof KerpError)) return undefined
  const status = STATUS_OF_CODE[error.code]
  if (status === undefined) return undefined
  const { code, message, retryable } = error
  return { status, body: { error: { code, message, retryable } } }
}
