/**
 * Events of one company on their way: what is published in one tick, or while a call is on its way, shares the next.
 *
 * Several calls are on their way only when each is full, and one at a time until the server is known to hold the
 * script: a script that is sent whole, after later calls, would turn their order round.
 */

import { combineObservers, DeadlineExceededError, type Observer } from '@kerp/core'
import type { OutgoingEvent } from './envelope.js'
import { EventNotPublishedError } from './errors.js'
import type { EventSchemas } from './event-map.js'
import { publishEvents } from './publish-events.lua.js'
import { CALL_LENGTH_MAX, eventKeys, EVENTS_PER_CALL_MAX } from './publish-relayed.js'
import type { PublisherParts } from './publisher-options.js'
import { trimWhenLong } from './trim-stream.js'

/** An event that waits for its call. */
export interface WaitingEvent {
  readonly event: OutgoingEvent
  readonly sinceMs: number
  readonly settle: (failure: EventNotPublishedError | undefined) => void
}

/** Sends the events of one company. `onIdle` is called when nothing is left. */
export class PublishQueue<S extends EventSchemas> {
  readonly #parts: PublisherParts<S>
  readonly #companyId: string
  readonly #onIdle: () => void
  readonly #observer: Observer
  #waiting: WaitingEvent[] = []
  /** Where the events begin that were not sent; those before go when they are many, not with every call. */
  #at = 0
  #calls = 0
  #callsMax = 1

  constructor(parts: PublisherParts<S>, companyId: string, onIdle: () => void) {
    this.#parts = parts
    this.#companyId = companyId
    this.#onIdle = onIdle
    this.#observer = combineObservers(parts.observer, { scriptFallback: () => (this.#callsMax = 1) })
    queueMicrotask(() => this.#pump())
  }

  add(waiting: WaitingEvent): void {
    this.#waiting.push(waiting)
    if (this.#calls > 0 && this.#isFull()) this.#pump()
  }

  #pump(): void {
    while (this.#at < this.#waiting.length && this.#calls < this.#callsMax) {
      if (this.#calls > 0 && !this.#isFull()) return
      this.#calls += 1
      void this.#send(this.#inTime(this.#take())).then((isDone) => {
        this.#calls -= 1
        this.#callsMax = isDone ? CALLS_MAX : 1
        this.#pump()
      })
    }
    if (this.#calls === 0 && this.#at >= this.#waiting.length) this.#onIdle()
  }

  #isFull(): boolean {
    return this.#waiting.length - this.#at >= EVENTS_PER_CALL_MAX
  }

  #take(): readonly WaitingEvent[] {
    const batch = this.#batchAt(this.#at)
    this.#at += batch.length
    if (this.#at > COMPACT_AT) {
      this.#waiting = this.#waiting.slice(this.#at)
      this.#at = 0
    }
    return batch
  }

  #batchAt(begin: number): readonly WaitingEvent[] {
    let end = begin
    let length = 0
    while (end < this.#waiting.length && end - begin < EVENTS_PER_CALL_MAX) {
      length += this.#waiting[end]?.event.text.length ?? 0
      if (end > begin && length > CALL_LENGTH_MAX) break
      end += 1
    }
    return this.#waiting.slice(begin, end)
  }

  /** Those that waited too long end here, certainly not done; the others go on. */
  #inTime(batch: readonly WaitingEvent[]): readonly WaitingEvent[] {
    const { clock, deadlineMs } = this.#parts
    const latestMs = clock.monotonicMs() - deadlineMs
    if ((batch[0]?.sinceMs ?? latestMs) >= latestMs) return batch
    return batch.filter((waiting) => {
      if (waiting.sinceMs >= latestMs) return true
      this.#fail(waiting, new DeadlineExceededError('publish', deadlineMs, 'notDone'))
      return false
    })
  }

  async #send(batch: readonly WaitingEvent[]): Promise<boolean> {
    if (batch.length === 0) return true
    const { redis, keys, observer, deadlineMs, seenMax, seenMs } = this.#parts
    const moreArgs: string[] = []
    for (const { event } of batch) moreArgs.push(event.id, event.text)
    try {
      const reply = await publishEvents.run(
        redis,
        eventKeys(keys, this.#companyId),
        { epoch: '', from: '', to: '', seenMax, seenMs, channel: keys.eventsChannel(this.#companyId) },
        { moreArgs, observer: this.#observer, deadlineMs },
      )
      observer.companyWork?.({ companyId: this.#companyId, work: 'event', count: batch.length })
      const isDuplicate = reply.status === 'published' ? reply.isDuplicate : []
      batch.forEach(({ event, settle }, index) => {
        const result = isDuplicate[index] === true ? 'duplicate' : 'published'
        observer.eventPublish?.({ type: event.type, result, count: 1 })
        settle(undefined)
      })
      if (reply.status === 'published') {
        void trimWhenLong(this.#parts, this.#companyId, reply.length, batch.length)
      }
      return true
    } catch (error) {
      for (const waiting of batch) this.#fail(waiting, error)
      return false
    }
  }

  #fail({ event, settle }: WaitingEvent, cause: unknown): void {
    this.#parts.observer.eventPublish?.({ type: event.type, result: 'failed', count: 1 })
    settle(new EventNotPublishedError(event.id, cause))
  }
}

/** Full calls of one company that are on their way at once. */
const CALLS_MAX = 8

/** Events that were sent stay in the list until so many of them can be let go at once. */
const COMPACT_AT = 1_024
