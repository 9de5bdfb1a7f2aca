/** Decodes entries once for all subscriptions of a process, and counts those that are no events of the map. */

import type { Observer } from '@kerp/core'
import { type AnyEvent, decodeEvent } from './envelope.js'
import type { StreamEntry } from './event-block.js'
import type { EventMap, EventSchemas } from './event-map.js'

/** Decodes the entries of a reader. */
export class EventDecoder<S extends EventSchemas> {
  readonly #events: EventMap<S>
  readonly #observer: Observer
  readonly #onInvalid: (entry: StreamEntry, error: unknown) => void
  readonly #decoded = new WeakMap<StreamEntry, AnyEvent<S> | 'invalid'>()

  constructor(
    events: EventMap<S>,
    observer: Observer,
    onInvalid: (entry: StreamEntry, error: unknown) => void,
  ) {
    this.#events = events
    this.#observer = observer
    this.#onInvalid = onInvalid
  }

  /** The event of an entry, or undefined for one of another map or shape; remembered if `isShared`. */
  decode(companyId: string, entry: StreamEntry, isShared: boolean): AnyEvent<S> | undefined {
    if (!isShared) return this.#read(companyId, entry)
    const before = this.#decoded.get(entry)
    if (before !== undefined) return before === 'invalid' ? undefined : before
    const event = this.#read(companyId, entry)
    this.#decoded.set(entry, event ?? 'invalid')
    return event
  }

  #read(companyId: string, entry: StreamEntry): AnyEvent<S> | undefined {
    try {
      return decodeEvent(this.#events, companyId, entry.text)
    } catch (error) {
      this.#observer.eventDeliver?.({ reader: 'subscriber', result: 'invalid', count: 1 })
      this.#onInvalid(entry, error)
      return undefined
    }
  }
}
