/**
 * The one channel on which this process hears that a lock was handed to it.
 *
 * It has a connection of its own, opened when the first caller has to wait. Whatever it misses, waiters find out
 * by asking again; it only makes that rare.
 */

import { closeOnce, type Observer, systemClock, tellFailure, withDeadline } from '@kerp/core'
import { duplicateToSubscribe, type RedisClient } from '@kerp/redis'

/** What the channel tells. */
export interface WakeListener {
  /** The lock was granted to `owner` of this process, under `fence`. */
  handed(lock: string, owner: string, fence: string): void
  /** The channel hears again, and may have missed messages before. */
  listening(): void
}

/** How long a subscription may take before the channel counts as silent, in ms. */
const SUBSCRIBE_MS = 2_000

/** Hears hand-overs. */
export class WakeChannel {
  readonly close = closeOnce(() => this.#end())
  readonly #redis: RedisClient
  readonly #name: string
  readonly #listener: WakeListener
  readonly #observer: Observer
  #connection: RedisClient | undefined
  #isListening = false
  #isClosed = false

  constructor(redis: RedisClient, name: string, listener: WakeListener, observer: Observer) {
    this.#redis = redis
    this.#name = name
    this.#listener = listener
    this.#observer = observer
  }

  /** Whether messages arrive now, as far as the connection knows. */
  get isListening(): boolean {
    return this.#isListening
  }

  /** Opens the connection, once. Returns at once; `listening` tells. */
  open(): void {
    if (this.#connection !== undefined || this.#isClosed) return
    try {
      this.#listenOn(duplicateToSubscribe(this.#redis, SUBSCRIBE_MS))
    } catch (error) {
      // Waiters look by themselves; the next one who has to wait tries to open it again.
      this.#connection = undefined
      tellFailure(this.#observer, 'locks', error, 'REDIS_NOT_DONE')
    }
  }

  #listenOn(connection: RedisClient): void {
    this.#connection = connection
    connection.on('error', () => undefined)
    connection.on('message', (channel: string, message: string) => {
      if (channel === this.#name) this.#hear(message)
    })
    connection.on('close', () => (this.#isListening = false))
    connection.on('ready', () => void this.#subscribe(connection))
    // A mock is ready before anybody can listen; a second subscription changes nothing.
    if (connection.status === 'ready') void this.#subscribe(connection)
  }

  #hear(message: string): void {
    const [lock = '', owner = '', fence = ''] = message.split('|')
    this.#listener.handed(lock, owner, fence)
  }

  async #subscribe(connection: RedisClient): Promise<void> {
    try {
      await withDeadline(connection.subscribe(this.#name), {
        operation: 'subscribe',
        deadlineMs: SUBSCRIBE_MS,
        outcome: 'unknown',
        clock: systemClock,
      })
      this.#isListening = true
      this.#listener.listening()
    } catch (error) {
      // Waiters go on asking by themselves meanwhile; a new connection subscribes again.
      tellFailure(this.#observer, 'locks', error, 'REDIS_NOT_DONE')
      if (!this.#isClosed) connection.disconnect(true)
    }
  }

  #end(): Promise<void> {
    this.#isClosed = true
    this.#isListening = false
    this.#connection?.disconnect()
    return Promise.resolve()
  }
}
