/** What the caller of a movement is told, by whichever way it was done: in a batch, in a host's transaction, in memory. */

import {
  FencedError,
  InsufficientStockError,
  type KerpError,
  MovementConflictError,
  type RegisterImage,
  readTokenOf,
  type ReservationChange,
  ReservationExpiredError,
  ReservationNotFoundError,
  ReservationSettledError,
  type ReservationState,
  type StockMovement,
} from '@kerp/core'
import { DatabaseUnsuitableError } from './errors.js'
import type { DoneMovement, StockOutcome } from './stock-judge.js'
import type { StockResult } from './stock-transaction.js'
import type { StockWork } from './stock-work.js'

/** What a committed movement is answered with. */
export type StockAnswer =
  | {
      readonly kind: 'done' | 'replayed'
      readonly epoch: string
      readonly images: readonly RegisterImage[]
      readonly state?: ReservationState | undefined
      readonly expiresAtMs?: number | undefined
    }
  | { readonly kind: 'notDue' }

/**
 * What a movement is answered with, or why it was refused. What one of the transactions `own` has written was done by
 * the first caller, although its COMMIT was not answered.
 */
export function answerOf(
  result: StockResult,
  work: StockWork,
  place: number,
  own: readonly string[] = [],
): StockAnswer | KerpError {
  const outcome = result.outcomes.get(work)
  if (outcome === undefined) return new DatabaseUnsuitableError('A movement of the batch was not judged.')
  switch (outcome.kind) {
    case 'done':
      // The call that came first did it; those who joined it find it done.
      return doneOf(result, outcome, place === 0)
    case 'replayed':
      return doneOf(result, outcome, place === 0 && isOwn(outcome, own))
    case 'notDue': {
      const { before } = outcome
      return before !== undefined && isOwn(before, own) ? doneOf(result, before, true) : { kind: 'notDue' }
    }
    case 'conflict':
    case 'insufficient':
    case 'fenced':
    case 'notFound':
    case 'settled':
      return refusalOf(work, outcome)
  }
}

function isOwn({ writtenBy }: DoneMovement, own: readonly string[]): boolean {
  return writtenBy !== undefined && own.includes(writtenBy)
}

function doneOf(
  { epoch }: StockResult,
  { images, state, expiresAtMs }: DoneMovement,
  isFirst: boolean,
): StockAnswer {
  return { kind: isFirst ? 'done' : 'replayed', epoch, images, state, expiresAtMs }
}

type Refusal = Exclude<StockOutcome, { kind: 'done' | 'replayed' | 'notDue' }>

function refusalOf({ companyId, id, fence }: StockWork, outcome: Refusal): KerpError {
  switch (outcome.kind) {
    case 'conflict':
      return new MovementConflictError(companyId, id)
    case 'insufficient':
      return new InsufficientStockError(companyId, outcome.shortages)
    case 'fenced':
      return new FencedError(outcome.row, String(fence), outcome.rowFence.toString())
    case 'notFound':
      return new ReservationNotFoundError(companyId, id)
    case 'settled':
      return outcome.state === 'expired'
        ? new ReservationExpiredError(companyId, id)
        : new ReservationSettledError(companyId, id, outcome.state)
  }
}

/** The answer of a movement. */
export function movementOf({ companyId, id }: StockWork, answer: StockAnswer): StockMovement {
  const { kind, epoch, images } = committed(answer)
  const token = readTokenOf({ epoch, images })
  return { companyId, movementId: id, replayed: kind === 'replayed', epoch, images, token }
}

/** The answer of what made or ended a reservation. */
export function changeOf({ companyId, id }: StockWork, answer: StockAnswer): ReservationChange {
  const { kind, epoch, images, state, expiresAtMs } = committed(answer)
  if (state === undefined || expiresAtMs === undefined) {
    throw new DatabaseUnsuitableError('The movement of a reservation exists, but the reservation does not.')
  }
  const token = readTokenOf({ epoch, images })
  const facts = { state, expiresAt: new Date(expiresAtMs), replayed: kind === 'replayed' }
  return { companyId, reservationId: id, ...facts, epoch, images, token }
}

function committed(answer: StockAnswer): Exclude<StockAnswer, { kind: 'notDue' }> {
  if (answer.kind !== 'notDue') return answer
  throw new DatabaseUnsuitableError('Only a sweep can find that a reservation is not due.')
}
