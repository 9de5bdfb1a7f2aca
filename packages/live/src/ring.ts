/** The latest events of one company, encoded: what every client of the company reads from, each at its own place. */

import type { EncodedEvent } from './topics.js'

/** How much a ring keeps. */
export interface RingBounds {
  readonly eventsMax: number
  readonly bytesMax: number
}

/** Gaps at the front are closed when they are this long. */
const COMPACT_AT = 1_024

/**
 * Positions count events: the first one has position 1, and a reader at position p goes on with the event of p + 1.
 * The oldest events go when a bound is passed.
 */
export class LiveRing {
  readonly #bounds: RingBounds
  #events: (EncodedEvent | undefined)[] = []
  #gone = 0
  #bytes = 0
  #start: number

  constructor(bounds: RingBounds, start: number) {
    this.#bounds = bounds
    this.#start = start
  }

  /** The position before the oldest event: a reader that stands further back has lost some. */
  get start(): number {
    return this.#start
  }

  /** The position of the newest event. */
  get head(): number {
    return this.#start + this.#events.length - this.#gone
  }

  /** The event of a position, if it is here. */
  at(position: number): EncodedEvent | undefined {
    return position > this.#start ? this.#events[this.#gone + position - this.#start - 1] : undefined
  }

  /** Adds what follows the head. */
  append(event: EncodedEvent): void {
    this.#events.push(event)
    this.#bytes += event.bytes
    while (this.#bytes > this.#bounds.bytesMax || this.head - this.#start > this.#bounds.eventsMax) {
      if (this.head - this.#start <= 1) break
      this.#dropOldest()
    }
  }

  /** Adds what lies before the start; false, and nothing is added, if not all of it has room. */
  prepend(events: readonly EncodedEvent[]): boolean {
    const bytes = events.reduce((sum, event) => sum + event.bytes, 0)
    const kept = this.head - this.#start
    if (kept + events.length > this.#bounds.eventsMax || this.#bytes + bytes > this.#bounds.bytesMax)
      return false
    this.#events = [...events, ...this.#events.slice(this.#gone)]
    this.#gone = 0
    this.#start -= events.length
    this.#bytes += bytes
    return true
  }

  #dropOldest(): void {
    this.#bytes -= this.#events[this.#gone]?.bytes ?? 0
    this.#events[this.#gone] = undefined
    this.#gone += 1
    this.#start += 1
    if (this.#gone >= COMPACT_AT && this.#gone * 2 >= this.#events.length) {
      this.#events = this.#events.slice(this.#gone)
      this.#gone = 0
    }
  }
}
