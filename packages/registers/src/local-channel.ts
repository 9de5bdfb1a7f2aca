/**
 * The one subscription connection of a process: pushes of the companies that it reads, and heartbeats.
 *
 * It promises nothing: whoever listens is told when messages may have been missed.
 */

import { closeOnce, type Observer, systemClock, tellFailure, withDeadline } from '@kerp/core'
import { duplicateToSubscribe, type RedisClient } from '@kerp/redis'

/** What the channel tells. */
export interface LocalChannelListener {
  message(channel: string, message: string): void
  /** These channels are heard from now on; what was published before may be missed. */
  heard(channels: readonly string[]): void
  /** Nothing is heard any more, and messages may be lost. */
  lost(): void
}

/** How long a subscription may take before the connection is given up, in ms. */
const SUBSCRIBE_MS = 2_000

/** Channels of one SUBSCRIBE. */
const CHANNELS_PER_COMMAND = 200

/** Keeps a set of channels subscribed, over any number of connections. */
export class LocalChannel {
  readonly close = closeOnce(() => {
    this.#isClosed = true
    this.#connection?.disconnect()
    return Promise.resolve()
  })
  readonly #redis: RedisClient
  readonly #listener: LocalChannelListener
  readonly #observer: Observer
  readonly #wanted = new Set<string>()
  #connection: RedisClient | undefined
  #isClosed = false

  constructor(redis: RedisClient, listener: LocalChannelListener, observer: Observer) {
    this.#redis = redis
    this.#listener = listener
    this.#observer = observer
  }

  /** Wants a channel; opens the connection with the first. Returns at once; `heard` tells. */
  want(channel: string): void {
    if (this.#isClosed || this.#wanted.has(channel)) return
    this.#wanted.add(channel)
    if (this.#connection === undefined) this.#open()
    else if (this.#connection.status === 'ready') void this.#subscribe(this.#connection, [channel])
  }

  /** No longer wants a channel. */
  unwant(channel: string): void {
    if (!this.#wanted.delete(channel)) return
    const connection = this.#connection
    // Should it fail, messages of the channel come on, and are ignored.
    if (connection?.status === 'ready') connection.unsubscribe(channel).catch(() => undefined)
  }

  /** Gives up the connection for a new one: it is connected, and has been silent for too long. */
  renew(): void {
    if (!this.#isClosed && this.#connection?.status === 'ready') this.#connection.disconnect(true)
  }

  #open(): void {
    try {
      this.#listenOn(duplicateToSubscribe(this.#redis, SUBSCRIBE_MS))
    } catch (error) {
      // The next channel that is wanted tries again; nothing is trusted meanwhile.
      this.#connection = undefined
      tellFailure(this.#observer, 'LocalTier', error, 'REDIS_NOT_DONE')
    }
  }

  #listenOn(connection: RedisClient): void {
    this.#connection = connection
    connection.on('error', () => undefined)
    connection.on('message', (channel: string, message: string) => this.#listener.message(channel, message))
    connection.on('close', () => this.#listener.lost())
    connection.on('ready', () => this.#subscribeAll(connection))
    // A mock is ready before anybody can listen.
    if (connection.status === 'ready') this.#subscribeAll(connection)
  }

  #subscribeAll(connection: RedisClient): void {
    const channels = [...this.#wanted]
    for (let from = 0; from < channels.length; from += CHANNELS_PER_COMMAND) {
      void this.#subscribe(connection, channels.slice(from, from + CHANNELS_PER_COMMAND))
    }
  }

  async #subscribe(connection: RedisClient, channels: readonly string[]): Promise<void> {
    try {
      await withDeadline(connection.subscribe(...channels), {
        operation: 'subscribe',
        deadlineMs: SUBSCRIBE_MS,
        outcome: 'unknown',
        clock: systemClock,
      })
      if (!this.#isClosed) this.#listener.heard(channels)
    } catch (error) {
      tellFailure(this.#observer, 'LocalTier', error, 'REDIS_NOT_DONE')
      if (!this.#isClosed) connection.disconnect(true)
    }
  }
}
