/**
 * Brings one company's events from the database's log into its stream.
 *
 * Where the stream stands is asked of Redis, never believed from memory: every publishing call compares it. A
 * watermark that is missing, or belongs to another history of the database, is put where the log remembers that
 * publishing had come to, so that nothing behind it is left out and what comes twice has the id of the first time.
 */

import { type CommittedEvent, type EventPage, KerpError, tellFailure, withDeadline } from '@kerp/core'
import { CompanyRegistry } from './company-registry.js'
import { encodeCommitted } from './envelope.js'
import { EpochMovedError } from './errors.js'
import { type EventWatermark, isBefore } from './event-position.js'
import type { EventRelayParts } from './event-relay-options.js'
import {
  installWatermark,
  publishRelayed,
  readEventWatermark,
  type RelayedEvents,
  type RelayedParts,
  type RelayedResult,
} from './publish-relayed.js'
import { tellCommand } from './sharded.js'

/** What a relay knows of one company. */
export interface CompanyState {
  readonly companyId: string
  /** The last position of the log. */
  head: string
  /** Where the stream stood when it was last heard of; undefined when it has to be asked. */
  position: string | undefined
}

/** What a visit to a company did. */
export interface Visit {
  readonly events: number
  readonly resets: number
  /** Whether the stream is at the head. */
  readonly isDone: boolean
}

type Stored = { readonly text: string; readonly watermark: EventWatermark | undefined }

/** Pages of one company in one turn, so that a long backlog does not hold up the others. */
const PAGES_MAX = 8

/** Attempts at a watermark that others move at the same time. */
const ATTEMPTS_MAX = 5

const POSITION = /^(?:0|[1-9]\d{0,17})$/

/** Publishes pages of one company's log. Safe to run for the same company from any number of processes. */
export class CompanyPublishing {
  readonly #parts: EventRelayParts
  readonly #registry: CompanyRegistry
  readonly #redisParts: RelayedParts

  constructor(parts: EventRelayParts) {
    this.#parts = parts
    const { redis, keys, observer, clock, sharded, redisDeadlineMs: deadlineMs } = parts
    this.#registry = new CompanyRegistry({ redis, keys, observer, clock, tell: tellCommand(sharded) })
    this.#redisParts = { redis, keys, observer, deadlineMs, sharded, registry: this.#registry }
  }

  /** Tries to register companies no more. */
  close(): void {
    this.#registry.close()
  }

  /**
   * Compares the watermark with what is known of it, and mends what cannot be continued: answers how often the stream
   * was begun again for that.
   *
   * @throws what the log or Redis throws, and {EpochMovedError} `EVENT_EPOCH_MOVED`
   */
  async check(state: CompanyState, epoch: string): Promise<number> {
    const stored = await readEventWatermark(this.#redisParts, state.companyId)
    const { position, resets } = await this.#standing(state, epoch, stored)
    state.position = position
    if (isBefore(state.head, position)) state.head = position
    return resets
  }

  /** Publishes what the log has behind the stream, a bounded number of pages. Throws what `check` throws. */
  async visit(state: CompanyState, epoch: string): Promise<Visit> {
    const { pageEvents } = this.#parts
    let resets = state.position === undefined ? await this.check(state, epoch) : 0
    let events = 0
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const at = state.position ?? '0'
      if (at === state.head) return { events, resets, isDone: true }
      const found = await this.#read(state.companyId, at, pageEvents)
      if (found.epoch !== epoch) throw new EpochMovedError()
      if (isBefore(at, found.trimmedTo)) {
        resets += await this.#skipTrimmed(state, epoch, found.trimmedTo)
        continue
      }
      const last = found.events.at(-1)
      if (last === undefined) return { events, resets, isDone: true }
      const batch = { companyId: state.companyId, epoch, from: at, to: last.position, events: found.events }
      this.#parts.observer.step?.({ name: 'events.publishing' })
      const result = await this.#publish(batch)
      if (result.status === 'published') {
        this.#parts.observer.step?.({ name: 'events.published' })
        events += found.events.length
        state.position = last.position
        if (isBefore(state.head, last.position)) state.head = last.position
      } else {
        const standing = await this.#standing(state, epoch, result)
        resets += standing.resets
        state.position = standing.position
      }
    }
    return { events, resets, isDone: state.position === state.head }
  }

  /** Where the stream stands in this epoch, after a new watermark was put where there is none to go on from. */
  async #standing(
    { companyId }: CompanyState,
    epoch: string,
    stored: Stored,
  ): Promise<{ readonly position: string; readonly resets: number }> {
    let { text, watermark } = stored
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (watermark?.epoch === epoch && POSITION.test(watermark.position)) {
        return { position: watermark.position, resets: 0 }
      }
      const position = await this.#remembered(companyId, epoch)
      const reason = watermark === undefined || watermark.epoch === '' ? 'absent' : 'epoch'
      const at = { companyId, expected: text, epoch, position, reason } as const
      const result = await installWatermark(this.#redisParts, at)
      if (result.status === 'installed') return { position, resets: 1 }
      // Another relay was quicker, or another one was.
      if (result.status === 'moved') ({ text, watermark } = result)
    }
    throw new EpochMovedError()
  }

  /** How far publishing had come, by the log's own memory, or what is left of the log. */
  async #remembered(companyId: string, epoch: string): Promise<string> {
    const { source, sink } = this.#parts
    const heads = await this.#within('EventSinks.positions', source.positions(sink))
    const position = heads.find((head) => head.companyId === companyId)?.position ?? '0'
    const page = await this.#read(companyId, position, 1)
    // Asked now: a relay that still talks to the old server must not undo what one that talks to the new one did.
    if (page.epoch !== epoch) throw new EpochMovedError()
    return isBefore(position, page.trimmedTo) ? page.trimmedTo : position
  }

  async #skipTrimmed(state: CompanyState, epoch: string, trimmedTo: string): Promise<number> {
    const { companyId } = state
    const { text } = await readEventWatermark(this.#redisParts, companyId)
    const at = { companyId, expected: text, epoch, position: trimmedTo, reason: 'trimmed' } as const
    const result = await installWatermark(this.#redisParts, at)
    state.position = result.status === 'installed' ? trimmedTo : undefined
    return result.status === 'installed' ? 1 : await this.check(state, epoch)
  }

  /** An event that cannot be written must not hold up those behind it: it goes without its payload. */
  async #publish(batch: RelayedEvents): Promise<RelayedResult> {
    try {
      return await publishRelayed(this.#redisParts, batch)
    } catch (error) {
      if (!(error instanceof KerpError) || error.code !== 'EVENT_INVALID') throw error
      tellFailure(this.#parts.observer, 'EventRelay', error)
      return publishRelayed(this.#redisParts, { ...batch, events: batch.events.map(encodable) })
    }
  }

  #read(companyId: string, after: string, limit: number): Promise<EventPage> {
    return this.#within('EventSource.read', this.#parts.source.read({ companyId, after, limit }))
  }

  #within<T>(operation: string, work: Promise<T>): Promise<T> {
    const { sourceDeadlineMs: deadlineMs, clock } = this.#parts
    return withDeadline(work, { operation, deadlineMs, outcome: 'notDone', clock })
  }
}

function encodable(event: CommittedEvent): CommittedEvent {
  try {
    encodeCommitted(event)
    return event
  } catch {
    return { ...event, payload: null }
  }
}
