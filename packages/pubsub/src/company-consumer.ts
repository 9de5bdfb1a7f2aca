/**
 * One company's events for one durable group: taken while this process holds the company's lease, handled in order.
 *
 * Events of the database's log carry their position as id, so a step from one to the next but one is a gap, whoever
 * lost the rest; it is filled from the log before the later event is handled.
 */

import { systemRandom, tellFailure, type Timer } from '@kerp/core'
import type { ConsumerParts } from './consumer-options.js'
import type { EntryHandler } from './entry-handler.js'
import { encodeCommitted } from './envelope.js'
import { isMark } from './event-block.js'
import type { EventSchemas } from './event-map.js'
import { keepLease } from './keep-lease.lua.js'
import { takeEvents, type TakenEntry } from './take-events.lua.js'

const POSITION = /^[1-9]\d*$/

/** Events of one page of the log. */
const LOG_PAGE = 200

/** Works for one company, under a name of its own: two of one process never hold the company's lease together. */
export class CompanyConsumer<S extends EventSchemas> {
  readonly companyId: string
  readonly #parts: ConsumerParts<S>
  readonly #handler: EntryHandler<S>
  readonly #owner = systemRandom.hex(8)
  readonly #closing: AbortSignal
  #working: Promise<void> | undefined
  #isPoked = false
  #isStopped = false
  /** Of the last event of the log that was dealt with; undefined when this process knows of none. */
  #position: bigint | undefined
  /** The history that it belongs to, if that was said. */
  #epoch = ''
  #leaseUntilMs = 0

  constructor(parts: ConsumerParts<S>, companyId: string, handler: EntryHandler<S>, closing: AbortSignal) {
    this.#parts = parts
    this.companyId = companyId
    this.#handler = handler
    this.#closing = closing
  }

  /** Settles when nothing is left to do, or another process does it. Never rejects. */
  work(): Promise<void> {
    this.#isPoked = true
    this.#working ??= this.#run().finally(() => this.#ended())
    return this.#working
  }

  /** Begins nothing more; what was taken and not begun is given back. */
  stop(): void {
    this.#isStopped = true
  }

  /** Settles when what runs now has ended. */
  settled(): Promise<void> {
    return this.#working ?? Promise.resolve()
  }

