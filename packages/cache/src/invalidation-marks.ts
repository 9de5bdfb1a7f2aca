/**
 * Which reads of this process began before which invalidation of this process: a read that begins later joins no
 * load, and takes nothing from the in-process tier, that began before.
 */

import type { FlightMark } from '@kerp/core'

/** Scopes that are told apart; beyond them an invalidation counts for all. */
const SCOPES_MAX = 10_000

/** Marks of invalidations by scope: a company, or a key that belongs to none. */
export class InvalidationMarks {
  readonly #floors = new Map<string, FlightMark>()
  #floorOfAll: FlightMark = 0

  /** `now` gives the marks: of the loads in flight, so that both can be compared. */
  constructor(readonly now: () => FlightMark) {}

  /** Something of the scope was invalidated: what began before this call is too old for whoever comes later. */
  invalidate(scope: string): void {
    if (this.#floors.size >= SCOPES_MAX && !this.#floors.has(scope)) {
      this.#floors.clear()
      this.#floorOfAll = this.now()
    }
    this.#floors.set(scope, this.now())
  }

  /** What a read that begins now must not be older than. */
  floorOf(scope: string): FlightMark {
    return Math.max(this.#floorOfAll, this.#floors.get(scope) ?? 0)
  }
}
