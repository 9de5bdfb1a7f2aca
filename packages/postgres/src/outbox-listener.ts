/** Listens for hints that the outbox has new rows, on a connection of its own that is made again when it is lost. */

import {
  type Clock,
  type Closable,
  closeOnce,
  jitteredBackoffMs,
  type RandomSource,
  type Timer,
} from '@kerp/core'
import type { Database } from './database.js'
import type { DatabaseClient } from './database-pool.js'

const CONNECT_DEADLINE_MS = 5_000
const BACKOFF = { backoffMs: 100, backoffMsMax: 10_000 }
const ATTEMPTS_COUNTED_MAX = 16

/**
 * Calls `wake` at each hint, and once after each new connection, as hints may have been missed before it.
 * Tries to connect for ever, at most once per backoff (full jitter, 10 s at most), until it is closed.
 */
export class OutboxListener implements Closable {
  readonly close: () => Promise<void>
  #client: DatabaseClient | undefined
  #timer: Timer | undefined
  #isClosed = false
  #attempts = 0

  /** @throws {DatabaseUnsuitableError} `DATABASE_UNSUITABLE`: the pool would have no other connection. */
  constructor(
    private readonly database: Database,
    private readonly channel: string,
    private readonly random: RandomSource,
    private readonly wake: () => void,
  ) {
    const giveBack = database.keepOne('listening for hints')
    this.close = closeOnce(() => {
      this.#isClosed = true
      giveBack()
      this.#timer?.cancel()
      this.#drop()
      return Promise.resolve()
    })
  }

  private get clock(): Clock {
    return this.database.clock
  }

  /** One attempt to connect; never rejects. What it does not reach is tried again later. */
  async open(): Promise<void> {
    let client: DatabaseClient | undefined
    try {
      client = await this.database.acquire('listening for hints', CONNECT_DEADLINE_MS)
      const lost = client
      client.on('error', () => this.#onLost(lost))
      client.on('end', () => this.#onLost(lost))
      client.on('notification', ({ channel }) => {
        if (channel === this.channel && this.#client === lost) this.wake()
      })
      this.#client = client
      await this.database.within(
        'listening for hints',
        CONNECT_DEADLINE_MS,
        client.query({ text: `LISTEN ${this.channel}` }),
      )
      if (this.#isClosed) this.#drop()
      if (this.#client !== client) return
      this.#attempts = 0
      this.wake()
    } catch {
      if (client === undefined) this.#again()
      else this.#onLost(client)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #onLost(client: DatabaseClient): void {
    if (this.#client !== client) return
    this.#drop()
    this.#again()
  }

  #drop(): void {
    const client = this.#client
    this.#client = undefined
    // Closed rather than given back: another user of the pool must not inherit the LISTEN.
    client?.release(true)
  }

  #again(): void {
    if (this.#isClosed) return
    this.#attempts = Math.min(this.#attempts + 1, ATTEMPTS_COUNTED_MAX)
    const waitMs = jitteredBackoffMs(this.#attempts, { ...BACKOFF, random: this.random })
    this.#timer = this.clock.setTimer(waitMs, () => void this.open())
  }
}
