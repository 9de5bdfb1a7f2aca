/** A stock store in memory for tests without PostgreSQL: the same judge as the database's, over rows in memory. */

import type {
  Clock,
  RegisterImage,
  ReservationChange,
  ReservationRef,
  ReservationState,
  StockAdjustment,
  StockExpiry,
  StockMovement,
  StockReservation,
  StockStore,
  StockTransfer,
} from '@kerp/core'
import { byBytes } from '@kerp/core/testing'
import type { MemoryRows } from './memory-rows.js'
import { answerOf, changeOf, movementOf, type StockAnswer } from './stock-answer.js'
import { judge, type LockedReservation } from './stock-judge.js'
import { StockRows } from './stock-rows.js'
import {
  adjustWork,
  END_STATES,
  isEnd,
  reserveWork,
  settleWork,
  type StockChange,
  type StockWork,
  transferWork,
} from './stock-work.js'

interface Held {
  state: ReservationState
  readonly expiresAtMs: number
  readonly changes: readonly StockChange[]
}

/**
 * One movement after the other, idempotent, never below what is there; what it commits is written to `rows`.
 *
 * @throws what a `StockStore` throws.
 */
export class MemoryStock implements StockStore {
  readonly #fences = new Map<string, bigint>()
  readonly #stored = new Map<string, { hash: string; images: readonly RegisterImage[] }>()
  readonly #held = new Map<string, Held>()

  constructor(
    private readonly rows: MemoryRows,
    private readonly clock: Clock,
  ) {}

  async adjust(adjustment: StockAdjustment): Promise<StockMovement> {
    return this.#moved(adjustWork(adjustment))
  }

  async transfer(transfer: StockTransfer): Promise<StockMovement> {
    return this.#moved(transferWork(transfer))
  }

  async reserve(reservation: StockReservation): Promise<ReservationChange> {
    return this.#changed(reserveWork(reservation))
  }

  async confirm(reservation: ReservationRef): Promise<ReservationChange> {
    return this.#changed(settleWork('confirm', reservation))
  }

  async cancel(reservation: ReservationRef): Promise<ReservationChange> {
    return this.#changed(settleWork('cancel', reservation))
  }

  async expire({ limit }: { readonly limit: number }): Promise<StockExpiry> {
    const due = [...this.#held]
      .filter(([, held]) => held.state === 'held' && this.#isDue(held))
      .sort(([one, a], [other, b]) => a.expiresAtMs - b.expiresAtMs || byBytes(one, other))
      .slice(0, limit)
    const expired: ReservationChange[] = []
    for (const [name] of due) {
      const [companyId = '', reservationId = ''] = name.split('\n')
      expired.push(await this.#changed(settleWork('expire', { companyId, reservationId })))
    }
    return { expired, isMore: due.length === limit }
  }

  #isDue(held: Held): boolean {
    return held.expiresAtMs <= this.clock.nowMs()
  }

  async #moved(work: StockWork): Promise<StockMovement> {
    return movementOf(work, await this.#do(work))
  }

  async #changed(work: StockWork): Promise<ReservationChange> {
    return changeOf(work, await this.#do(work))
  }

  async #do(work: StockWork): Promise<StockAnswer> {
    await Promise.resolve()
    const held = this.#held.get(nameOf(work))
    const changes = isEnd(work.kind) ? (held?.changes ?? []) : work.changes
    const rows = this.#rowsOf(work, changes)
    const reservations = new Map<string, LockedReservation>()
    if (held !== undefined) reservations.set(work.name, { ...held, isDue: this.#isDue(held) })
    const facts = { nowMs: this.clock.nowMs(), stored: this.#stored, reservations }
    const { outcomes, accepted } = judge([work], rows, facts)
    for (const { kind, images, expiresAtMs = 0 } of accepted) {
      this.#stored.set(work.name, { hash: work.hash, images })
      for (const image of images) this.rows.write(image)
      for (const row of rows.all) this.#fences.set(JSON.stringify(row.ref), row.fence)
      if (kind === 'reserve') this.#held.set(nameOf(work), { state: 'held', expiresAtMs, changes })
      // The ids of movements are others than those of reservations: only an end concerns what is held.
      if (held !== undefined && isEnd(kind)) held.state = END_STATES[kind]
    }
    const { epoch } = this.rows
    const result = { epoch, outcomes, isChanged: accepted.length > 0, writtenBy: undefined, rowNames: [] }
    const answer = answerOf(result, work, 0)
    if (answer instanceof Error) throw answer
    return answer
  }

  #rowsOf(work: StockWork, changes: readonly StockChange[]): StockRows {
    const rows = new StockRows()
    rows.add(work.companyId, changes)
    for (const row of rows.all) {
      const { version, fields } = this.rows.row(row.ref)
      row.version = version
      row.onHand = BigInt(fields[0])
      row.reserved = BigInt(fields[1])
      row.fence = this.#fences.get(JSON.stringify(row.ref)) ?? 0n
    }
    return rows
  }
}

/** Of a reservation, for its making and its end alike. */
function nameOf({ companyId, id }: StockWork): string {
  return `${companyId}\n${id}`
}
