/**
 * One company's events as they come in over the line: kept in a ring, checked against the stream's end each second.
 *
 * It never runs handlers; who waits is woken and reads the ring by itself.
 */

import { tellFailure } from '@kerp/core'
import { ChannelLine } from './channel-line.js'
import { parseBlock, relayMarkOf, type StreamEntry } from './event-block.js'
import { type EventPosition, isSamePosition } from './event-position.js'
import { EventRing, type RingCursor } from './event-ring.js'
import { readEntries } from './read-entries.js'
import type { SubscriberParts } from './subscriber-options.js'
import type { StreamEnd } from './tail-reader.js'

/** How long a message may be on its way after the stream's end was read, in ms. */
const IN_FLIGHT_MS = 100

/** What is known of a company's stream. */
export class CompanyFeed {
  readonly companyId: string
  readonly #parts: SubscriberParts
  readonly #line: ChannelLine
  readonly #leave: () => void
  #ring: EventRing | undefined
  #history: string | undefined
  #changed: (() => void)[] = []
  #heardBefore = -1
  #isClosed = false

  constructor(parts: SubscriberParts, companyId: string) {
    this.companyId = companyId
    this.#parts = parts
    this.#line = ChannelLine.of(parts)
    this.#leave = this.#line.listen(parts.keys.eventsChannel(companyId), {
      heard: (message) => this.#hear(message),
      listening: () => void this.checkTail(0),
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The end of what came in; undefined until the channel is subscribed and the stream's end was read. */
  get head(): EventPosition | undefined {
    return this.#ring?.head
  }

  /** The history of the database that events of its log belong to at `head`; undefined while that is not certain. */
  get history(): string | undefined {
    return this.#history
  }

  /** See `EventRing.after`. */
  after(cursor: RingCursor, max: number) {
    return this.#ring?.after(cursor, max)
  }

  /** Settles when something may have changed. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve))
  }

  /** The stream's entries: see `readEntries`. */
  read(from: EventPosition, count: number): Promise<readonly StreamEntry[]> {
    return readEntries(this.#parts, this.#parts.keys.eventsStream(this.companyId), from, count)
  }

  /** Where the stream ends, by its watermark. */
  tail(): Promise<StreamEnd> {
    return this.#parts.tails.read(this.companyId)
  }

  /**
   * Compares with the stream's end. What is missing `graceMs` later was not heard: the ring begins anew there, and
   * whoever is behind reads the stream. Never throws.
   */
  async checkTail(graceMs = IN_FLIGHT_MS): Promise<void> {
    try {
      const end = await this.tail()
      if (this.#isClosed) return
      const { head } = this
      if (head === undefined) {
        this.#ring = new EventRing(this.#parts.ring, end.tail, this.#parts.budget)
        this.#history = end.history
        this.wake()
        return
      }
      this.#learnHistory(end)
      if (isSamePosition(head, end.tail)) return
      this.#parts.clock.setTimer(graceMs, () => this.#restartIfUnheard(head, end))
    } catch (error) {
      tellFailure(this.#parts.observer, 'events', error)
    }
  }

  /** Hears no more, and wakes all who wait. */
  close(): void {
    this.#isClosed = true
    this.#leave()
    if (this.#ring !== undefined) this.#parts.budget.release(this.#ring)
    this.wake()
  }

  #hear(message: string): void {
    const block = parseBlock(message)
    if (block === undefined) {
      this.#parts.observer.eventDeliver?.({ reader: 'subscriber', result: 'invalid', count: 1 })
      return
    }
    this.#ring ??= new EventRing(this.#parts.ring, block.prev, this.#parts.budget)
    const fresh = this.#ring.hear(block)
    if (fresh === undefined) return
    // What does not follow begins anew, in a history that only a mark or the stream's end can tell.
    if (!fresh.follows) this.#history = undefined
    this.#history = historyBehind(fresh.entries, this.#history)
    this.wake()
  }

  /** From the stream's end, where that is among what was heard. */
  #learnHistory({ tail, history }: StreamEnd): void {
    if (this.#history !== undefined || history === undefined) return
    const heard = this.#ring?.after({ position: tail, lap: -1, next: 0 }, Infinity)
    if (heard !== undefined) this.#history = historyBehind(heard.entries, history)
  }

  #restartIfUnheard(head: EventPosition, end: StreamEnd): void {
    if (this.#isClosed) return
    if (this.#ring?.head !== head) {
      this.#learnHistory(end)
      return
    }
    this.#ring.restart(end.tail)
    this.#history = end.history
    // Twice in a row without a single message on the whole line: the connection is open and deaf.
    if (this.#heardBefore === this.#line.heard) this.#line.reconnect()
    this.#heardBefore = this.#line.heard
    this.wake()
  }

  /** Wakes all who wait. */
  wake(): void {
    const waiting = this.#changed
    this.#changed = []
    for (const wake of waiting) wake()
  }
}

/** The history of the database behind entries that begin in `history`. */
function historyBehind(entries: readonly StreamEntry[], history: string | undefined): string | undefined {
  return entries.reduce((known, entry) => relayMarkOf(entry)?.epoch ?? known, history)
}
