/** Hears events: any number of subscriptions to companies, on one connection, none missing what it asked for. */

import {
  type Closable,
  ClosedError,
  closeOnce,
  InvalidInputError,
  NoticeBoard,
  type Notices,
  OverloadedError,
  tellFailure,
  type Timer,
} from '@kerp/core'
import { validateCompanyId } from '@kerp/keys'
import { CompanyFeed } from './company-feed.js'
import { CompanyList } from './company-list.js'
import { eventIdOf, isEventId } from './envelope.js'
import { EventDecoder } from './event-decoder.js'
import { EventInvalidError } from './errors.js'
import type { EventMap, EventSchemas, EventType } from './event-map.js'
import type { EventPosition } from './event-position.js'
import {
  type SubscriberOptions,
  type SubscriberParts,
  resolveSubscriberOptions,
} from './subscriber-options.js'
import { type EventHandlers, type SubscribeFrom, Subscription } from './subscription.js'
import { type SubscribeAllFrom, SubscriptionToAll } from './subscription-to-all.js'

/** What to subscribe to. */
export interface SubscribeOptions<S extends EventSchemas> {
  readonly companyId: string
  /** @defaultValue all types of the map */
  readonly types?: readonly EventType<S>[] | undefined
  /** There is no default: what is missed must be chosen. */
  readonly from: SubscribeFrom
}

/** What to subscribe to of all companies. */
export interface SubscribeAllOptions<S extends EventSchemas> {
  /** @defaultValue all types of the map */
  readonly types?: readonly EventType<S>[] | undefined
  /** There is no default: what is missed must be chosen. Companies that a map leaves out are read from their first event. */
  readonly from: SubscribeAllFrom
}

/** What a subscriber tells its process. */
export interface SubscriberNotices extends Record<string, readonly unknown[]> {
  /** A handler threw or rejected; others and later events are not held up. */
  handlerFailed: [companyId: string, error: unknown]
  /** An entry is no event of the map. */
  eventInvalid: [eventId: string, error: unknown]
  /** A subscription to all follows as many companies as it may; this one it does not. */
  companyLeftOut: [companyId: string, error: unknown]
}

/** Companies whose ends of streams are read at once. */
const CHECKS_AT_ONCE = 200

interface OpenParts<S extends EventSchemas> {
  readonly handlers: EventHandlers<S>
  readonly types: readonly EventType<S>[] | undefined
  readonly onEnd: () => void
}

interface UsedFeed {
  readonly feed: CompanyFeed
  uses: number
  linger: Timer | undefined
}

/**
 * A subscriber. All subscribers and consumers of one client share one connection for channels.
 *
 * @example
 * const subscriber = new Subscriber({ redis: mockRedis(), keys: createKeys(), events: erpEvents })
 * const subscription = subscriber.subscribe(
 *   { companyId: 'c1', from: 'now' },
 *   { onEvents: ({ events }) => events.map(({ type }) => type) },
 * )
 * await subscription.started
 * await subscriber.close()
 */
