/**
 * A feed that stands on two legs: the numbered log in the database is the truth, and the channel in Redis brings what
 * is new at once. What the channel loses, doubles or makes up is settled by the numbers; while Redis is gone the log
 * alone is asked.
 */

import {
  type Clock,
  observerOfPart,
  type CommittedEvent,
  type EventSource,
  jitteredBackoffMs,
  objectOptions,
  type Observer,
  partOption,
  sleep,
  systemClock,
  tellFailure,
  type Timer,
  wholeNumberOption,
} from '@kerp/core'
import type { EventBatch, EventSchemas, Subscriber, Subscription } from '@kerp/pubsub'
import { LogHeads } from './log-heads.js'
import type { LiveFeed, LiveFeedHandlers, LiveHistory, LiveHistoryQuery, LiveStart } from './feed.js'

/** An event of the log as a hub's topics get it. */
export type LogEvent = Pick<CommittedEvent, 'type' | 'timestamp' | 'payload'> & {
  /** Its position, as decimal text. */
  readonly id: string
}

/** Options of `LogFeed`. */
export interface LogFeedOptions<S extends EventSchemas> {
  /** The log of committed events: `EventLog` of `@kerp/postgres`. */
  readonly source: EventSource
  /** Brings events at once. Without it the log alone is asked, every `lookMs`. */
  readonly subscriber?: Subscriber<S> | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** How often the log is asked whether the channel left something out, in ms. @defaultValue 1_000 */
  readonly lookMs?: number | undefined
}

const PAGE_EVENTS = 1_000

