/**
 * The one connection on which a client's process hears channels, shared by all who listen.
 *
 * What should be heard and what is subscribed are two sets, brought together by one loop, so that listening and leaving
 * at any moment, and reconnecting, are the same case.
 */

import { type Clock, type Observer, tellFailure, type Timer, withDeadline } from '@kerp/core'
import { duplicateToSubscribe, type RedisClient } from '@kerp/redis'

/** Somebody who listens to one channel. Both are called from the connection's reader and must not wait or throw. */
export interface ChannelListener {
  heard(message: string): void
  /** The channel is subscribed from now on; whatever was said before was not heard. */
  listening(): void
}

/** What a line needs to know. */
export interface LineParts {
  readonly redis: RedisClient
  readonly observer: Observer
  readonly clock: Clock
  /** Whether the channels are sharded. */
  readonly sharded: boolean
}

/** How long a subscription may take, in ms. */
const SUBSCRIBE_MS = 2_000

/** Between two attempts to bring the sets together, in ms. */
const RETRY_MS = 200

/** Channels of one command. */
const CHANNELS_PER_CALL_MAX = 500

const lines = {
  plain: new WeakMap<RedisClient, ChannelLine>(),
  sharded: new WeakMap<RedisClient, ChannelLine>(),
}

/** A connection for subscriptions, opened with the first listener and closed with the last. */
export class ChannelLine {
  readonly #parts: LineParts
  readonly #listeners = new Map<string, Set<ChannelListener>>()
  readonly #subscribed = new Set<string>()
  #connection: RedisClient | undefined
  #isSyncing = false
  /** Whether something changed since the sets were last compared. */
  #isPoked = false
  #retry: Timer | undefined
  #heard = 0

  private constructor(parts: LineParts) {
    this.#parts = parts
  }

  /** The line of a client; there is one of each kind, whoever asks. */
  static of(parts: LineParts): ChannelLine {
    const own = parts.sharded ? lines.sharded : lines.plain
    let line = own.get(parts.redis)
    if (line === undefined) {
      line = new ChannelLine(parts)
      own.set(parts.redis, line)
    }
    return line
  }

  /** Messages that came so far; one that stands still while others publish is deaf. */
  get heard(): number {
    return this.#heard
  }

  /** Listens until the returned function is called, which may be called twice. */
  listen(channel: string, listener: ChannelListener): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set()
    listeners.add(listener)
    this.#listeners.set(channel, listeners)
    if (this.#subscribed.has(channel)) listener.listening()
    this.#open()
    this.#wake()
    return () => this.#leave(channel, listener)
  }

  /** Connects anew: it hears nothing although there is something to hear. */
  reconnect(): void {
    this.#subscribed.clear()
    this.#connection?.disconnect(true)
  }

  #leave(channel: string, listener: ChannelListener): void {
    const listeners = this.#listeners.get(channel)
    listeners?.delete(listener)
    if (listeners?.size === 0) this.#listeners.delete(channel)
    this.#wake()
  }

  #open(): void {
    if (this.#connection !== undefined) return
    try {
      this.#listenOn(duplicateToSubscribe(this.#parts.redis, SUBSCRIBE_MS))
    } catch (error) {
      this.#failed(error)
    }
  }

  #listenOn(connection: RedisClient): void {
    this.#connection = connection
    const isMine = (): boolean => this.#connection === connection
    connection.on('error', () => undefined)
    connection.on(this.#parts.sharded ? 'smessage' : 'message', (channel: string, message: string) =>
      this.#hear(channel, message),
    )
    connection.on('close', () => isMine() && this.#subscribed.clear())
    connection.on('ready', () => isMine() && this.#wake())
  }

  #hear(channel: string, message: string): void {
    this.#heard += 1
    for (const listener of this.#listeners.get(channel) ?? []) listener.heard(message)
  }

  #wake(): void {
    this.#isPoked = true
    if (!this.#isSyncing) void this.#sync()
  }

  async #sync(): Promise<void> {
    this.#isSyncing = true
    try {
      // One command at a time, until the sets agree and nothing changed while the last step said so.
      while (this.#isPoked) {
        this.#isPoked = false
        if (await this.#step()) this.#isPoked = true
      }
    } catch (error) {
      this.#failed(error)
    }
    this.#isSyncing = false
  }

  /** Brings the sets closer by one command; false when there is nothing to do, or no connection. */
  async #step(): Promise<boolean> {
    const connection = this.#connection
    if (connection === undefined) return false
    if (this.#listeners.size === 0) return this.#hangUp(connection)
    if (!isReady(connection)) return false
    const missing = [...this.#listeners.keys()].filter((channel) => !this.#subscribed.has(channel))
    const wanted = missing.slice(0, this.#channelsPerCall())
    if (wanted.length > 0) {
      await this.#inTime(
        this.#parts.sharded ? connection.ssubscribe(...wanted) : connection.subscribe(...wanted),
      )
      // A connection that was lost meanwhile hears nothing any more.
      if (!isReady(connection)) return false
      for (const channel of wanted) this.#nowListening(channel)
      return true
    }
    return this.#stopHearing(connection)
  }

  async #stopHearing(connection: RedisClient): Promise<boolean> {
    const all = [...this.#subscribed].filter((channel) => !this.#listeners.has(channel))
    const unwanted = all.slice(0, this.#channelsPerCall())
    if (unwanted.length === 0) return false
    for (const channel of unwanted) this.#subscribed.delete(channel)
    const { sharded } = this.#parts
    await this.#inTime(sharded ? connection.sunsubscribe(...unwanted) : connection.unsubscribe(...unwanted))
    return true
  }

  /** In a cluster, sharded channels of one command must lie in one slot. */
  #channelsPerCall(): number {
    return this.#parts.sharded && 'nodes' in this.#parts.redis ? 1 : CHANNELS_PER_CALL_MAX
  }

  #nowListening(channel: string): void {
    this.#subscribed.add(channel)
    for (const listener of this.#listeners.get(channel) ?? []) listener.listening()
  }

  #hangUp(connection: RedisClient): boolean {
    this.#connection = undefined
    this.#subscribed.clear()
    connection.disconnect()
    return false
  }

  #inTime(command: Promise<unknown>): Promise<unknown> {
    const { clock } = this.#parts
    return withDeadline(command, {
      operation: 'subscribe',
      deadlineMs: SUBSCRIBE_MS,
      outcome: 'unknown',
      clock,
    })
  }

  #failed(error: unknown): void {
    const { clock, observer } = this.#parts
    tellFailure(observer, 'events', error, 'REDIS_NOT_DONE')
    this.#retry?.cancel()
    this.#retry = clock.setTimer(RETRY_MS, () => {
      this.#retry = undefined
      if (this.#listeners.size > 0) this.#open()
      this.#wake()
    })
  }
}

function isReady(connection: RedisClient): boolean {
  return connection.status === 'ready'
}
