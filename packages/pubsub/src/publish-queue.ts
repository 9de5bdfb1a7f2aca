/**
 * Events of one company on their way: what is published in one tick, or while a call is on its way, shares the next.
 *
 * One call at a time, so that a company's events keep their order also when one call fails.
 */

import { DeadlineExceededError } from '@kerp/core'
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
  #waiting: WaitingEvent[] = []

  constructor(parts: PublisherParts<S>, companyId: string, onIdle: () => void) {
    this.#parts = parts
    this.#companyId = companyId
    this.#onIdle = onIdle
    queueMicrotask(() => void this.#run())
  }

  add(waiting: WaitingEvent): void {
    this.#waiting.push(waiting)
  }

  async #run(): Promise<void> {
    let at = 0
    for (;;) {
      // Taken from the front without moving the rest for every call.
      if (at >= this.#waiting.length) break
      const batch = this.#batchAt(at)
      at += batch.length
      if (at > COMPACT_AT) {
        this.#waiting = this.#waiting.slice(at)
        at = 0
      }
      await this.#send(this.#inTime(batch))
    }
    this.#onIdle()
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

  async #send(batch: readonly WaitingEvent[]): Promise<void> {
    if (batch.length === 0) return
    const { redis, keys, observer, deadlineMs, seenMax, seenMs } = this.#parts
    const moreArgs: string[] = []
    for (const { event } of batch) moreArgs.push(event.id, event.text)
    try {
      const reply = await publishEvents.run(
        redis,
        eventKeys(keys, this.#companyId),
        { epoch: '', from: '', to: '', seenMax, seenMs, channel: keys.eventsChannel(this.#companyId) },
        { moreArgs, observer, deadlineMs },
      )
      const isDuplicate = reply.status === 'published' ? reply.isDuplicate : []
      batch.forEach(({ event, settle }, index) => {
        const result = isDuplicate[index] === true ? 'duplicate' : 'published'
        observer.eventPublish?.({ type: event.type, result, count: 1 })
        settle(undefined)
      })
      if (reply.status === 'published') {
        void trimWhenLong(this.#parts, this.#companyId, reply.length, batch.length)
      }
    } catch (error) {
      for (const waiting of batch) this.#fail(waiting, error)
    }
  }

  #fail({ event, settle }: WaitingEvent, cause: unknown): void {
    this.#parts.observer.eventPublish?.({ type: event.type, result: 'failed', count: 1 })
    settle(new EventNotPublishedError(event.id, cause))
  }
}

/** Events that were sent stay in the list until so many of them can be let go at once. */
const COMPACT_AT = 1_024
