/**
 * The latest entries of one company's stream in this process: contiguous, bounded, shared by all its subscriptions.
 *
 * Each subscription is a place in it, not a queue of its own. Whoever is behind its first entry, or beside it, reads
 * the stream from its own place until it meets the ring again.
 */

import { type EventBlock, type StreamEntry } from './event-block.js'
import { compareStreamIds, type EventPosition, isSamePosition } from './event-position.js'
import type { HoldingRing, RingBudget } from './ring-budget.js'

/** How many entries and characters a ring holds. */
export interface RingBounds {
  readonly entriesMax: number
  readonly lengthMax: number
}

/** A place of a subscription: behind this entry, and where that was in the ring when it was last there. */
export interface RingCursor {
  readonly position: EventPosition
  readonly lap: number
  readonly next: number
}

/** The latest entries. */
export class EventRing implements HoldingRing {
  readonly #bounds: RingBounds
  readonly #budget: RingBudget
  #entries: StreamEntry[] = []
  #base: EventPosition
  /** Number of the first entry; grows for ever, so that a place can be compared with it. */
  #first = 0
  #length = 0
  #lap = 0

  constructor(bounds: RingBounds, base: EventPosition, budget: RingBudget) {
    this.#budget = budget
    this.#bounds = bounds
    this.#base = base
  }

  /** Where the next block must begin. */
  get head(): EventPosition {
    return this.#entries.at(-1) ?? this.#base
  }

  /** Empties it: what follows `base` comes next. */
  restart(base: EventPosition): void {
    this.#first += this.#entries.length
    this.#entries = []
    this.#length = 0
    this.#base = base
    this.#lap += 1
    this.#budget.release(this)
  }

  /**
   * Takes a block in: what follows is appended, what is known is left out, and what does not fit begins a new ring.
   * Returns what was new, and whether it follows what was there; undefined when nothing changed.
   */
  hear({
    prev,
    entries,
  }: EventBlock): { readonly entries: readonly StreamEntry[]; readonly follows: boolean } | undefined {
    const fresh = isSamePosition(prev, this.head) ? entries : this.#unknownOf(entries)
    if (fresh?.length === 0) return undefined
    if (fresh === undefined) this.restart(prev)
    const added = fresh ?? entries
    for (const entry of added) {
      this.#entries.push(entry)
      this.#length += entry.text.length
    }
    this.#shrink()
    this.#budget.heard(this, this.#length)
    return { entries: added, follows: fresh !== undefined }
  }

  /** Lets go of all it holds; its head stays, so that what comes next still follows. */
  empty(): void {
    this.restart(this.head)
  }

  /** The entries after a place, at most `max`, and the place behind them; undefined when it is not in the ring. */
  after(
    cursor: RingCursor,
    max: number,
  ): { readonly entries: readonly StreamEntry[]; readonly cursor: RingCursor } | undefined {
    const next =
      cursor.lap === this.#lap && cursor.next >= this.#first ? cursor.next : this.#find(cursor.position)
    if (next === undefined) return undefined
    const begin = next - this.#first
    const entries = this.#entries.slice(begin, begin + max)
    const position = entries.at(-1) ?? cursor.position
    return { entries, cursor: { position, lap: this.#lap, next: next + entries.length } }
  }

  /** The part of a block behind the head, nothing if all of it is known, undefined if it does not fit. */
  #unknownOf(entries: readonly StreamEntry[]): readonly StreamEntry[] | undefined {
    const last = entries.at(-1)
    if (last === undefined || this.#find(last) !== undefined) return []
    const overlap = entries.findIndex((entry) => isSamePosition(entry, this.head))
    return overlap < 0 ? undefined : entries.slice(overlap + 1)
  }

  /** The number of the entry that follows a position. */
  #find(position: EventPosition): number | undefined {
    if (isSamePosition(position, this.#base)) return this.#first
    let low = 0
    let high = this.#entries.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const entry = this.#entries[middle]
      if (entry === undefined) return undefined
      const order = compareStreamIds(entry.streamId, position.streamId)
      if (order === 0) return entry.eventId === position.eventId ? this.#first + middle + 1 : undefined
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return undefined
  }

  #shrink(): void {
    const { entriesMax, lengthMax } = this.#bounds
    // A quarter above its bounds it is cut back to them, so that cutting costs little per entry.
    if (this.#entries.length <= entriesMax * 1.25 && this.#length <= lengthMax * 1.25) return
    let count = 0
    let length = this.#length
    while (this.#entries.length - count > entriesMax || length > lengthMax) {
      length -= this.#entries[count]?.text.length ?? 0
      count += 1
    }
    const last = this.#entries[count - 1]
    if (last === undefined) return
    this.#entries.splice(0, count)
    this.#base = last
    this.#first += count
    this.#length = length
  }
}
