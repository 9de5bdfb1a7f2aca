/**
 * The hub: WebSocket clients of many companies, each with its own place in its company's events.
 *
 * A client costs its connection and two numbers. Frames are built once for all clients that stand at the same place;
 * a slow one is left behind, then given a snapshot, then sent away, and never holds up another.
 */

import type { Server } from 'node:http'
import { type Closable, closeOnce, InvalidInputError, tellFailure, type Timer } from '@kerp/core'
import { type ClientMessage, readClientMessage } from './client-message.js'
import type { CloseReason } from './close-codes.js'
import { ConnectionCounts } from './connection-counts.js'
import type { LivePrincipal } from './feed.js'
import { Gate } from './gate.js'
import type { AttachOptions } from './handshake.js'
import type { HubClient } from './hub-client.js'
import { type LiveHubOptions, type LiveHubParts, resolveLiveHubOptions } from './hub-options.js'
import { Room } from './room.js'
import { judge } from './sweep.js'
import { Ticker } from './ticker.js'
import { TopicTable } from './topics.js'

interface UsedRoom<E> {
  readonly room: Room<E>
  linger: Timer | undefined
}

const SWEEP_MS_MAX = 1_000
const SECOND_MS = 1_000

/**
 * A hub. It is attached to one or more HTTP servers, whatever made them, and never closes them.
 *
 * @example
 * import { LiveHub } from '@kerp/live'
 * import type { LiveFeed } from '@kerp/live'
 *
 * declare const feed: LiveFeed<{ readonly id: string }>
 * const hub = new LiveHub({
 *   feed,
 *   topics: { events: { kind: 'log', item: (event) => event } },
 *   snapshot: () => Promise.resolve({}),
 *   admit: () => Promise.resolve({ companyId: 'c1', user: 'kim' }),
 * })
 * await hub.close()
 */