/** Hears events by the subscriber, and what it does not bring from the log. */
export class LogFeed<S extends EventSchemas> implements LiveFeed<LogEvent> {
  readonly #source: EventSource
  readonly #subscriber: Subscriber<S> | undefined
  readonly #observer: Observer
  readonly #clock: Clock
  readonly #lookMs: number
  readonly #heads: LogHeads
  readonly #tails = new Set<LogTail>()
  #looking: Timer | undefined
  #failures = 0

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: LogFeedOptions<S>) {
    const { source, subscriber, observer, clock, lookMs } = objectOptions('LogFeed', options)
    this.#source = partOption('LogFeed', 'source', source, {
      methods: ['advance', 'read'],
      words: 'the log of events',
    })
    if (subscriber !== undefined) {
      partOption('LogFeed', 'subscriber', subscriber, { methods: ['subscribe'], words: 'a Subscriber' })
    }
    this.#subscriber = subscriber
    this.#observer = observerOfPart(observer)
    this.#clock = clock ?? systemClock
    this.#lookMs = wholeNumberOption('LogFeed', 'lookMs', lookMs, { min: 10, fallback: 1_000 })
    this.#heads = new LogHeads(source)
  }

  open(companyId: string, handlers: LiveFeedHandlers<LogEvent>): { close(): Promise<void> } {
    const parts = { companyId, handlers, lookMs: this.#lookMs, heads: this.#heads }
    const tail = new LogTail(this.#source, this.#clock, parts, (error) => this.#tell(error))
    const subscription = this.#subscribe(companyId, tail)
    this.#tails.add(tail)
    this.#lookLater()
    const close = async (): Promise<void> => {
      this.#tails.delete(tail)
      this.#lookLater()
      await Promise.all([subscription?.close(), tail.close()])
    }
    return { close }
  }

  /** Looks at all companies at once, where the log can answer that; else each of them looks for itself. */
  #lookLater(): void {
    if (!this.#heads.isShared) return
    if (this.#tails.size === 0) {
      this.#looking?.cancel()
      this.#looking = undefined
    }
    if (this.#tails.size === 0 || this.#looking !== undefined) return
    this.#looking = this.#clock.setTimer(pauseMs(this.#lookMs, this.#failures), () => void this.#lookAtAll())
  }

  async #lookAtAll(): Promise<void> {
    const looking = this.#looking
    try {
      await Promise.all([...this.#tails].map((tail) => tail.compare()))
      this.#failures = 0
    } catch (error) {
      this.#failures += 1
      this.#tell(error)
    }
    // A feed that was closed and opened meanwhile has begun a look of its own.
    if (this.#looking !== looking) return
    this.#looking = undefined
    this.#lookLater()
  }

  #tell(error: unknown): void {
    tellFailure(this.#observer, 'live', error)
  }

  #subscribe(companyId: string, tail: LogTail): Subscription<S> | undefined {
    try {
      return this.#subscriber?.subscribe(
        { companyId, from: 'now' },
        { onEvents: (batch) => tail.hear(batch), onReset: () => tail.look() },
      )
    } catch (error) {
      void tail.close()
      throw error
    }
  }

  async read({ companyId, after, limit }: LiveHistoryQuery): Promise<LiveHistory<LogEvent>> {
    const page = await this.#source.read({ companyId, after: String(after), limit })
    return {
      history: page.epoch,
      trimmedTo: Number(page.trimmedTo),
      events: page.events.map(logEventOf),
    }
  }
}

interface TailParts {
  readonly companyId: string
  readonly handlers: LiveFeedHandlers<LogEvent>
  readonly lookMs: number
  readonly heads: LogHeads
}

/** Follows the log of one company. */
class LogTail {
  readonly #source: EventSource
  readonly #clock: Clock
  readonly #parts: TailParts
  readonly #onError: (error: unknown) => void
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #wakes = new AbortController()
  #at: LiveStart | undefined
  #failures = 0

  constructor(source: EventSource, clock: Clock, parts: TailParts, onError: (error: unknown) => void) {
    this.#source = source
    this.#clock = clock
    this.#parts = parts
    this.#onError = onError
    this.#running = this.#run()
  }

  /** Events of the channel: those of the log are taken if they follow what is known, in its history, else the log is asked. */
  hear({ events, history }: Pick<EventBatch<EventSchemas>, 'events' | 'history'>): void {
    const at = this.#at
    if (at === undefined) return
    const follows: LogEvent[] = []
    let position = at.position
    for (const event of events) {
      if (event.position === undefined) continue
      if (history !== at.history) {
        this.look()
        return
      }
      const number = Number(event.position)
      if (number <= position) continue
      if (number > position + 1) {
        this.look()
        break
      }
      follows.push({ id: event.id, type: event.type, timestamp: event.timestamp, payload: event.payload })
      position = number
    }
    this.#deliver(follows)
  }

  /** Asks the log soon if it has gone on, or is in another history. Throws what the log throws. */
  async compare(): Promise<void> {
    if (this.#at === undefined) return
    const head = await this.#parts.heads.read(this.#parts.companyId)
    if (head.history !== this.#at.history || head.position > this.#at.position) this.look()
  }

  /** Asks the log soon. */
  look(): void {
    this.#wakes.abort()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#wakes.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isClosing()) {
      this.#wakes = new AbortController()
      let isMore = false
      try {
        isMore = await this.#step()
        this.#failures = 0
      } catch (error) {
        this.#failures += 1
        this.#onError(error)
      }
      if (isMore || this.#isClosing()) continue
      await this.#pause()
    }
  }

  /** Where one look is for all companies, this one is woken by it. */
  async #pause(): Promise<void> {
    const { lookMs, heads } = this.#parts
    const { signal } = this.#wakes
    if (heads.isShared && this.#failures === 0) {
      if (!signal.aborted)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      return
    }
    await sleep(this.#clock, pauseMs(lookMs, this.#failures), signal).catch(() => undefined)
  }

  #isClosing(): boolean {
    return this.#closing.signal.aborted
  }

  /** One look at the log; true when there is more to read at once. */
  async #step(): Promise<boolean> {
    const { companyId, heads } = this.#parts
    if (this.#at === undefined) {
      this.#begin(await heads.begin(companyId))
      return true
    }
    const { history, position } = this.#at
    const page = await this.#source.read({ companyId, after: String(position), limit: PAGE_EVENTS })
    if (page.epoch !== history || Number(page.trimmedTo) > this.#at.position) {
      this.#begin(await heads.begin(companyId))
      return true
    }
    // The channel may have brought some of them in the meantime.
    const known = this.#at.position
    this.#deliver(page.events.map(logEventOf).filter(({ id }) => Number(id) > known))
    return page.events.length === PAGE_EVENTS
  }

  #begin(at: LiveStart): void {
    if (this.#closing.signal.aborted) return
    this.#at = at
    this.#parts.handlers.onStart(at)
  }

  #deliver(events: readonly LogEvent[]): void {
    const at = this.#at
    if (at === undefined || events.length === 0 || this.#closing.signal.aborted) return
    const to = at.position + events.length
    this.#at = { history: at.history, position: to }
    this.#parts.handlers.onEvents({ from: at.position, to, events })
  }
}

function logEventOf({ position, type, timestamp, payload }: CommittedEvent): LogEvent {
  return { id: position, type, timestamp, payload }
}

function pauseMs(lookMs: number, failures: number): number {
  if (failures === 0) return lookMs
  return lookMs / 2 + jitteredBackoffMs(failures, { backoffMs: lookMs, backoffMsMax: 5 * lookMs })
}
