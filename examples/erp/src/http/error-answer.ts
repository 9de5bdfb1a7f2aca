/** The one place where an error becomes an HTTP status and the body `{ error: { code, message, retryable } }`. */

import { InsufficientStockError, InvalidInputError, KerpError } from '@kerp/core'
import { type ShortageView, shortageView } from './quantities.js'

/** What is sent for an error. */
export interface ErrorAnswer {
  readonly status: number
  readonly body: {
    readonly error: {
      readonly code: string
      readonly message: string
      readonly retryable: boolean
      /** Of `INSUFFICIENT_STOCK`: what is there, for each row that has too little. */
      readonly shortages?: readonly ShortageView[]
    }
  }
}

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  MALFORMED_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  COMPANY_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  VOUCHER_NOT_FOUND: 404,
  PAYROLL_NOT_FOUND: 404,
  RESERVATION_NOT_FOUND: 404,
  FAULT_REFUSED: 409,
  VOUCHER_CONFLICT: 409,
  VOUCHER_REVERSED: 409,
  INSUFFICIENT_STOCK: 409,
  MOVEMENT_CONFLICT: 409,
  RESERVATION_SETTLED: 409,
  RESERVATION_EXPIRED: 409,
  FENCED: 409,
  EPOCH_CHANGED: 409,
  VERSION_NOT_REACHED: 409,
  BODY_TOO_LARGE: 413,
  VOUCHER_REJECTED: 422,
  PAYROLL_NOT_CONFIGURED: 422,
  MOVEMENT_REJECTED: 422,
  RATE_LIMITED: 429,
  DATABASE_UNAVAILABLE: 503,
  POSTING_UNKNOWN: 503,
  MOVEMENT_UNKNOWN: 503,
  OVERLOADED: 503,
  DEADLINE_EXCEEDED: 503,
  CLOSED: 503,
}

/** The answer for whatever a route threw; what we did not foresee says nothing of its inside. */
export function errorAnswer(error: unknown): ErrorAnswer {
  if (error instanceof InvalidInputError) return answer(STATUS_OF_CODE[error.code] ?? 422, error)
  if (error instanceof KerpError) {
    const status = STATUS_OF_CODE[error.code]
    if (status !== undefined) return answer(status, error)
    if (error.retryable) return answer(503, error)
  }
  return answer(500, {
    code: 'INTERNAL',
    message: 'The server failed; what went wrong is in its log.',
    retryable: false,
  })
}

function answer(
  status: number,
  error: { readonly code: string; readonly message: string; readonly retryable: boolean },
): ErrorAnswer {
  const { code, message, retryable } = error
  const shortages =
    error instanceof InsufficientStockError ? { shortages: error.shortages.map(shortageView) } : {}
  return { status, body: { error: { code, message, retryable, ...shortages } } }
}
