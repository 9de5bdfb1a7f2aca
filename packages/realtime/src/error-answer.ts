/** What an HTTP server answers to an error of this library, in the same words whatever framework carries it. */

import {
  formatQuantity,
  InsufficientStockError,
  InvalidInputError,
  KerpError,
  type StockShortage,
} from '@kerp/core'

/** An answer for any HTTP server. */
export interface ErrorAnswer {
  /** 404, 409, 422, 500 or 503. */
  readonly status: number
  /** To be sent as JSON. */
  readonly body: {
    readonly error: {
      readonly code: string
      readonly message: string
      /** Whether the same request, with the same id, may succeed later and does no harm when repeated. */
      readonly retryable: boolean
      /** Of `INSUFFICIENT_STOCK`: what is there, for each row that has too little. */
      readonly shortages?: readonly StockShortageJson[] | undefined
    }
  }
}

/** A row that has less than was asked of it; quantities are decimal strings, as in `StockLevelJson`. */
export interface StockShortageJson {
  readonly item: string
  readonly warehouse: string
  readonly requested: string
  /** What is there, reserved goods included. */
  readonly quantity: string
  readonly reserved: string
  /** What could have been had: `quantity` less `reserved`. */
  readonly available: string
}

/** Headers that tell of a body: those that a route has set for its own do not hold for an `ErrorAnswer`. */
export const BODY_HEADERS = [
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'content-range',
] as const

/** Beside these: 422 for every other `InvalidInputError`, 503 for every other error that is retryable. */
const STATUS_OF_CODE: ReadonlyMap<string, number> = new Map([
  ['VOUCHER_NOT_FOUND', 404],
  ['RESERVATION_NOT_FOUND', 404],
  ['BATCH_CONFLICT', 409],
  ['VOUCHER_CONFLICT', 409],
  ['VOUCHER_REVERSED', 409],
  ['INSUFFICIENT_STOCK', 409],
  ['MOVEMENT_CONFLICT', 409],
  ['RESERVATION_SETTLED', 409],
  ['RESERVATION_EXPIRED', 409],
  ['FENCED', 409],
  ['EPOCH_CHANGED', 409],
  ['VERSION_NOT_REACHED', 409],
  ['VOUCHER_REJECTED', 422],
  ['MOVEMENT_REJECTED', 422],
  ['CLOSED', 503],
])

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
 * The answer for an error of this library; undefined for every other error, which is the host's to answer.
 *
 * What the caller can do something about has its own code and message. What only an operator can repair is answered
 * with 500 and `INTERNAL`, says nothing of the inside, and belongs into the host's log.
 *
 * @example
 * errorAnswer(new Error('a failure of the host')) // undefined
 */
export function errorAnswer(error: unknown): ErrorAnswer | undefined {
  if (!(error instanceof KerpError)) return undefined
  const status = statusOf(error)
  if (status === undefined) return INTERNAL
  const { code, message, retryable } = error
  const shortages =
    error instanceof InsufficientStockError ? { shortages: error.shortages.map(shortageJson) } : {}
  return { status, body: { error: { code, message, retryable, ...shortages } } }
}

function statusOf(error: KerpError): number | undefined {
  const status = STATUS_OF_CODE.get(error.code)
  if (status !== undefined) return status
  if (error instanceof InvalidInputError) return 422
  return error.retryable ? 503 : undefined
}

function shortageJson({
  item,
  warehouse,
  requested,
  available,
  onHand,
  reserved,
}: StockShortage): StockShortageJson {
  return {
    item,
    warehouse,
    requested: formatQuantity(requested),
    quantity: formatQuantity(onHand),
    reserved: formatQuantity(reserved),
    available: formatQuantity(available),
  }
}
