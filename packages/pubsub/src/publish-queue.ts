/**
 * Events of one company on their way: what is published in one tick, or while a call is on its way, shares the next.
 *
 * Several calls are on their way only when each is full, and one at a time until the server is known to hold the
 * script: a script that is sent whole, after later calls, would turn their order round.
 */

import { DeadlineExceededError } from '@kerp/core'
import type { OutgoingEvent } from './envelope.js'
import type { EventSchemas } from './event-map.js'
import type { CompanyRegistry } from './company-registry.js'
import { eventArgs, publishEvents, type PublishReply } from './publish-events.lua.js'
import { CALL_LENGTH_MAX, eventKeys, EVENTS_PER_CALL_MAX } from './publish-relayed.js'
import type { PublisherParts } from './publisher-options.js'
import { trimWhenLong } from './trim-stream.js'

/** Who published an event: told once for each, with the reason when it is not known to be in its stream. */
export interface EventOwner {
  settle(event: OutgoingEvent, failure?: { readonly cause: unknown }): void
}

/** An event that waits for its call. */
export interface WaitingEvent {
  readonly event: OutgoingEvent
  readonly sinceMs: number
  readonly owner: EventOwner
}

/** What the queues of a publisher have together. */
export interface PublishShared {
  /** Whether the server is known to hold the script. */
  isScriptHeld: boolean
  /** Queues that wait while one finds that out, so that not each company's call sends the script; undefined while none does. */
  waiting: Set<() => void> | undefined
  readonly registry: CompanyRegistry
}

/** Full calls of one company that are on their way at once. */
const CALLS_MAX = 8

/** Events that were sent stay in the list until so many of them can be let go at once. */
const COMPACT_AT = 1_024

/** Sends the events of one company. `onIdle` is called when nothing is left. */
export class PublishQueue<S extends EventSchemas> {
  readonly #parts: PublisherParts<S>
  readonly #shared: PublishShared
  readonly #companyId: string
  readonly #onIdle: () => void
  readonly #keys: ReturnType<typeof eventKeys>
  readonly #channel: string
  #waiting: WaitingEvent[] = []
  /** Where the events begin that were not sent; those before go when they are many, not with every call. */
  #at = 0
  #calls = 0

  constructor(parts: PublisherParts<S>, shared: PublishShared, companyId: string, onIdle: () => void) {
    this.#parts = parts
    this.#shared = shared
    this.#companyId = companyId
    this.#onIdle = onIdle
    this.#keys = eventKeys(parts.keys, companyId)
    this.#channel = parts.keys.eventsChannel(companyId)
    queueMicrotask(() => this.#pump())
  }

  add(waiting: WaitingEvent): void {
    this.#waiting.push(waiting)
    if (this.#calls > 0 && this.#isFull()) this.#pump()
  }

  #pump(): void {
    const { isScriptHeld, waiting } = this.#shared
    if (!isScriptHeld && waiting !== undefined && this.#calls === 0) waiting.add(this.#send)
    else this.#send()
  }

  readonly #send = (): void => {
    const callsMax = this.#shared.isScriptHeld ? CALLS_MAX : 1
    while (this.#at < this.#waiting.length && this.#calls < callsMax) {
      if (this.#calls > 0 && !this.#isFull()) return
      this.#calls += 1
      void this.#call(this.#inTime(this.#take())).then(() => {
        this.#calls -= 1
        this.#pump()
      })
    }
    if (this.#calls === 0 && this.#at >= this.#waiting.length) this.#onIdle()
  }

  async #call(batch: readonly WaitingEvent[]): Promise<void> {
    if (batch.length === 0) return
    const shared = this.#shared
    const isFirst = !shared.isScriptHeld && shared.waiting === undefined
    if (isFirst) shared.waiting = new Set()
    shared.isScriptHeld = await this.#publish(batch)
    if (!isFirst) return
    const { waiting } = shared
    shared.waiting = undefined
    for (const send of waiting ?? []) send()
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

  /** Ends before an id that it has: the script judges by ids that were there before its call. */
  #batchAt(begin: number): readonly WaitingEvent[] {
    const ids = new Set<string>()
    let length = 0
    for (let at = begin; at < this.#waiting.length && ids.size < EVENTS_PER_CALL_MAX; at += 1) {
      const event = this.#waiting[at]?.event
      if (event === undefined || ids.has(event.id)) break
      length += event.text.length
      if (ids.size > 0 && length > CALL_LENGTH_MAX) break
      ids.add(event.id)
    }
    return this.#waiting.slice(begin, begin + ids.size)
  }

  /** Those that waited too long end here, certainly not done; the others go on. */
  #inTime(batch: readonly WaitingEvent[]): readonly WaitingEvent[] {
    const { clock, deadlineMs } = this.#parts
    const latestMs = clock.monotonicMs() - deadlineMs
    if ((batch[0]?.sinceMs ?? latestMs) >= latestMs) return batch
    const late = batch.filter(({ sinceMs }) => sinceMs < latestMs)
    this.#fail(late, new DeadlineExceededError('publish', deadlineMs, 'notDone'))
    return batch.filter(({ sinceMs }) => sinceMs >= latestMs)
  }

  async #publish(batch: readonly WaitingEvent[]): Promise<boolean> {
    const { redis, observer, deadlineMs, seenMax, seenMs, tell } = this.#parts
    this.#shared.registry.note(this.#companyId)
    const count = String(batch.length)
    try {
      const reply = await publishEvents.run(
        redis,
        this.#keys,
        { epoch: '', from: '', to: '', seenMax, seenMs, tell, channel: this.#channel, count },
        { moreArgs: eventArgs(batch.map(({ event }) => event)), observer, deadlineMs },
      )
      observer.companyWork?.({ companyId: this.#companyId, work: 'event', count: batch.length })
      if (reply.status === 'published') this.#published(batch, reply)
      return true
    } catch (error) {
      this.#fail(batch, error)
      return false
    }
  }

  #published(
    batch: readonly WaitingEvent[],
    reply: Extract<PublishReply, { readonly status: 'published' }>,
  ): void {
    if (reply.isStart) this.#shared.registry.again(this.#companyId)
    const again = new Set(reply.duplicates)
    const isAgain = (_: WaitingEvent, index: number): boolean => again.has(index + 1)
    this.#observe(again.size === 0 ? batch : batch.filter((event, at) => !isAgain(event, at)), 'published')
    this.#observe(again.size === 0 ? [] : batch.filter(isAgain), 'duplicate')
    for (const { owner, event } of batch) owner.settle(event)
    void trimWhenLong(this.#parts, this.#companyId, reply.length, batch.length)
  }

  #fail(batch: readonly WaitingEvent[], cause: unknown): void {
    this.#observe(batch, 'failed')
    for (const { owner, event } of batch) owner.settle(event, { cause })
  }

  #observe(batch: readonly WaitingEvent[], result: 'published' | 'duplicate' | 'failed'): void {
    const { observer } = this.#parts
    if (observer.eventPublish === undefined) return
    const counts = new Map<string, number>()
    for (const { event } of batch) counts.set(event.type, (counts.get(event.type) ?? 0) + 1)
    for (const [type, count] of counts) observer.eventPublish({ type, result, count })
  }
}
