/** The database's log of events in memory, whose history can be trimmed and can go back. */

import type {
  CommittedEvent,
  EventAdvance,
  EventHead,
  EventPage,
  EventPageQuery,
  EventSinks,
  EventSource,
} from '@kerp/core'

/** A log without a database. What was committed waits for `advance`, as it does in the real one. */
export class MemoryEventLog implements EventSource, EventSinks {
  epoch = 'e1'
  readonly events = new Map<string, CommittedEvent[]>()
  readonly trimmedTo = new Map<string, string>()
  readonly sinks = new Map<string, Map<string, string>>()
  readonly #waiting: Omit<CommittedEvent, 'position'>[] = []
  readonly #wakes = new Set<() => void>()
  #last = 0

  commit(companyId: string, count = 1, payload?: unknown): void {
    for (let n = 0; n < count; n += 1) {
      this.#last += 1
      this.#waiting.push({
        companyId,
        type: 'events:notification',
        timestamp: '2026-01-05T00:00:00.000000Z',
        payload: payload ?? { level: 'info', message: `n${this.#last}` },
      })
    }
    for (const wake of this.#wakes) wake()
  }

  advance({ limit, all = false }: { readonly limit: number; readonly all?: boolean }): Promise<EventAdvance> {
    const moved = new Set<string>()
    for (const event of this.#waiting.splice(0, limit)) {
      const events = this.#of(event.companyId)
      events.push({ ...event, position: String(Number(this.#head(event.companyId)) + 1) })
      moved.add(event.companyId)
    }
    const named = all ? [...this.events.keys()] : [...moved]
    const heads = named.map((companyId) => ({ companyId, position: this.#head(companyId) }))
    return Promise.resolve({ epoch: this.epoch, heads, isMore: this.#waiting.length > 0 })
  }

  read({ companyId, after, limit }: EventPageQuery): Promise<EventPage> {
    const events = this.#of(companyId).filter(({ position }) => Number(position) > Number(after))
    const trimmedTo = this.trimmedTo.get(companyId) ?? '0'
    return Promise.resolve({ epoch: this.epoch, events: events.slice(0, limit), trimmedTo })
  }

  onWake(wake: () => void): Promise<{ close(): Promise<void> }> {
    this.#wakes.add(wake)
    return Promise.resolve({ close: () => Promise.resolve(void this.#wakes.delete(wake)) })
  }

  reached(sink: string, heads: readonly EventHead[]): Promise<void> {
    const known = this.sinks.get(sink) ?? new Map<string, string>()
    for (const { companyId, position } of heads) known.set(companyId, position)
    this.sinks.set(sink, known)
    return Promise.resolve()
  }

  positions(sink: string): Promise<readonly EventHead[]> {
    const known = [...(this.sinks.get(sink) ?? [])]
    return Promise.resolve(known.map(([companyId, position]) => ({ companyId, position })))
  }

  trim(companyId: string, to: number): void {
    this.events.set(
      companyId,
      this.#of(companyId).filter(({ position }) => Number(position) > to),
    )
    this.trimmedTo.set(companyId, String(to))
  }

  /** The database is restored as it was at a position, under another epoch. */
  goBack(companyId: string, to: number, epoch: string): void {
    this.events.set(
      companyId,
      this.#of(companyId).filter(({ position }) => Number(position) <= to),
    )
    for (const known of this.sinks.values()) {
      known.set(companyId, String(Math.min(to, Number(known.get(companyId) ?? '0'))))
    }
    this.epoch = epoch
  }

  #of(companyId: string): CommittedEvent[] {
    const events = this.events.get(companyId) ?? []
    this.events.set(companyId, events)
    return events
  }

  #head(companyId: string): string {
    return this.#of(companyId).at(-1)?.position ?? this.trimmedTo.get(companyId) ?? '0'
  }
}
