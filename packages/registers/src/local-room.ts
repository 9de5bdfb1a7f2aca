/**
 * Bounds what the tier holds, and walks through it for samples.
 *
 * A hand goes round over all rows; beyond a bound it takes what was not read since it last came by, so that rows in
 * use stay and no order of use has to be kept.
 */

import type { RegisterRef } from '@kerp/core'
import type { LocalCompany, SizeChange } from './local-company.js'
import type { LocalEntry } from './local-reading.js'

/** A row at which the hand stands. */
interface Place {
  readonly company: LocalCompany
  readonly entry: LocalEntry
}

/** What the tier may hold. */
export interface LocalBounds {
  readonly entriesMax: number
  readonly bytesMax: number
}

/** Rows looked at for each that is taken in, at most, once every row was looked at once. */
const LOOKS_MAX = 64

/** The hand of one tier. */
export class LocalRoom {
  readonly #bounds: LocalBounds
  readonly #size: Readonly<SizeChange>
  readonly #companies: ReadonlyMap<string, LocalCompany>
  #hand: Iterator<Place> | undefined
  #sampling: Iterator<Place> | undefined

  constructor(bounds: LocalBounds, size: Readonly<SizeChange>, companies: ReadonlyMap<string, LocalCompany>) {
    this.#bounds = bounds
    this.#size = size
    this.#companies = companies
  }

  /** Removes rows until the bounds are kept; says whether it removed any. */
  make(): boolean {
    let evicted = false
    for (let looks = 0; this.#isFull(); looks += 1) {
      const place = this.#next()
      if (place === undefined) break
      // Twice round at most: the first round has taken the marks of use from every row.
      if (place.entry.isUsed && looks < LOOKS_MAX) {
        place.entry.isUsed = false
        continue
      }
      place.company.evict(place.entry)
      evicted = true
    }
    return evicted
  }

  /** Some rows, others with each call. */
  sample(count: number): readonly RegisterRef[] {
    const refs: RegisterRef[] = []
    while (refs.length < count) {
      this.#sampling ??= this.#walk()
      const place = this.#sampling.next()
      if (place.done === true) {
        this.#sampling = undefined
        break
      }
      const { place: at, first } = place.value.entry
      refs.push({ companyId: at.companyId, family: at.family, parts: [first, at.second] })
    }
    return refs
  }

  #isFull(): boolean {
    return this.#size.entries > this.#bounds.entriesMax || this.#size.bytes > this.#bounds.bytesMax
  }

  #next(): Place | undefined {
    for (let round = 0; round < 2; round += 1) {
      this.#hand ??= this.#walk()
      const place = this.#hand.next()
      if (place.done !== true) return place.value
      this.#hand = undefined
    }
    return undefined
  }

  // Maps may change while they are walked through: what is removed is not met, what is added may be.
  *#walk(): Generator<Place> {
    for (const company of this.#companies.values()) {
      for (const { rows } of company.tables()) {
        for (const entry of rows.values()) yield { company, entry }
      }
    }
  }
}
