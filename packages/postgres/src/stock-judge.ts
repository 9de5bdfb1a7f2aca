/**
 * Judges the movements of a batch one by one, in order, on columns of locked rows alone. No I/O: what the database
 * knew under the locks goes in, each movement's own outcome comes out.
 */

import type { RegisterImage, ReservationState, StockShortage } from '@kerp/core'
import { type StockRow, type StockRows, stockImage } from './stock-rows.js'
import { END_STATES, type EndKind, isEnd, type StockChange, type StockWork } from './stock-work.js'

/** A reservation as it stands under its lock. */
export interface LockedReservation {
  readonly state: ReservationState
  /** Whether its time is up, by the database's clock after the locks. */
  readonly isDue: boolean
  readonly expiresAtMs: number
  readonly changes: readonly StockChange[]
}

/** A movement of the same id that was done before. */
export interface StoredMovement {
  readonly hash: string
  readonly images: readonly RegisterImage[]
  /** The transaction that did it. */
  readonly writtenBy?: string | undefined
}

/**
 * What the database knew under the locks, beside the rows, by `StockWork.name`. A reservation whose end is asked for
 * is here only if it was locked; one that is merely read again is not, so the two have names of their own.
 */
export interface StockFacts {
  readonly nowMs: number
  readonly stored: ReadonlyMap<string, StoredMovement>
  readonly reservations: ReadonlyMap<string, LockedReservation>
}

/** A movement that is done. */
export interface DoneMovement {
  readonly images: readonly RegisterImage[]
  /** Of a reservation. */
  readonly state?: ReservationState | undefined
  readonly expiresAtMs?: number | undefined
  /** The transaction that did it before. */
  readonly writtenBy?: string | undefined
}

/** What became of one movement, if the transaction commits. */
export type StockOutcome =
  | ({ readonly kind: 'done' | 'replayed' } & DoneMovement)
  | { readonly kind: 'conflict' }
  | { readonly kind: 'insufficient'; readonly shortages: readonly StockShortage[] }
  | { readonly kind: 'fenced'; readonly row: string; readonly rowFence: bigint }
  | { readonly kind: 'notFound' }
  | { readonly kind: 'settled'; readonly state: Exclude<ReservationState, 'held'> }
  /** A sweep found a reservation that is not due, or has ended: if it has expired, by `before`. */
  | { readonly kind: 'notDue'; readonly before?: DoneMovement | undefined }

/** An accepted movement, as it is written. */
export interface AcceptedMovement {
  readonly work: StockWork
  /** For the end of a reservation: how it ended, which may be another way than was asked for. */
  readonly kind: StockWork['kind']
  readonly changes: readonly StockChange[]
  /** The rows right after it, in the order of `changes`. */
  readonly images: readonly RegisterImage[]
  readonly expiresAtMs: number | undefined
}

/** The verdicts on a batch. */
export interface Judgement {
  readonly outcomes: ReadonlyMap<StockWork, StockOutcome>
  /** In the order in which they were judged. */
  readonly accepted: readonly AcceptedMovement[]
}

/** Judges `works`; the rows become what the accepted movements leave. */
export function judge(works: readonly StockWork[], rows: StockRows, facts: StockFacts): Judgement {
  const accepted: AcceptedMovement[] = []
  const outcomes = new Map<StockWork, StockOutcome>()
  // Of two holders of one lock the later one comes last, whichever call arrived first.
  for (const work of [...works].sort(byFence)) {
    outcomes.set(
      work,
      judgeOne(work, rows, facts, (movement) => accepted.push(movement)),
    )
  }
  return { outcomes, accepted }
}

type Accept = (movement: AcceptedMovement) => void

function judgeOne(work: StockWork, rows: StockRows, facts: StockFacts, accept: Accept): StockOutcome {
  if (isEnd(work.kind)) return judgeEnd(work, work.kind, rows, facts, accept)
  const stored = facts.stored.get(work.name)
  if (stored !== undefined) {
    if (stored.hash !== work.hash) return { kind: 'conflict' }
    const { images, writtenBy } = stored
    return { kind: 'replayed', images, writtenBy, ...heldFacts(work, facts) }
  }
  const { changes } = work
  const refusal = fenceRefusal(work, rows, changes) ?? shortageOf(work, rows, changes)
  if (refusal !== undefined) return refusal
  const expiresAtMs = work.ttlMs === undefined ? undefined : facts.nowMs + work.ttlMs
  const images = apply(work, rows, changes)
  accept({ work, kind: work.kind, changes, images, expiresAtMs })
  return expiresAtMs === undefined
    ? { kind: 'done', images }
    : { kind: 'done', images, state: 'held', expiresAtMs }
}

