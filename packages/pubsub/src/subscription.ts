/**
 * One subscription: a place in a company's stream that moves on by itself, as fast as its handler lets it.
 *
 * While the ring holds what comes next it is read there; else the stream is read from the subscription's own place.
 * A place that is no longer in the stream has no next event: then, and only then, the handler is reset.
 */

import { type Closable, closeOnce, jitteredBackoffMs, sleep } from '@kerp/core'
import type { CompanyFeed } from './company-feed.js'
import type { AnyEvent } from './envelope.js'
import { isMark, relayMarkOf, type StreamEntry } from './event-block.js'
import type { EventDecoder } from './event-decoder.js'
import type { EventSchemas, EventType } from './event-map.js'
import { compareStreamIds, type EventPosition, isSamePosition, ORIGIN } from './event-position.js'
import type { RingCursor } from './event-ring.js'
import { handleTraced } from './event-traces.js'
import type { SubscriberParts } from './subscriber-options.js'

/** Events that follow each other without a gap: `from` of a batch is `to` of the one before it. */
export interface EventBatch<S extends EventSchemas> {
  readonly companyId: string
  readonly from: EventPosition
  readonly to: EventPosition
  /**
   * The history of the database that `position` of these events belongs to; undefined while the subscription is not
   * certain of it, for a second at most while it is at the end of its stream.
   */
  readonly history?: string | undefined
  readonly events: readonly AnyEvent<S>[]
}

/** Why a subscription had to begin anew, and after which place events go on. */
export interface SubscriptionReset {
  readonly companyId: string
  readonly reason: 'trimmed' | 'lost' | 'mark'
  readonly position: EventPosition
}

/** What is called with events. A promise is waited for; whatever is thrown is counted and told as a notice. */
export interface EventHandlers<S extends EventSchemas> {
  onEvents(batch: EventBatch<S>): unknown
  /** Some events will not come: take a snapshot now; what follows comes after `position`. */
  readonly onReset?: ((reset: SubscriptionReset) => unknown) | undefined
}

/** Where a subscription begins. A position is one that a batch named before. */
export type SubscribeFrom = 'now' | 'beginning' | EventPosition

/** What a subscription is of. */
export interface SubscriptionParts<S extends EventSchemas> {
  readonly parts: SubscriberParts
  readonly feed: CompanyFeed
  readonly decoder: EventDecoder<S>
  /** Whether others read the same entries. */
  readonly isShared: () => boolean
  readonly types: ReadonlySet<EventType<S>> | undefined
  readonly from: SubscribeFrom
  readonly handlers: EventHandlers<S>
  readonly onHandlerError: (companyId: string, error: unknown) => void
  readonly onEnd: () => void
}

