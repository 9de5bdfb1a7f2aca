/**
 * One company's events for one durable group: taken while this process holds the company's lease, handled in order.
 *
 * Events of the database's log name their position in it, so a step from one to the next but one is a gap, whoever lost
 * the rest; it is filled from the log before the later event is handled. How far the group is stands beside it in Redis,
 * and in the log: what was trimmed or lost while nobody of the group ran is a gap as well.
 */

import { type CommittedEvent, systemRandom, tellFailure, type Timer } from '@kerp/core'
import type { ConsumerParts } from './consumer-options.js'
import type { EntryHandler } from './entry-handler.js'
import { encodeCommitted, idOfEncoded, positionOfEncodedId } from './envelope.js'
import { isMark, type RelayMark, relayMarkOf } from './event-block.js'
import type { EventSchemas } from './event-map.js'
import { keepLease } from './keep-lease.lua.js'
import { notePlace } from './note-place.lua.js'
import { takeEvents, type TakenEntry, type TakenOver, type TakeReply } from './take-events.lua.js'

const PLACE = /^p1\|([^|]*)\|(\d+)\|/

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
  /** Of the last event of the log that was dealt with; undefined when nobody knows of one. */
  #position: bigint | undefined
  /** The history that it and the entries of the stream belong to, as marks tell; empty when nobody said. */
  #epoch = ''
  /** The history for which the place was compared with what the log remembers. */
  #comparedEpoch = ''
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
    let from = ''
    for (;;) {
      const taken = await this.#take(after, from)
      if (taken.status === 'held') return
      this.#takeOver(taken)
      if ('gone' in taken && taken.gone > 0) this.#parts.observer.eventTrimmedUnread?.({ count: taken.gone })
      if (taken.status === 'empty') {
        if (taken.epoch !== '') this.#epoch = taken.epoch
        return
      }
      if (taken.status === 'missing') {
        from = await this.#beginOfGroup()
        after = '0-0'
      } else if (taken.status === 'created') {
        if (!(await this.#begin(from, taken))) return this.#giveBack()
        after = ''
        from = ''
      } else {
        if (!(await this.#handleAll(taken.entries))) return this.#giveBack()
        after = taken.next
      }
    }
  }

  #take(after: string, from: string): Promise<TakeReply> {
    const { redis, group, leaseMs, batchMax, observer, clock, source, keys } = this.#parts
    const begunMs = clock.monotonicMs()
    const call = takeEvents.run(
      redis,
      { ...this.#keys(), watermark: keys.eventsWatermark(this.companyId) },
      {
        group,
        owner: this.#owner,
        leaseMs: String(leaseMs),
        count: String(batchMax),
        from,
        after,
        placed: source === undefined ? '' : '1',
      },
      { observer },
    )
    return call.then((reply) => {
      this.#leaseUntilMs = begunMs + leaseMs
      return reply
    })
  }

  /** Others of the group may have gone on since this process had the lease. */
  #takeOver({ place, done }: TakenOver): void {
    const [, epoch = '', position = ''] = PLACE.exec(place) ?? []
    if (position !== '') this.#reached(epoch, BigInt(position))
    const mark = relayMarkOf({ streamId: '', eventId: idOfEncoded(done), text: done })
    const event = positionOfEncodedId(idOfEncoded(done))
    if (mark !== undefined) this.#reached(mark.epoch, BigInt(mark.position))
    else if (event !== undefined) this.#reached(this.#epoch, BigInt(event))
  }

  /** Within a history a place moves on only; in another one it is where that one says. */
  #reached(epoch: string, position: bigint): void {
    const isSame = epoch === this.#epoch || epoch === '' || this.#epoch === ''
    if (!isSame || this.#position === undefined || position > this.#position) this.#position = position
    if (epoch !== '') this.#epoch = epoch
  }

  /** A group that Redis does not know is new, or was lost; then the log knows how far it was. */
  async #beginOfGroup(): Promise<'0' | '$'> {
    const { from, places } = this.#parts
    const remembered = await places.find(this.companyId)
    if (remembered !== undefined) this.#reached('', remembered)
    return this.#position !== undefined || from === 'beginning' ? '0' : '$'
  }

  /** Reads what the stream no longer has; false when it was stopped. */
  async #begin(
    from: string,
    { epoch, position }: Extract<TakeReply, { readonly status: 'created' }>,
  ): Promise<boolean> {
    if (this.#parts.source === undefined) return true
    if (from === '0') return this.#readLog(undefined)
    if (epoch !== '') this.#reached(epoch, BigInt(position))
    await this.#notePlace('')
    return true
  }

  /** True when all were dealt with. */
  async #handleAll(entries: readonly TakenEntry[]): Promise<boolean> {
    const acks: Promise<unknown>[] = []
    let isDone = true
    for (const entry of entries) {
      isDone = await this.#handle(entry, acks)
      if (!isDone) break
    }
    await Promise.all(acks)
    return isDone
  }

  async #handle(entry: TakenEntry, acks: Promise<unknown>[]): Promise<boolean> {
    const mark = relayMarkOf(entry)
    if (mark !== undefined) {
      if (!(await this.#meetMark(mark))) return false
      acks.push(this.#notePlace(entry.streamId))
      return true
    }
    const target = positionOfEncodedId(entry.eventId)
    const before = this.#position
    const standing = target === undefined ? 'beside' : await this.#approach(BigInt(target))
    if (standing === 'stopped') return false
    if (standing === 'behind') {
      this.#parts.observer.eventDeliver?.({ reader: 'consumer', result: 'duplicate', count: 1 })
    } else if (!isMark(entry)) {
      // A process that died while there was something before it has not begun it.
      const deliveries = this.#position === before ? entry.deliveries : 1
      const end = await this.#handler.handle(this.companyId, { ...entry, deliveries }, () => this.#mayGoOn())
      if (end === 'left') return false
      if (standing === 'next' && target !== undefined) this.#position = BigInt(target)
    }
    acks.push(standing === 'next' ? this.#notePlace(entry.streamId) : this.#ack(entry.streamId))
    return true
  }

  /**
   * Fills what the log has before an event of it. `behind`: it was dealt with before. `beside`: the log does not have it,
   * as its history has ended, or as an earlier version published an id of digits that somebody chose.
   */
  async #approach(target: bigint): Promise<'next' | 'behind' | 'beside' | 'stopped'> {
    if (this.#position !== undefined && target <= this.#position) return 'behind'
    const { source } = this.#parts
    if (source === undefined || target - 1n === this.#position) return 'next'
    const before = target - 1n
    if (this.#position !== undefined && !(await this.#readLog(before))) return 'stopped'
    const page = await source.read({ companyId: this.companyId, after: String(before), limit: 1 })
    const isThere = page.events[0]?.position === String(target) || BigInt(page.trimmedTo) >= target
    return isThere ? 'next' : 'beside'
  }

  /** Events go on behind its position: what the log has up to there, that itself included, is not in the stream. */
  async #meetMark({ epoch, position }: RelayMark): Promise<boolean> {
    const upTo = BigInt(position)
    if (this.#position !== undefined && upTo > this.#position && !(await this.#readLog(upTo))) return false
    // Of another history: the database went back, and gives these positions to other events.
    if (epoch !== this.#epoch || this.#position === undefined) this.#position = upTo
    this.#epoch = epoch
    return true
  }

  /** Handles events of the log behind the last one, up to a position or to its end; false when it was stopped. */
  async #readLog(upTo: bigint | undefined): Promise<boolean> {
    const { source, observer } = this.#parts
    if (source === undefined) return true
    let filled = 0
    for (;;) {
      const after = this.#position ?? 0n
      if (upTo !== undefined && after >= upTo) break
      const page = await source.read({ companyId: this.companyId, after: String(after), limit: LOG_PAGE })
      // Where a group begins, its place is one that the log remembers, or the log's begin.
      if (upTo === undefined && this.#epoch === '') this.#epoch = page.epoch
      if (await this.#isElsewhere(page.epoch)) continue
      const trimmedTo = BigInt(page.trimmedTo)
      if (trimmedTo > after) observer.eventReset?.({ reason: 'trimmed' })
      const isStopped = !(await this.#handlePage(page.events, upTo, () => (filled += 1)))
      this.#position ??= trimmedTo
      await this.#notePlace('')
      if (isStopped) return false
      if (page.events.length < LOG_PAGE) break
    }
    if (filled > 0) observer.eventGap?.({ reader: 'consumer', filled })
    return true
  }

  async #handlePage(
    events: readonly CommittedEvent[],
    upTo: bigint | undefined,
    onHandled: () => void,
  ): Promise<boolean> {
    for (const event of events) {
      const position = BigInt(event.position)
      if (upTo !== undefined && position > upTo) return true
      const { text } = encodeCommitted(event)
      const entry = { streamId: '', eventId: event.position, text, deliveries: 1 }
      if ((await this.#handler.handle(this.companyId, entry, () => this.#mayGoOn())) === 'left') return false
      this.#position = position
      onHandled()
    }
    return true
  }

  /**
   * Whether the log is in another history than the place, and remembers an earlier one: the place goes back there, once
   * for each history. What the stream has is still of the history before, until a mark says otherwise.
   */
  async #isElsewhere(epoch: string): Promise<boolean> {
    if (this.#epoch === '' || epoch === this.#epoch || epoch === this.#comparedEpoch) return false
    this.#comparedEpoch = epoch
    const remembered = await this.#parts.places.find(this.companyId)
    if (remembered === undefined || this.#position === undefined || remembered >= this.#position) return false
    this.#position = remembered
    return true
  }

  /** An acknowledgement that is lost has the event offered again, which its handler must bear. */
  #ack(streamId: string): Promise<unknown> {
    return this.#handler.ack(this.companyId, streamId).catch(() => undefined)
  }

  /** The same, and how far the group is now; for what was read from the log, which no entry stands for, that alone. */
  async #notePlace(streamId: string): Promise<void> {
    const { redis, group, observer, source, places } = this.#parts
    const position = this.#position
    if (source === undefined || position === undefined) {
      if (streamId !== '') await this.#ack(streamId)
      return
    }
    const epoch = this.#epoch
    places.moved(this.companyId, { epoch, position })
    const args = { group, owner: this.#owner, id: streamId, epoch, position: String(position) }
    await notePlace.run(redis, this.#keys(), args, { observer, effect: 'idempotent' }).catch(() => undefined)
  }

  #keys() {
    const { keys, group } = this.#parts
    const lease = keys.eventsConsumer({ companyId: this.companyId, group })
    return { stream: keys.eventsStream(this.companyId), lease, place: `${lease}:place` }
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