  /** A call that came after the last look, and before anybody knew that it was the last, has its own. */
  #ended(): Promise<void> | undefined {
    this.#working = undefined
    return this.#isWanted() ? this.work() : undefined
  }

  #isWanted(): boolean {
    return this.#isPoked && !this.#isStopped && !this.#closing.aborted
  }

  async #run(): Promise<void> {
    while (this.#isWanted()) {
      this.#isPoked = false
      let keeper: Timer | undefined
      try {
        keeper = this.#keepLease()
        await this.#takeAll()
      } catch (error) {
        // Whatever was not finished stays pending; the next look goes on with it.
        tellFailure(this.#parts.observer, 'consumer', error)
        await this.#giveBack()
      } finally {
        keeper?.cancel()
      }
    }
  }

  async #takeAll(): Promise<void> {
    let after = ''
    for (;;) {
      const taken = await this.#take(after)
      if ('gone' in taken && taken.gone > 0) this.#parts.observer.eventTrimmedUnread?.({ count: taken.gone })
      if (taken.status === 'held' || taken.status === 'empty') return
      if (taken.status === 'created') {
        // New, or lost by Redis with all that was in it: the log has what this group did not see.
        if (!(await this.#readLog(undefined))) return this.#giveBack()
        after = ''
        continue
      }
      if (!(await this.#handleAll(taken.entries))) return this.#giveBack()
      after = taken.next
    }
  }

  #take(after: string) {
    const { redis, keys, group, leaseMs, batchMax, from, observer, clock } = this.#parts
    const { companyId } = this
    const isKnown = this.#position !== undefined || from === 'beginning'
    const begunMs = clock.monotonicMs()
    const call = takeEvents.run(
      redis,
      { stream: keys.eventsStream(companyId), lease: keys.eventsConsumer({ companyId, group }) },
      {
        group,
        owner: this.#owner,
        leaseMs: String(leaseMs),
        count: String(batchMax),
        from: isKnown ? '0' : '$',
        after,
      },
      { observer },
    )
    return call.then((reply) => {
      this.#leaseUntilMs = begunMs + leaseMs
      return reply
    })
  }

  /** True when all were dealt with. */
  async #handleAll(entries: readonly TakenEntry[]): Promise<boolean> {
    const acks: Promise<void>[] = []
    let isDone = true
    for (const entry of entries) {
      isDone = await this.#handle(entry, acks)
      if (!isDone) break
    }
    await Promise.all(acks)
    return isDone
  }

  async #handle(entry: TakenEntry, acks: Promise<void>[]): Promise<boolean> {
    const target = logPositionOf(entry)
    if (target !== undefined && !(await this.#closeGap(entry, target))) return false
    const isEvent = !isMark(entry)
    const isAgain =
      isEvent && target !== undefined && this.#position !== undefined && target <= this.#position
    if (isAgain) this.#parts.observer.eventDeliver?.({ reader: 'consumer', result: 'duplicate', count: 1 })
    if (isEvent && !isAgain) {
      const end = await this.#handler.handle(this.companyId, entry, () => this.#mayGoOn())
      if (end === 'left') return false
      if (target !== undefined) this.#position = target
      if (end === 'dead') return true
    }
    // An acknowledgement that is lost has the event offered again, which its handler must bear.
    acks.push(this.#handler.ack(this.companyId, entry.streamId).catch(() => undefined))
    return true
  }

  async #closeGap(entry: TakenEntry, target: bigint): Promise<boolean> {
    const before = isMark(entry) ? target : target - 1n
    if (this.#position !== undefined && before > this.#position) return this.#readLog(before)
    if (!isMark(entry)) return true
    // A mark of another history: the database went back, and gives these positions to other events.
    const [, , epoch = ''] = entry.text.split('|')
    if (epoch !== this.#epoch && this.#position !== undefined && target < this.#position)
      this.#position = target
    this.#epoch = epoch
    return true
  }

  /** Handles events of the log behind the last one, up to a position or to its end; false when it was stopped. */
  async #readLog(upTo: bigint | undefined): Promise<boolean> {
    const { source, from, observer } = this.#parts
    if (source === undefined || (this.#position === undefined && from === 'now')) return true
    let filled = 0
    for (;;) {
      const after = this.#position ?? 0n
      if (upTo !== undefined && after >= upTo) break
      const page = await source.read({ companyId: this.companyId, after: String(after), limit: LOG_PAGE })
      this.#epoch = page.epoch
      if (BigInt(page.trimmedTo) > after) observer.eventReset?.({ reason: 'trimmed' })
      for (const event of page.events) {
        const position = BigInt(event.position)
        if (upTo !== undefined && position > upTo) break
        const { text } = encodeCommitted(event)
        const entry = { streamId: '', eventId: event.position, text, deliveries: 1 }
        if ((await this.#handler.handle(this.companyId, entry, () => this.#mayGoOn())) === 'left')
          return false
        this.#position = position
        filled += 1
      }
      if (page.events.length < LOG_PAGE) break
    }
    if (filled > 0) observer.eventGap?.({ reader: 'consumer', filled })
    return true
  }

  #mayGoOn(): boolean {
    return !this.#isStopped && this.#parts.clock.monotonicMs() < this.#leaseUntilMs
  }

  /** Prolongs the lease while there is work, again and again. */
  #keepLease(): Timer {
    const { clock, leaseMs } = this.#parts
    let timer: Timer
    const arm = (): Timer =>
      clock.setTimer(leaseMs / 3, () => {
        timer = arm()
        void this.#prolong()
      })
    timer = arm()
    return { cancel: () => timer.cancel() }
  }

  async #prolong(): Promise<void> {
    const { clock, leaseMs } = this.#parts
    const begunMs = clock.monotonicMs()
    const isKept = await this.#callKeep(String(leaseMs))
    if (isKept === true) this.#leaseUntilMs = begunMs + leaseMs
    if (isKept === false) this.#leaseUntilMs = 0
  }

  async #giveBack(): Promise<void> {
    this.#leaseUntilMs = 0
    await this.#callKeep('')
  }

  /** Undefined when Redis did not say. */
  #callKeep(leaseMs: string): Promise<boolean | undefined> {
    const { redis, keys, group, observer } = this.#parts
    const lease = keys.eventsConsumer({ companyId: this.companyId, group })
    const call = keepLease.run(
      redis,
      { lease },
      { owner: this.#owner, leaseMs },
      { observer, effect: 'idempotent' },
    )
    return call.catch(() => undefined)
  }
}

/** Of an event of the log its position; of a relay's mark the position behind which events go on. */
function logPositionOf({ eventId, text }: TakenEntry): bigint | undefined {
  if (POSITION.test(eventId)) return BigInt(eventId)
  if (!eventId.startsWith('@')) return undefined
  const [, , , position = ''] = text.split('|')
  return /^\d+$/.test(position) ? BigInt(position) : undefined
}
