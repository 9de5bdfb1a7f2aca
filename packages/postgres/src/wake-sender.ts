/**
 * Tells relays that there is something to read.
 *
 * Not inside the posting transaction: NOTIFY makes commits of the whole database queue behind one lock. A hint
 * after the commit may be lost, and costs a relay no more than its poll interval.
 */

import type { Clock, Timer } from '@kerp/core'
import type { Database } from './database.js'

const DEADLINE_MS = 1_000

/** The channel that relays listen on; one per schema of a database. */
export function wakeChannel(schema: string): string {
  return `${schema}_outbox`
}

/** Sends at most one hint at a time, and at most one per `everyMs`. */
export class WakeSender {
  #isSending = false
  #isWanted = false
  #isClosed = false
  #timer: Timer | undefined
  #onIdle: (() => void) | undefined

  constructor(
    private readonly database: Database,
    private readonly schema: string,
    private readonly clock: Clock,
    private readonly everyMs: number,
  ) {}

  /** Soon; returns at once and never throws. */
  send(): void {
    if (this.#isClosed) return
    this.#isWanted = true
    if (this.#timer === undefined && !this.#isSending) void this.#sendOne()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    if (this.#isSending) await new Promise<void>((resolve) => (this.#onIdle = resolve))
  }

  async #sendOne(): Promise<void> {
    this.#isWanted = false
    this.#isSending = true
    try {
      await this.database.use('waking relays', DEADLINE_MS, (client) =>
        client.query({
          // A notification takes a transaction id and would wait for the disk like a posting.
          text: `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')`,
          values: [wakeChannel(this.schema)],
        }),
      )
    } catch {
      // Only a hint: relays poll.
    }
    this.#isSending = false
    this.#onIdle?.()
    if (this.#isClosed) return
    this.#timer = this.clock.setTimer(this.everyMs, () => {
      this.#timer = undefined
      if (this.#isWanted) void this.#sendOne()
    })
  }
}