/** An open subscription. */
export class Subscription<S extends EventSchemas> implements Closable {
  /** Ends after the call of the handler that runs now; a handler must not wait for it. */
  readonly close = closeOnce(() => this.#end())
  /** Settles when the subscription knows its place: what is published from then on is not missed. Never rejects. */
  readonly started: Promise<void>
  readonly #of: SubscriptionParts<S>
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #cursor: RingCursor = { position: ORIGIN, lap: -1, next: 0 }
  #toldUpTo: EventPosition = ORIGIN
  /** The history of the database at the cursor. */
  #history: string | undefined
  /** The first page of `beginning` may begin anywhere; everything after it must follow. */
  #isAnyStart = false
  /** Whether it was at the stream's end before, so that what it reads there now is a gap. */
  #isLive = false
  #failures = 0
  #filled = 0

  constructor(of: SubscriptionParts<S>) {
    this.#of = of
    let start: () => void = () => undefined
    this.started = new Promise((resolve) => (start = resolve))
    this.#running = this.#run(start)
  }

  /** Behind the last entry that was handed to the handler. */
  get position(): EventPosition {
    return this.#cursor.position
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(start: () => void): Promise<void> {
    await this.#begin()
    start()
    while (!this.#isClosing()) {
      try {
        await this.#step()
        this.#failures = 0
      } catch {
        // Redis did not answer, which the observer heard of; the place is kept.
        this.#failures += 1
        const waitMs = jitteredBackoffMs(this.#failures, { backoffMs: 20, backoffMsMax: 1_000 })
        await sleep(this.#of.parts.clock, 1 + waitMs, this.#closing.signal).catch(() => undefined)
      }
    }
  }

  async #begin(): Promise<void> {
    const { feed, from } = this.#of
    if (typeof from === 'object') {
      this.#moveTo(from)
      return
    }
    while (feed.head === undefined && !this.#isClosing()) await feed.changed()
    this.#isAnyStart = from === 'beginning'
    this.#moveTo(from === 'now' ? (feed.head ?? ORIGIN) : ORIGIN)
  }

  /** Where it stands at the end of what came in, it is in the same history. */
  #learnHistory(): void {
    const { head, history } = this.#of.feed
    if (history === undefined || head === undefined || !isSamePosition(head, this.#cursor.position)) return
    this.#history = history
  }

  async #step(): Promise<void> {
    const { feed, parts } = this.#of
    this.#learnHistory()
    const near = this.#isAnyStart ? undefined : feed.after(this.#cursor, parts.batchMax)
    if (near === undefined) {
      await this.#readStream()
    } else if (near.entries.length === 0) {
      this.#cursor = near.cursor
      this.#isLive = true
      this.#tellFilled()
      await feed.changed()
    } else {
      await this.#deliver(near.entries)
      if (isSamePosition(this.#cursor.position, near.cursor.position)) this.#cursor = near.cursor
    }
  }

  /** Reads on from the subscription's own place, if that is still there. */
  async #readStream(): Promise<void> {
    const { feed, parts } = this.#of
    const { position } = this.#cursor
    // Its own place comes with what follows it, also when a handler gets one event at once.
    const own = isSamePosition(position, ORIGIN) ? 0 : 1
    const entries = await feed.read(position, own + parts.batchMax)
    if (this.#isClosing()) return
    const follows = isSamePosition(position, ORIGIN)
      ? this.#fromOrigin(entries)
      : this.#behind(position, entries)
    this.#isAnyStart = false
    if (follows === undefined) {
      await this.#reset(isTrimmed(position, entries) ? 'trimmed' : 'lost')
    } else if (follows.length > 0) {
      if (this.#isLive) this.#filled += follows.length
      await this.#deliver(follows)
    } else if (feed.after(this.#cursor, 1) === undefined) {
      // All is read, and the ring is elsewhere: the next message or check brings them together.
      await feed.changed()
    }
  }

  #fromOrigin(entries: readonly StreamEntry[]): readonly StreamEntry[] | undefined {
    const [first] = entries
    return first === undefined || first.eventId === '@start' || this.#isAnyStart ? entries : undefined
  }

  #behind(position: EventPosition, entries: readonly StreamEntry[]): readonly StreamEntry[] | undefined {
    const [first, ...follows] = entries
    return first !== undefined && isSamePosition(first, position) ? follows : undefined
  }

  async #deliver(entries: readonly StreamEntry[]): Promise<void> {
    const mark = entries.findIndex(({ eventId }) => eventId === '@reset')
    const events = mark < 0 ? entries : entries.slice(0, mark)
    await this.#hand(events)
    const at = entries[mark]
    if (at === undefined || this.#isClosing()) return
    this.#moveTo(at)
    this.#history = relayMarkOf(at)?.epoch
    await this.#tellReset('mark')
  }

  async #hand(entries: readonly StreamEntry[]): Promise<void> {
    const to = entries.at(-1)
    if (to === undefined) return
    const { decoder, types, feed, handlers, parts } = this.#of
    const isShared = this.#of.isShared()
    const events: AnyEvent<S>[] = []
    for (const entry of entries) {
      this.#history = relayMarkOf(entry)?.epoch ?? this.#history
      const event = isMark(entry) ? undefined : decoder.decode(feed.companyId, entry, isShared)
      if (event !== undefined && (types === undefined || types.has(event.type))) events.push(event)
    }
    this.#cursor = { ...this.#cursor, position: to, lap: -1 }
    if (events.length === 0) return
    const from = this.#toldUpTo
    this.#toldUpTo = to
    this.#observeLag(events.at(-1))
    const ok = await this.#call(() =>
      handleTraced(parts.tracing, events, () =>
        handlers.onEvents({ companyId: feed.companyId, from, to, history: this.#history, events }),
      ),
    )
    const result = ok ? 'handled' : 'failed'
    parts.observer.eventDeliver?.({ reader: 'subscriber', result, count: events.length })
  }

  async #reset(reason: 'trimmed' | 'lost'): Promise<void> {
    // First the place, then the snapshot that the handler takes: so nothing falls between them.
    const { tail, history } = await this.#of.feed.tail()
    this.#moveTo(tail)
    this.#history = history
    await this.#tellReset(reason)
  }

  async #tellReset(reason: SubscriptionReset['reason']): Promise<void> {
    const { feed, handlers, parts } = this.#of
    this.#filled = 0
    parts.observer.eventReset?.({ reason })
    const { position } = this.#cursor
    await this.#call(() => handlers.onReset?.({ companyId: feed.companyId, reason, position }))
  }

  async #call(handle: () => unknown): Promise<boolean> {
    try {
      const answer = handle()
      if (answer instanceof Promise) await answer
      return true
    } catch (error) {
      this.#of.onHandlerError(this.#of.feed.companyId, error)
      return false
    }
  }

  #moveTo(position: EventPosition): void {
    const { streamId, eventId } = position
    this.#cursor = { position: { streamId, eventId }, lap: -1, next: 0 }
    this.#toldUpTo = this.#cursor.position
  }

  #tellFilled(): void {
    if (this.#filled > 0) this.#of.parts.observer.eventGap?.({ reader: 'subscriber', filled: this.#filled })
    this.#filled = 0
  }

  #observeLag(event: AnyEvent<S> | undefined): void {
    const { observer, clock } = this.#of.parts
    if (observer.eventLag === undefined || event === undefined) return
    observer.eventLag({
      reader: 'subscriber',
      lagMs: Math.max(0, clock.nowMs() - Date.parse(event.timestamp)),
    })
  }

  #isClosing(): boolean {
    return this.#closing.signal.aborted
  }

  async #end(): Promise<void> {
    this.#closing.abort()
    this.#of.feed.wake()
    this.#of.onEnd()
    await this.#running
  }
}

/** Whether the stream begins behind a place: then it was cut, else it is another one. */
function isTrimmed(position: EventPosition, entries: readonly StreamEntry[]): boolean {
  const [first] = entries
  return first !== undefined && compareStreamIds(first.streamId, position.streamId) > 0
}
