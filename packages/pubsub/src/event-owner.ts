/** Those who wait for events that they published: for one, or for many at once. */

import type { OutgoingEvent } from './envelope.js'
import { EventNotPublishedError } from './errors.js'
import type { EventOwner } from './publish-queue.js'

/** The caller of `publish` or `publishMany`; `onLeave` is told of each event that waits no more. */
export class EventsOwner<T> implements EventOwner {
  readonly #envelopes: T
  readonly #onLeave: (event: OutgoingEvent) => void
  readonly #resolve: (envelopes: T) => void
  readonly #reject: (error: Error) => void
  #left: number
  #failed: string[] | undefined
  #cause: unknown

  constructor(
    of: { readonly envelopes: T; readonly count: number; readonly onLeave: (event: OutgoingEvent) => void },
    resolve: (envelopes: T) => void,
    reject: (error: Error) => void,
  ) {
    this.#envelopes = of.envelopes
    this.#left = of.count
    this.#onLeave = of.onLeave
    this.#resolve = resolve
    this.#reject = reject
  }

  settle(event: OutgoingEvent, failure?: { readonly cause: unknown }): void {
    this.#onLeave(event)
    if (failure !== undefined) {
      this.#cause ??= failure.cause
      this.#failed ??= []
      this.#failed.push(event.id)
    }
    this.#left -= 1
    if (this.#left > 0) return
    if (this.#failed === undefined) this.#resolve(this.#envelopes)
    else this.#reject(new EventNotPublishedError(this.#failed, this.#cause))
  }
}
