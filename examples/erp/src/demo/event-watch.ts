/** Hears every event of every company while the job runs, as another process would, and counts what it heard. */

import type { Observer } from '@kerp/core'
import { COMPANIES } from '../companies.js'
import type { Erp } from '../main.js'
import { pause } from './patience.js'

/** What was heard. */
export interface HeardReport {
  /** Events that were committed while it listened. */
  readonly committed: number
  /** Events that were heard, each counted once. */
  readonly delivered: number
  /** Of these, missed on the channel and read from the stream. */
  readonly filledFromStream: number
  /** Of these, read from the log, as the stream that had them was lost. */
  readonly filledFromLog: number
  /** Events that came again under the id of the first time, after Redis had lost its data. */
  readonly again: number
  readonly resets: number
}

/** Hears of gaps that subscribers filled. */
export class GapCount implements Observer {
  filled = 0

  readonly eventGap = ({ filled }: { readonly filled: number }): void => void (this.filled += filled)
}

const PATIENCE_MS = 20_000
const PAUSE_MS = 20
const PAGE = 1_000

/** Listens from the moment it is opened. */
export class EventWatch {
  readonly #erp: Erp
  /** By company: where it began, and the last event that was heard. */
  readonly #places = new Map<string, { readonly first: number; last: number }>()
  readonly #closers: (() => Promise<void>)[] = []
  #delivered = 0
  #filledFromLog = 0
  #again = 0
  #resets = 0

  private constructor(erp: Erp) {
    this.#erp = erp
  }

  /** Begins behind what was committed before. */
  static async open(erp: Erp): Promise<EventWatch> {
    const watch = new EventWatch(erp)
    const heads = await watch.#heads()
    for (const { id: companyId } of COMPANIES) {
      const first = heads.get(companyId) ?? 0
      watch.#places.set(companyId, { first, last: first })
      const subscription = erp.subscriber.subscribe(
        { companyId, from: 'now' },
        {
          onEvents: async ({ events }) => {
            for (const { id } of events) await watch.#hear(companyId, Number(id))
          },
          onReset: () => void (watch.#resets += 1),
        },
      )
      watch.#closers.push(() => subscription.close())
      await subscription.started
    }
    return watch
  }

  /** Waits for what is still on its way, and stops listening. */
  async close(gaps: GapCount): Promise<HeardReport> {
    const endMs = performance.now() + PATIENCE_MS
    let heads = await this.#heads()
    // A pass may end at a moment that was fixed before the last commits: only two equal looks are the end.
    for (
      let before = '';
      before !== textOf(heads) && performance.now() < endMs;
      heads = await this.#heads()
    ) {
      before = textOf(heads)
      await this.#hearUntil(heads, endMs)
    }
    await Promise.all(this.#closers.map((close) => close()))
    let committed = 0
    for (const [companyId, { first }] of this.#places) committed += (heads.get(companyId) ?? 0) - first
    return {
      committed,
      delivered: this.#delivered,
      filledFromStream: gaps.filled,
      filledFromLog: this.#filledFromLog,
      again: this.#again,
      resets: this.#resets,
    }
  }

  async #hearUntil(heads: ReadonlyMap<string, number>, endMs: number): Promise<void> {
    const isBehind = ([companyId, { last }]: [string, { last: number }]): boolean =>
      last < (heads.get(companyId) ?? 0)
    while ([...this.#places].some(isBehind) && performance.now() < endMs) {
      await pause(PAUSE_MS)
    }
  }

  async #hear(companyId: string, position: number): Promise<void> {
    const place = this.#places.get(companyId)
    if (place === undefined) return
    if (position <= place.last) {
      if (position > place.first) this.#again += 1
      return
    }
    while (place.last + 1 < position) await this.#fill(companyId, place, position)
    place.last = position
    this.#delivered += 1
  }

  /** What a stream lost before it was heard is in the database's log. */
  async #fill(companyId: string, place: { last: number }, position: number): Promise<void> {
    const limit = Math.min(PAGE, position - 1 - place.last)
    const { events } = await this.#erp.eventLog.read({ companyId, after: String(place.last), limit })
    this.#filledFromLog += events.length
    this.#delivered += events.length
    place.last += Math.max(events.length, 1)
  }

  /** Numbers what was committed, and tells how far each company's log goes. */
  async #heads(): Promise<ReadonlyMap<string, number>> {
    for (;;) {
      const { heads, isMore } = await this.#erp.eventLog.advance({ limit: PAGE, all: true })
      if (!isMore) return new Map(heads.map(({ companyId, position }) => [companyId, Number(position)]))
    }
  }
}

function textOf(heads: ReadonlyMap<string, number>): string {
  return [...heads].sort().join(' ')
}