export class Subscriber<S extends EventSchemas> implements Closable {
  readonly close = closeOnce(() => this.#end())
  readonly #events: EventMap<S>
  readonly #parts: SubscriberParts
  readonly #decoder: EventDecoder<S>
  readonly #feeds = new Map<string, UsedFeed>()
  readonly #subscriptions = new Set<Subscription<S>>()
  readonly #toAll = new Set<SubscriptionToAll<S>>()
  readonly #companies: CompanyList
  readonly #notices = new NoticeBoard<SubscriberNotices>()
  #tick: Timer | undefined
  #isClosed = false

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: SubscriberOptions<S>) {
    this.#parts = resolveSubscriberOptions(options)
    this.#events = options.events
    this.#companies = new CompanyList(this.#parts)
    this.#decoder = new EventDecoder(options.events, this.#parts.observer, ({ eventId }, error) =>
      this.#notices.emit('eventInvalid', eventIdOf(eventId), error),
    )
  }

  get notices(): Notices<SubscriberNotices> {
    return this.#notices
  }

  /**
   * Subscribes, at once and in the background; `started` tells when. Handlers are called one batch at a time, with
   * every event after `from`, once and in order, or with `onReset` when some are gone for good. A slow handler holds up
   * no other: it reads on from the stream.
   *
   * @throws {InvalidKeyError} `INVALID_KEY`, {EventInvalidError} `EVENT_INVALID`, {InvalidInputError} `INVALID_INPUT`
   * @throws {OverloadedError} `OVERLOADED`, {ClosedError} `CLOSED`
   */
  subscribe(options: SubscribeOptions<S>, handlers: EventHandlers<S>): Subscription<S> {
    this.#admit()
    checkCall(options, handlers)
    const companyId = validateCompanyId(options.companyId)
    checkFrom(options.from)
    this.#checkTypes(options.types)
    const onEnd = (): void => void this.#subscriptions.delete(subscription)
    const subscription = this.#open(companyId, options.from, { handlers, types: options.types, onEnd })
    this.#subscriptions.add(subscription)
    return subscription
  }

  /**
   * Subscribes to all companies, those that have their first event later included: each as `subscribe` does it, with the
   * same handlers, on the same connection. A company that is found later is read from its first event.
   *
   * @throws {EventInvalidError} `EVENT_INVALID`, {InvalidInputError} `INVALID_INPUT`, {InvalidKeyError} `INVALID_KEY`
   * @throws {OverloadedError} `OVERLOADED`, {ClosedError} `CLOSED`
   */
  subscribeAll(options: SubscribeAllOptions<S>, handlers: EventHandlers<S>): SubscriptionToAll<S> {
    this.#admit()
    checkCall(options, handlers)
    const { from, types } = options
    checkFromAll(from)
    this.#checkTypes(types)
    const subscription = new SubscriptionToAll<S>({
      list: this.#companies,
      from,
      companiesMax: this.#parts.companiesMax,
      open: (companyId, start) => this.#open(companyId, start, { handlers, types, onEnd: () => undefined }),
      onLeftOut: (companyId, error) => {
        tellFailure(this.#parts.observer, 'events', error)
        this.#notices.emit('companyLeftOut', companyId, error)
      },
      onEnd: () => this.#toAll.delete(subscription),
    })
    this.#toAll.add(subscription)
    this.#schedule()
    return subscription
  }

  #admit(): void {
    const { subscriptionsMax } = this.#parts
    if (this.#isClosed) throw new ClosedError('Subscriber')
    if (this.#subscriptions.size + this.#toAll.size >= subscriptionsMax) {
      throw new OverloadedError('Subscriber', 'subscriptionsMax', subscriptionsMax)
    }
  }

  #open(companyId: string, from: SubscribeFrom, { handlers, types, onEnd }: OpenParts<S>): Subscription<S> {
    const used = this.#use(companyId)
    const subscription = new Subscription<S>({
      parts: this.#parts,
      feed: used.feed,
      decoder: this.#decoder,
      isShared: () => used.uses > 1,
      types: types === undefined ? undefined : new Set(types),
      from,
      handlers,
      onHandlerError: (company, error) => this.#notices.emit('handlerFailed', company, error),
      onEnd: () => {
        onEnd()
        this.#release(used)
      },
    })
    this.#schedule()
    return subscription
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkTypes(types: readonly EventType<S>[] | undefined): void {
    const list: unknown = types
    if (list !== undefined && !Array.isArray(list)) {
      throw new EventInvalidError('types', 'a list of types of the event map', list)
    }
    for (const type of types ?? []) {
      const text: string = type
      if (!this.#events.has(text)) throw new EventInvalidError('types', 'types of the event map', text)
    }
  }

  #use(companyId: string): UsedFeed {
    let used = this.#feeds.get(companyId)
    if (used === undefined) {
      used = { feed: new CompanyFeed(this.#parts, companyId), uses: 0, linger: undefined }
      this.#feeds.set(companyId, used)
    }
    used.uses += 1
    used.linger?.cancel()
    used.linger = undefined
    return used
  }

  #release(used: UsedFeed): void {
    used.uses -= 1
    if (used.uses > 0) return
    const { clock, lingerMs } = this.#parts
    if (this.#isClosed || lingerMs === 0) this.#drop(used)
    else used.linger = clock.setTimer(lingerMs, () => this.#drop(used))
  }

  #drop({ feed }: UsedFeed): void {
    this.#feeds.delete(feed.companyId)
    feed.close()
  }

  #schedule(): void {
    if (this.#tick !== undefined || this.#isClosed || (this.#feeds.size === 0 && this.#toAll.size === 0))
      return
    this.#tick = this.#parts.clock.setTimer(this.#parts.tailMs, () => void this.#checkTails())
  }

  async #checkTails(): Promise<void> {
    if (this.#companies.isFollowed) void this.#companies.look()
    const feeds = [...this.#feeds.values()]
    for (let at = 0; at < feeds.length; at += CHECKS_AT_ONCE) {
      await Promise.all(feeds.slice(at, at + CHECKS_AT_ONCE).map(({ feed }) => feed.checkTail()))
    }
    this.#tick = undefined
    this.#schedule()
  }

  async #end(): Promise<void> {
    this.#isClosed = true
    this.#tick?.cancel()
    const closing = [...this.#subscriptions, ...this.#toAll].map((subscription) => subscription.close())
    for (const used of [...this.#feeds.values()]) {
      used.linger?.cancel()
      this.#drop(used)
    }
    await Promise.all(closing)
  }
}

function checkCall(options: unknown, handlers: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidInputError('options', 'an object that says what to subscribe to', options)
  }
  const onEvents: unknown =
    typeof handlers === 'object' && handlers !== null ? Reflect.get(handlers, 'onEvents') : undefined
  if (typeof onEvents !== 'function') throw new InvalidInputError('handlers.onEvents', 'a function', onEvents)
}

function checkFrom(from: SubscribeFrom): void {
  if (from === 'now' || from === 'beginning' || isPosition(from)) return
  throw new InvalidInputError('from', 'now, beginning, or a position of a batch', from)
}

function checkFromAll(from: SubscribeAllFrom): void {
  if (from === 'now' || from === 'beginning') return
  const isMap: boolean = from instanceof Map
  if (!isMap) {
    throw new InvalidInputError('from', 'now, beginning, or a map from company to position', from)
  }
  for (const [companyId, position] of from) {
    validateCompanyId(companyId)
    checkFrom(position)
  }
}

function isPosition(from: unknown): boolean {
  if (typeof from !== 'object' || from === null) return false
  const { streamId, eventId }: Partial<Record<keyof EventPosition, unknown>> = from
  if (typeof streamId !== 'string' || !/^\d+-\d+$/.test(streamId)) return false
  return (
    typeof eventId === 'string' &&
    (eventId === '' || eventId.startsWith('@') || isEventId(eventIdOf(eventId)))
  )
}