function heldFacts(
  work: StockWork,
  facts: StockFacts,
): { state?: 'held' | undefined; expiresAtMs?: number | undefined } {
  const reservation = facts.reservations.get(work.name)
  if (work.space !== 'hold' || reservation === undefined) return {}
  return { state: 'held', expiresAtMs: reservation.expiresAtMs }
}

/** The end of a reservation: decided by its row, whoever asks. */
function judgeEnd(
  work: StockWork,
  asked: EndKind,
  rows: StockRows,
  facts: StockFacts,
  accept: Accept,
): StockOutcome {
  const reservation = facts.reservations.get(work.name)
  if (reservation === undefined) return { kind: 'notFound' }
  const { state, isDue, expiresAtMs, changes } = reservation
  if (state !== 'held') {
    const { images = [], writtenBy } = facts.stored.get(work.name) ?? {}
    const before = { images, writtenBy, state, expiresAtMs }
    if (asked === 'expire') return state === 'expired' ? { kind: 'notDue', before } : { kind: 'notDue' }
    const isAnswer = state === END_STATES[asked] || (asked === 'cancel' && state === 'expired')
    return isAnswer ? { kind: 'replayed', ...before } : { kind: 'settled', state }
  }
  if (asked === 'expire' && !isDue) return { kind: 'notDue' }
  const kind = isDue ? 'expire' : asked
  const freed = changes.map(({ reserved, ...place }) => ({
    ...place,
    onHand: kind === 'confirm' ? -reserved : 0n,
    reserved: -reserved,
  }))
  const refusal = fenceRefusal(work, rows, freed)
  if (refusal !== undefined) return refusal
  const images = apply(work, rows, freed)
  accept({ work, kind, changes: freed, images, expiresAtMs })
  // Its time was up: that is what is written, and what whoever wanted to confirm hears.
  if (kind === 'expire' && asked === 'confirm') return { kind: 'settled', state: 'expired' }
  return { kind: 'done', images, state: END_STATES[kind], expiresAtMs }
}

function fenceRefusal(
  { companyId, fence }: StockWork,
  rows: StockRows,
  changes: readonly StockChange[],
): StockOutcome | undefined {
  if (fence === undefined) return undefined
  for (const change of changes) {
    const row = rows.row(companyId, change)
    if (row.fence > fence) {
      return { kind: 'fenced', row: `stock of ${change.item} in ${change.warehouse}`, rowFence: row.fence }
    }
  }
  return undefined
}

/** Only what a movement takes can be short; what it brings never is. */
function shortageOf(
  { companyId }: StockWork,
  rows: StockRows,
  changes: readonly StockChange[],
): StockOutcome | undefined {
  const shortages = changes.flatMap((change): StockShortage[] => {
    const { onHand, reserved } = rows.row(companyId, change)
    const requested = change.reserved - change.onHand
    const available = onHand - reserved
    if (requested <= 0n || requested <= available) return []
    const { item, warehouse } = change
    return [{ item, warehouse, requested, available, onHand, reserved }]
  })
  return shortages.length === 0 ? undefined : { kind: 'insufficient', shortages }
}

function apply(work: StockWork, rows: StockRows, changes: readonly StockChange[]): readonly RegisterImage[] {
  return changes.map((change) => {
    const row = rows.row(work.companyId, change)
    applyTo(row, change)
    if (work.fence !== undefined) row.fence = work.fence
    row.traceparent = work.traceparent
    return stockImage(row)
  })
}

function applyTo(row: StockRow, { onHand, reserved }: StockChange): void {
  row.version += 1
  row.onHand += onHand
  row.reserved += reserved
  row.onHandAdded += onHand
  row.reservedAdded += reserved
  row.movementsAdded += 1
}

function byFence(left: StockWork, right: StockWork): number {
  const [a, b] = [left.fence ?? 0n, right.fence ?? 0n]
  return a < b ? -1 : a > b ? 1 : 0
}
