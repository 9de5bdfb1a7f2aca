/** Reads the outbox for a relay: by deadlines, and never across a change that would hide rows. */

import {
  type OutboxPageQuery,
  type OutboxPosition,
  type OutboxRow,
  type OutboxTick,
  withDeadline,
} from '@kerp/core'
import { OutboxMovedError } from './errors.js'
import { parsePosition, type StoredPosition } from './position.js'
import type { RelayParts } from './relay-options.js'

/** The outbox as a relay reads it. Methods throw what the outbox throws, or `DEADLINE_EXCEEDED`. */
export class OutboxReader {
  readonly #parts: RelayParts
  readonly #closing: AbortSignal

  /** Once `closing` is aborted no further page is read, so that a long backlog does not hold up its end. */
  constructor(parts: RelayParts, closing: AbortSignal) {
    this.#parts = parts
    this.#closing = closing
  }

  /** A new target, and the rows between `after` and it. */
  async tick(after?: OutboxPosition): Promise<OutboxTick> {
    const limit = this.#parts.pageRows
    const query = after === undefined ? { limit } : { after, limit }
    const tick = await this.#within('OutboxSource.tick', this.#parts.outbox.tick(query))
    this.#tellRead(tick.rows)
    return tick
  }

  /**
   * A page inside a target of an earlier tick.
   *
   * @throws {OutboxMovedError} `OUTBOX_MOVED`, retryable: rows of it may be missing.
   * @throws {ClosedError} `CLOSED`
   */
  async page(query: Omit<OutboxPageQuery, 'limit'>, epoch: string): Promise<readonly OutboxRow[]> {
    this.#closing.throwIfAborted()
    const limit = this.#parts.pageRows
    const page = await this.#within('OutboxSource.page', this.#parts.outbox.page({ ...query, limit }))
    // The page does not say how far the outbox was trimmed when it was read; a look after it does.
    const after = await this.#within('OutboxSource.tick', this.#parts.outbox.tick({ limit: 1 }))
    if (page.epoch !== epoch || after.epoch !== epoch || this.isTrimmed(query.after, after)) {
      throw new OutboxMovedError()
    }
    this.#tellRead(page.rows)
    return page.rows
  }

  companies(): Promise<readonly string[]> {
    return this.#within('OutboxSource.companies', this.#parts.outbox.companies())
  }

  /** Whether rows behind a position may be missing. */
  isTrimmed(position: OutboxPosition, tick: Pick<OutboxTick, 'trimmedTo'>): boolean {
    return tick.trimmedTo !== undefined && !this.#parts.outbox.covers(position, tick.trimmedTo)
  }

  /** Whether a watermark's position is truly later than a target. */
  isAhead(stored: StoredPosition, target: OutboxPosition): boolean {
    const { outbox } = this.#parts
    const end = stored.inside?.target ?? stored.base
    return outbox.covers(end, target) && !outbox.covers(target, end)
  }

  /** The position in a watermark, or undefined for a text that this outbox cannot read. */
  readPosition(text: string): StoredPosition | undefined {
    const stored = parsePosition(text)
    const end = stored.inside?.target ?? stored.base
    try {
      return this.#parts.outbox.covers(end, stored.base) ? stored : undefined
    } catch {
      return undefined
    }
  }

  #tellRead(rows: readonly OutboxRow[]): void {
    if (rows.length > 0) this.#parts.observer.step?.({ name: 'relay.read' })
  }

  #within<T>(operation: string, work: Promise<T>): Promise<T> {
    const { outboxDeadlineMs: deadlineMs, clock } = this.#parts
    return withDeadline(work, { operation, deadlineMs, outcome: 'notDone', clock })
  }
}
