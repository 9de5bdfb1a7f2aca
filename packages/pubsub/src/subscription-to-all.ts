/** A subscription to the events of every company: one subscription each, opened when the company is found. */

import { type Closable, closeOnce, OverloadedError } from '@kerp/core'
import type { CompanyList } from './company-list.js'
import type { EventSchemas } from './event-map.js'
import { type EventPosition, ORIGIN } from './event-position.js'
import type { SubscribeFrom, Subscription } from './subscription.js'

/** Where a subscription to all begins; positions are those that `positions` gave before, by company. */
export type SubscribeAllFrom = 'now' | 'beginning' | ReadonlyMap<string, EventPosition>

/** What it is made of. */
export interface SubscriptionToAllParts<S extends EventSchemas> {
  readonly list: CompanyList
  readonly from: SubscribeAllFrom
  readonly companiesMax: number
  readonly open: (companyId: string, from: SubscribeFrom) => Subscription<S>
  readonly onLeftOut: (companyId: string, error: OverloadedError) => void
  readonly onEnd: () => void
}

/** An open subscription to all companies. */
export class SubscriptionToAll<S extends EventSchemas> implements Closable {
  /** Ends after the calls of handlers that run now; a handler must not wait for it. */
  readonly close = closeOnce(() => this.#end())
  /**
   * Settles when every company that had an event before has its place: what is published from then on, by these or by
   * others, is not missed. Never rejects.
   */
  readonly started: Promise<void>
  readonly #of: SubscriptionToAllParts<S>
  readonly #subscriptions = new Map<string, Subscription<S>>()
  readonly #leftOut = new Set<string>()
  readonly #leave: () => void
  #start: () => void = () => undefined
  #isSeeded = false
  #isClosed = false

  constructor(of: SubscriptionToAllParts<S>) {
    this.#of = of
    this.started = new Promise((resolve) => (this.#start = resolve))
    if (typeof of.from === 'object') for (const [companyId] of of.from) this.#open(companyId)
    this.#leave = of.list.follow((companies) => this.#take(companies))
  }

  /** Behind the last entry that was handed to the handler, by company. */
  get positions(): ReadonlyMap<string, EventPosition> {
    return new Map([...this.#subscriptions].map(([companyId, { position }]) => [companyId, position]))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #take(companies: ReadonlySet<string>): void {
    for (const companyId of companies) if (!this.#subscriptions.has(companyId)) this.#open(companyId)
    if (this.#isSeeded) return
    this.#isSeeded = true
    const places = [...this.#subscriptions.values()].map(({ started }) => started)
    void Promise.all(places).then(this.#start)
  }

  #open(companyId: string): void {
    const { companiesMax, open, onLeftOut } = this.#of
    if (this.#isClosed || this.#leftOut.has(companyId)) return
    if (this.#subscriptions.size < companiesMax) {
      this.#subscriptions.set(companyId, open(companyId, this.#fromOf(companyId)))
      return
    }
    if (this.#leftOut.size < companiesMax) this.#leftOut.add(companyId)
    onLeftOut(companyId, new OverloadedError('Subscriber', 'companiesMax', companiesMax))
  }

  /** A company that is found later has had no event before: it is read from its first one, or reset if that is gone. */
  #fromOf(companyId: string): SubscribeFrom {
    const { from } = this.#of
    if (typeof from === 'object') return from.get(companyId) ?? ORIGIN
    return this.#isSeeded ? ORIGIN : from
  }

  async #end(): Promise<void> {
    this.#isClosed = true
    this.#leave()
    this.#start()
    await Promise.all([...this.#subscriptions.values()].map((subscription) => subscription.close()))
    this.#of.onEnd()
  }
}