export class LiveHub<E> implements Closable {
  readonly close = closeOnce(() => this.#drain())
  readonly #parts: LiveHubParts<E>
  readonly #table: TopicTable<E>
  readonly #rooms = new Map<string, UsedRoom<E>>()
  readonly #clients = new Set<HubClient>()
  readonly #counts: ConnectionCounts
  readonly #gate: Gate<E>
  readonly #ticker: Ticker<Room<E>>
  #sweeping: Timer | undefined
  #countedMs: number

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: LiveHubOptions<E>) {
    this.#parts = resolveLiveHubOptions(options)
    const { clock, observer, tickMs } = this.#parts
    this.#table = new TopicTable(options.topics, (error) => tellFailure(observer, 'live', error))
    this.#counts = new ConnectionCounts(this.#parts)
    this.#countedMs = clock.monotonicMs()
    this.#ticker = new Ticker(clock, tickMs, (rooms) => this.#flush(rooms))
    this.#gate = new Gate(this.#parts, this.#counts, {
      onOpen: (client) => this.#open(client),
      onMessage: (client, text) => this.#hear(client, text),
      onHeld: (client, text) => this.#obey(client, text),
      onDrain: (client) => this.#roomOf(client)?.pump(client),
      onGone: (client) => this.#gone(client),
    })
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#clients.size
  }

  /** Groups of frames that were built for the rooms that are open: one for all clients at one place. */
  get framesBuilt(): number {
    return [...this.#rooms.values()].reduce((sum, { room }) => sum + room.framesBuilt, 0)
  }

  /**
   * Takes the upgrade requests of a server for one path; the returned function stops that. Several hubs may share a
   * server, each with its own path. A path that no hub has is refused: at once, or after `deadlineMs` where the host
   * listens to upgrades as well and did not answer.
   *
   * @throws {InvalidOptionError} `INVALID_OPTION` for a path or an origin that no request can have.
   * @throws {InvalidInputError} `INVALID_INPUT` for what is no server, and for a path that another hub of it has.
   */
  attach(server: Server, options: AttachOptions): () => void {
    return this.#gate.attach(server, options)
  }

  /**
   * Sends an item of an ephemeral topic to the company's clients that are not busy. Of several with one key before
   * the next tick the last is sent.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for a topic that is not ephemeral.
   */
  announce(companyId: string, topic: string, key: string, item: unknown): void {
    const index = this.#table.names.indexOf(topic)
    if (index < 0 || this.#table.kindOf(index) !== 'ephemeral') {
      throw new InvalidInputError('topic', 'an ephemeral topic of this hub', topic)
    }
    this.#rooms.get(companyId)?.room.announce(index, key, JSON.stringify(item))
  }

  /** Whether anybody of the company is connected here. */
  hasClients(companyId: string): boolean {
    return (this.#rooms.get(companyId)?.room.clients.size ?? 0) > 0
  }

  /** Sends a user's connections away for good: after a logout, or when access was taken. */
  expel(companyId: string, user: string): void {
    for (const client of this.#clients) {
      const { principal } = client
      if (principal?.companyId === companyId && principal.user === user) this.#close(client, 'forbidden')
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #open(client: HubClient): void {
    this.#clients.add(client)
    this.#parts.observer.liveConnections?.({ open: this.#clients.size })
    this.#sweepSoon()
  }

  #gone(client: HubClient): void {
    this.#clients.delete(client)
    this.#parts.observer.liveConnections?.({ open: this.#clients.size })
    if (client.principal === undefined) return
    const { companyId } = client.principal
    const used = this.#rooms.get(companyId)
    if (used === undefined) return
    used.room.leave(client)
    if (used.room.clients.size > 0) return
    used.linger ??= this.#parts.clock.setTimer(this.#parts.lingerMs, () => void this.#closeRoom(companyId))
  }

  async #closeRoom(companyId: string): Promise<void> {
    const used = this.#rooms.get(companyId)
    this.#rooms.delete(companyId)
    used?.linger?.cancel()
    await used?.room.close()
  }

  #hear(client: HubClient, text: string | undefined): void {
    client.messages += 1
    if (client.messages > this.#parts.messagesPerSecondMax) {
      this.#close(client, 'rate')
      return
    }
    if (text === undefined) return
    // Bounded by what a client may say in the time that a ticket has.
    if (client.principal === undefined && client.isAdmitting) client.held.push(text)
    else this.#obey(client, text)
  }

  #obey(client: HubClient, text: string): void {
    const message = readClientMessage(text)
    if (client.principal === undefined) {
      if (message?.op === 'ticket') void this.#gate.admitLater(client, message.ticket)
      else this.#close(client, 'ticket')
    } else if (message === undefined || message.op === 'ticket') {
      client.say({ op: 'error', code: 'MESSAGE_INVALID' })
    } else if (message.op === 'ping') {
      if (client.unsentBytes <= this.#parts.unsentBytesMax) client.say({ op: 'pong' })
    } else {
      this.#subscribe(client, client.principal, message)
    }
  }

  #subscribe(
    client: HubClient,
    { companyId, topics }: LivePrincipal,
    message: Extract<ClientMessage, { op: 'subscribe' }>,
  ): void {
    const set = this.#table.setOf(message.topics)
    if (set === undefined) {
      client.say({ op: 'error', code: 'TOPIC_UNKNOWN' })
      return
    }
    if (topics !== undefined && !set.names.every((name) => topics.includes(name))) {
      client.say({ op: 'error', code: 'TOPIC_FORBIDDEN' })
      return
    }
    const { resume, history } = message
    const from = resume === undefined ? undefined : { position: resume === 'invalid' ? -1 : resume, history }
    try {
      void this.#roomFor(companyId).join(client, set, from)
    } catch (error) {
      // Its feed cannot be opened now.
      tellFailure(this.#parts.observer, 'live', error)
      this.#close(client, 'overloaded')
    }
  }

  #roomFor(companyId: string): Room<E> {
    let used = this.#rooms.get(companyId)
    if (used === undefined) {
      const room: Room<E> = new Room<E>({
        hub: this.#parts,
        table: this.#table,
        companyId,
        onDirty: () => this.#ticker.mark(room),
      })
      used = { room, linger: undefined }
      this.#rooms.set(companyId, used)
    }
    used.linger?.cancel()
    used.linger = undefined
    return used.room
  }

  #roomOf({ principal }: HubClient): Room<E> | undefined {
    return principal === undefined ? undefined : this.#rooms.get(principal.companyId)?.room
  }

  async #flush(rooms: readonly Room<E>[]): Promise<void> {
    const beganMs = this.#parts.clock.monotonicMs()
    for (const room of rooms) await room.flush()
    this.#parts.observer.liveFlush?.({ elapsedMs: this.#parts.clock.monotonicMs() - beganMs })
  }

  #sweepSoon(): void {
    if (this.#sweeping !== undefined || this.#clients.size === 0) return
    const { clock, stalledMsMax, heartbeatMs, ticketMsMax } = this.#parts
    const sweepMs = Math.min(SWEEP_MS_MAX, stalledMsMax / 2, heartbeatMs / 2, ticketMsMax / 2)
    this.#sweeping = clock.setTimer(sweepMs, () => {
      this.#sweeping = undefined
      this.#sweep()
      this.#sweepSoon()
    })
  }

  #sweep(): void {
    const nowMs = this.#parts.clock.monotonicMs()
    const isNextSecond = nowMs - this.#countedMs >= SECOND_MS
    if (isNextSecond) this.#countedMs = nowMs
    for (const client of this.#clients) {
      if (isNextSecond) client.messages = 0
      const verdict = judge(client, nowMs, this.#parts)
      if (verdict === 'end') client.end()
      else if (verdict === 'ask') client.ask()
      else if (verdict !== undefined) this.#close(client, verdict)
      // A client whose bytes left without a word of it goes on here at the latest.
      else if (client.laggingSinceMs !== undefined) this.#roomOf(client)?.pump(client)
    }
  }

  #close(client: HubClient, reason: CloseReason): void {
    client.close(reason, this.#parts.clock.monotonicMs())
  }

  /** Tells everybody when to come back, one after the other, and ends what does not leave. */
  async #drain(): Promise<void> {
    const { clock, spreadMs, goodbyeMsMax } = this.#parts
    this.#gate.close()
    await this.#ticker.close()
    const clients = [...this.#clients]
    for (const [index, client] of clients.entries()) {
      const after = Math.round((spreadMs * index) / Math.max(1, clients.length))
      client.say({ op: 'bye', after })
      this.#close(client, 'restart')
    }
    const endMs = clock.monotonicMs() + goodbyeMsMax
    while (this.#clients.size > 0 && clock.monotonicMs() < endMs) await this.#gate.someGone(endMs)
    this.#sweeping?.cancel()
    for (const client of this.#clients) client.end()
    await Promise.all([...this.#rooms.keys()].map((companyId) => this.#closeRoom(companyId)))
  }
}
