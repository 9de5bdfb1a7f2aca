/** A feed in memory: a log per company that can be trimmed, and taken back to another history. */

import type { LiveFeed, LiveFeedHandlers, LiveHistory, LiveHistoryQuery } from '@kerp/live'

/** An event of these tests: a value of a key. */
export interface KeyEvent {
  readonly id: string
  readonly key: string
  readonly value: number
}

interface Log {
  history: string
  events: KeyEvent[]
  trimmedTo: number
  handlers: Set<LiveFeedHandlers<KeyEvent>>
}

/** The feed. */
export class MemoryFeed implements LiveFeed<KeyEvent> {
  readonly #logs = new Map<string, Log>()
  /** Pages of history that were read. */
  reads = 0

  open(companyId: string, handlers: LiveFeedHandlers<KeyEvent>): { close(): Promise<void> } {
    const log = this.log(companyId)
    log.handlers.add(handlers)
    handlers.onStart({ history: log.history, position: log.events.length })
    return { close: () => Promise.resolve(void log.handlers.delete(handlers)) }
  }

  read({ companyId, after, limit }: LiveHistoryQuery): Promise<LiveHistory<KeyEvent>> {
    this.reads += 1
    const { history, events, trimmedTo } = this.log(companyId)
    return Promise.resolve({
      history,
      trimmedTo,
      events: events.slice(Math.max(after, trimmedTo)).slice(0, limit),
    })
  }

  /** The latest value of each key. */
  state(companyId: string): ReadonlyMap<string, KeyEvent> {
    return new Map(this.log(companyId).events.map((event) => [event.key, event]))
  }

  head(companyId: string): number {
    return this.log(companyId).events.length
  }

  /** Commits events and tells them, unless `silent`: then they are in the log only. */
  commit(companyId: string, values: readonly number[], { silent = false, keys = 5 } = {}): void {
    const log = this.log(companyId)
    const from = log.events.length
    const events = values.map((value, index) => {
      const position = from + index + 1
      return { id: String(position), key: `k${position % keys}`, value }
    })
    log.events.push(...events)
    if (silent) return
    for (const handlers of log.handlers) handlers.onEvents({ from, to: log.events.length, events })
  }

  /** Deletes old events. */
  trim(companyId: string, position: number): void {
    this.log(companyId).trimmedTo = position
  }

  /** The database goes back: another history, in which only the first events are there. */
  goBack(companyId: string, position: number): void {
    const log = this.log(companyId)
    log.history += '+'
    log.events = log.events.slice(0, position)
    for (const handlers of log.handlers) handlers.onStart({ history: log.history, position })
  }

  log(companyId: string): Log {
    let log = this.#logs.get(companyId)
    if (log === undefined) {
      log = { history: `${companyId}-h`, events: [], trimmedTo: 0, handlers: new Set() }
      this.#logs.set(companyId, log)
    }
    return log
  }
}
