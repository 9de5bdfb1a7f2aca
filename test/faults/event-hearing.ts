/**
 * A receiver of one company's events, as the demo's: what a stream lost before it was heard is read in the database's
 * log. Every event is heard once, in the order of the log.
 */

import type { EventLog } from '@kerp/postgres'
import type { AnyEvent, ErpEventSchemas, Subscriber } from '@kerp/pubsub'
import { expect } from 'vitest'

const PATIENCE = { timeout: 60_000, interval: 20 }
const PAGE = 1_000

type Heard = Pick<AnyEvent<ErpEventSchemas>, 'id' | 'type' | 'payload'>

/** What was heard. */
export class EventHearing {
  /** Ids of vouchers whose event was heard. */
  readonly vouchers = new Set<string>()
  /** Of them, those that were heard under two events. */
  readonly doubled: string[] = []
  /** The last event; every one up to it was heard once. */
  #heard = 0
  #again = 0
  #fromLog = 0

  constructor(
    private readonly log: EventLog,
    private readonly companyId: string,
  ) {}

  async listen(subscriber: Subscriber<ErpEventSchemas>): Promise<void> {
    const { companyId } = this
    const onEvents = async ({ events }: { readonly events: readonly Heard[] }): Promise<void> => {
      for (const event of events) await this.#hear(event)
    }
    const listening = subscriber.subscribe({ companyId, from: 'now' }, { onEvents, onReset: () => undefined })
    this.#heard = await this.#head()
    await listening.started
  }

  /** Until the last event of the log was heard; the log must be what was committed. */
  async judge(): Promise<{ readonly events: number; readonly again: number; readonly fromLog: number }> {
    const head = await this.#head()
    await expect.poll(() => this.#heard, PATIENCE).toBe(head)
    const { ok, differences } = await this.log.audit(this.companyId)
    expect({ ok, differences, doubled: this.doubled }).toEqual({ ok: true, differences: [], doubled: [] })
    return { events: head, again: this.#again, fromLog: this.#fromLog }
  }

  async #hear(event: Heard): Promise<void> {
    const position = Number(event.id)
    if (position <= this.#heard) {
      this.#again += 1
      return
    }
    while (position > this.#heard + 1) await this.#readLog(position - 1 - this.#heard)
    this.#take(event.type, event.payload)
    this.#heard = position
  }

  async #readLog(missing: number): Promise<void> {
    const limit = Math.min(missing, PAGE)
    const after = String(this.#heard)
    const { events } = await this.log.read({ companyId: this.companyId, after, limit })
    expect(events.length).toBe(limit)
    for (const { type, payload } of events) this.#take(type, payload)
    this.#fromLog += limit
    this.#heard += limit
  }

  #take(type: string, payload: unknown): void {
    if (type !== 'events:voucher:created') return
    const id = String(Reflect.get(payload as object, 'id'))
    if (this.vouchers.has(id)) this.doubled.push(id)
    this.vouchers.add(id)
  }

  /** Numbers what was committed. */
  async #head(): Promise<number> {
    for (;;) {
      const { isMore, heads } = await this.log.advance({ limit: PAGE, all: true })
      if (isMore) continue
      return Number(heads.find(({ companyId }) => companyId === this.companyId)?.position ?? 0)
    }
  }
}
