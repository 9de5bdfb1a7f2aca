/** What clients subscribe to: topics, and how an event of the company becomes an item of each. */

import { InvalidOptionError } from '@kerp/core'

/** Every event, in order. A hub has one such topic at most, and its frames have the `op` `events`. */
export interface LogTopic<E> {
  readonly kind: 'log'
  /** The event as clients get it; undefined leaves it out. */
  item(event: E, companyId: string): unknown
}

/** The latest item of each key: what lies between is skipped when it is late. Items must be absolute, not changes. */
export interface StateTopic<E> {
  readonly kind: 'state'
  /** What this event makes of which key; undefined when it does not concern the topic. */
  entry(event: E, companyId: string): { readonly key: string; readonly item: unknown } | undefined
}

/** Items that are announced beside the events and are worth nothing later: dropped for a client that is busy. */
export interface EphemeralTopic {
  readonly kind: 'ephemeral'
}

/** A topic. */
export type LiveTopic<E> = LogTopic<E> | StateTopic<E> | EphemeralTopic

/** Topics by name. */
export type LiveTopics<E> = Readonly<Record<string, LiveTopic<E>>>

/** One item of one topic, encoded once for all clients. */
export interface EncodedItem {
  /** Empty for items of a log. */
  readonly key: string
  readonly json: string
  readonly bytes: number
}

/** One event as the ring keeps it: its item of each topic, by the topic's index. */
export interface EncodedEvent {
  readonly items: readonly (EncodedItem | undefined)[]
  readonly bytes: number
}

/** The topics that one client asked for; clients with the same topics share their frames by its `id`. */
export interface TopicSet {
  readonly id: string
  readonly names: readonly string[]
  /** Indexes in the order in which frames of one group are sent: states first, the log last. */
  readonly order: readonly number[]
  readonly ephemeral: readonly number[]
}

/** Topics of one hub. */
const TOPICS_MAX = 32
const TOPIC_NAME = /^[a-z][a-z0-9.-]{0,31}$/
/** Sets that are kept for the next client; further ones are made for each client anew. */
const SETS_MAX = 1_024
/** Memory of an event in the ring beside its text. */
const EVENT_OVERHEAD_BYTES = 128

/** The topics of a hub, by index. */
export class TopicTable<E> {
  readonly names: readonly string[]
  readonly #topics: readonly LiveTopic<E>[]
  readonly #onUnmade: (error: unknown) => void
  readonly #sets = new Map<string, TopicSet>()

  /**
   * `onUnmade` hears why an item could not be made.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION`
   */
  constructor(topics: LiveTopics<E>, onUnmade: (error: unknown) => void) {
    this.#onUnmade = onUnmade
    this.names = Object.keys(topics)
    this.#topics = Object.values(topics)
    const logs = this.#topics.filter(({ kind }) => kind === 'log').length
    if (this.names.length === 0 || this.names.length > TOPICS_MAX || logs > 1) {
      throw new InvalidOptionError('LiveHub', 'topics', `1 to ${TOPICS_MAX} topics, one log at most`, topics)
    }
    const wrong = this.names.find((name) => !TOPIC_NAME.test(name))
    if (wrong !== undefined) throw new InvalidOptionError('LiveHub', 'topics', String(TOPIC_NAME), wrong)
  }

  /** The kind of a topic. */
  kindOf(index: number): LiveTopic<E>['kind'] {
    return this.#topics[index]?.kind ?? 'ephemeral'
  }

  /** The name of a topic. */
  nameOf(index: number): string {
    return this.names[index] ?? ''
  }

  /** The one set of these names, or undefined when one is not known. */
  setOf(names: readonly string[]): TopicSet | undefined {
    const indexes = [...new Set(names.map((name) => this.names.indexOf(name)))].sort((a, b) => a - b)
    if (indexes.length === 0 || indexes[0] === -1) return undefined
    const id = indexes.join('.')
    const known = this.#sets.get(id)
    if (known !== undefined) return known
    const ofKind = (kind: LiveTopic<E>['kind']): number[] =>
      indexes.filter((index) => this.kindOf(index) === kind)
    const set: TopicSet = {
      id,
      names: indexes.map((index) => this.nameOf(index)),
      order: [...ofKind('state'), ...ofKind('log')],
      ephemeral: ofKind('ephemeral'),
    }
    if (this.#sets.size < SETS_MAX) this.#sets.set(id, set)
    return set
  }

  /** An event as the ring keeps it. An item that cannot be made is left out rather than stopping the others. */
  encode(event: E, companyId: string): EncodedEvent {
    let bytes = EVENT_OVERHEAD_BYTES
    const items = this.#topics.map((topic) => {
      const item = this.#encodeItem(topic, event, companyId)
      bytes += item?.bytes ?? 0
      return item
    })
    return { items, bytes }
  }

  #encodeItem(topic: LiveTopic<E>, event: E, companyId: string): EncodedItem | undefined {
    try {
      return encodeItem(topic, event, companyId)
    } catch (error) {
      this.#onUnmade(error)
      return undefined
    }
  }
}

function encodeItem<E>(topic: LiveTopic<E>, event: E, companyId: string): EncodedItem | undefined {
  if (topic.kind === 'ephemeral') return undefined
  const { key, item } =
    topic.kind === 'log'
      ? { key: '', item: topic.item(event, companyId) }
      : (topic.entry(event, companyId) ?? { key: '', item: undefined })
  if (item === undefined) return undefined
  const json = JSON.stringify(item)
  return { key, json, bytes: Buffer.byteLength(json) + 1 }
}
