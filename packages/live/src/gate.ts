/** Where connections come in: upgrade requests are checked, counted and accepted here, and their ends are heard. */

import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { InvalidInputError, sleep, tellFailure, withDeadline } from '@kerp/core'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { TICKET_MAX } from './client-message.js'
import type { ConnectionCounts } from './connection-counts.js'
import type { LivePrincipal } from './feed.js'
import { type AttachOptions, checkAttachOptions, readOffer, type Refusal, refuse } from './handshake.js'
import { HubClient } from './hub-client.js'
import type { LiveHubParts } from './hub-options.js'
import { UpgradePaths } from './upgrade-paths.js'

/** Refused origins of which the operator is told. */
const TOLD_ORIGINS_MAX = 100

/** What the hub hears of connections. */
export interface GateHandlers {
  onOpen(client: HubClient): void
  /** Undefined for a sign of life without text. */
  onMessage(client: HubClient, text: string | undefined): void
  /** A message that `onMessage` heard while the client's ticket was looked at: now it may be done. */
  onHeld(client: HubClient, text: string): void
  onDrain(client: HubClient): void
  onGone(client: HubClient): void
}

/** The gate of one hub. */
export class Gate<E> {
  readonly #parts: LiveHubParts<E>
  readonly #counts: ConnectionCounts
  readonly #handlers: GateHandlers
  readonly #accepting: WebSocketServer
  readonly #toldOrigins = new Set<string>()
  #isClosed = false
  #gone: (() => void) | undefined

  constructor(parts: LiveHubParts<E>, counts: ConnectionCounts, handlers: GateHandlers) {
    this.#parts = parts
    this.#counts = counts
    this.#handlers = handlers
    const bounds = {
      maxPayload: parts.messageBytesMax,
      maxFragments: parts.fragmentsMax,
      maxBufferedChunks: 4 * parts.fragmentsMax,
      maxPendingAutoPongs: parts.messagesPerSecondMax,
      closeTimeout: parts.goodbyeMsMax,
    }
    this.#accepting = new WebSocketServer({
      ...bounds,
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      handleProtocols: () => parts.protocol,
    })
  }

  /**
   * @throws {InvalidOptionError} `INVALID_OPTION`
   * @throws {InvalidInputError} `INVALID_INPUT` for what is no server, or a path that another hub has.
   */
  attach(server: Server, options: AttachOptions): () => void {
    if (typeof Reflect.get(Object(server), 'listenerCount') !== 'function') {
      throw new InvalidInputError('server', 'an HTTP server of node:http or node:https', server)
    }
    checkAttachOptions(options)
    return UpgradePaths.of(server).add(options.path ?? '/live', {
      clock: this.#parts.clock,
      deadlineMs: this.#parts.deadlineMs,
      isClosed: () => this.#isClosed,
      take: (request, socket, head) => {
        this.#receive(request, socket, head, options).catch((error: unknown) => {
          // Whatever a request makes the host's own functions throw ends that request alone.
          tellFailure(this.#parts.observer, 'live', error)
          socket.destroy()
        })
      },
    })
  }

  /** From now on every request is refused, and told to come back. */
  close(): void {
    this.#isClosed = true
  }

  /** Waits until some connection has ended, at most until `endMs`. */
  async someGone(endMs: number): Promise<void> {
    const { clock } = this.#parts
    const waiting = new AbortController()
    this.#gone = () => waiting.abort()
    await sleep(clock, Math.max(1, endMs - clock.monotonicMs()), waiting.signal).catch(() => undefined)
  }

  /** The ticket came as a message. */
  async admitLater(client: HubClient, ticket: string): Promise<void> {
    client.isAdmitting = true
    const principal = await this.#admit(ticket)
    if (client.isClosing || client.principal !== undefined) return
    const { clock } = this.#parts
    if (principal === undefined) {
      client.close('ticket', clock.monotonicMs())
    } else if (this.#counts.admit(principal)) {
      client.principal = principal
      // What came while the ticket was looked at was meant for afterwards.
      for (const text of client.held.splice(0)) this.#handlers.onHeld(client, text)
    } else {
      client.close('rate', clock.monotonicMs())
    }
  }

  async #receive(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    options: AttachOptions,
  ): Promise<void> {
    // Before anything is waited for: a socket that breaks now must not end the process.
    const onEarlyError = (): void => void socket.destroy()
    socket.on('error', onEarlyError)
    const say = (refusal: Refusal): void => {
      const told = refusal === 'origin' ? this.#tellOrigin(request.headers.origin, options) : {}
      this.#parts.observer.liveRefusal?.({ reason: refusal, ...told })
      refuse(socket, refusal)
    }
    const offer = this.#isClosed ? 'draining' : readOffer(request, this.#parts.protocol, options)
    if (typeof offer === 'string') {
      say(offer)
      return
    }
    const address = options.addressOf?.(request) ?? request.socket.remoteAddress ?? ''
    if (!this.#counts.enter(address)) {
      say('limit')
      return
    }
    const principal = offer.ticket === undefined ? undefined : await this.#admit(offer.ticket)
    const refusal = this.#refusalOf(offer.ticket, principal)
    if (refusal !== undefined || socket.destroyed) {
      this.#counts.leave(address)
      if (refusal !== undefined) say(refusal)
      else if (principal !== undefined) this.#counts.dismiss(principal)
      return
    }
    let isAccepted = false
    socket.once('close', () => {
      // A handshake that is no WebSocket's is answered by ws, and leaves nothing but this.
      if (isAccepted) return
      this.#counts.leave(address)
      if (principal !== undefined) this.#counts.dismiss(principal)
    })
    this.#accepting.handleUpgrade(request, socket, head, (webSocket) => {
      isAccepted = true
      socket.off('error', onEarlyError)
      this.#accept(webSocket, socket, { address, principal })
    })
  }

  /** For the operator, who may have forgotten an origin; told once for each, as whoever asks chooses what it sends. */
  #tellOrigin(origin: string | undefined, { origins }: AttachOptions): { readonly message: string } {
    const allowed = origins.length === 0 ? 'on the list, which is empty' : `one of ${origins.join(', ')}`
    const error = new InvalidInputError('origin', allowed, origin)
    const name = origin ?? ''
    if (!this.#toldOrigins.has(name) && this.#toldOrigins.size < TOLD_ORIGINS_MAX) {
      this.#toldOrigins.add(name)
      tellFailure(this.#parts.observer, 'live', error)
    }
    return { message: error.message }
  }

  #refusalOf(ticket: string | undefined, principal: LivePrincipal | undefined): Refusal | undefined {
    if (this.#isClosed) return 'draining'
    if (ticket === undefined) return undefined
    if (principal === undefined) return 'ticket'
    return this.#counts.admit(principal) ? undefined : 'limit'
  }

  #accept(
    webSocket: WebSocket,
    socket: Duplex,
    { address, principal }: { readonly address: string; readonly principal: LivePrincipal | undefined },
  ): void {
    const { clock, observer } = this.#parts
    const client = new HubClient(webSocket, socket, { nowMs: clock.monotonicMs(), observer })
    client.principal = principal
    const heard = (text: string | undefined): void => {
      if (client.isClosing) return
      client.heardMs = clock.monotonicMs()
      client.isAsked = false
      this.#handlers.onMessage(client, text)
    }
    webSocket.on('message', (data: RawData, isBinary: boolean) => heard(isBinary ? '' : textOf(data)))
    webSocket.on('ping', () => heard(undefined))
    webSocket.on('pong', () => {
      client.heardMs = clock.monotonicMs()
      client.isAsked = false
    })
    // What is no WebSocket frame is answered by ws with its own close code; there is nothing to add.
    webSocket.on('error', () => undefined)
    webSocket.on('close', () => {
      // Its ticket may still be looked at, and must not let in who is gone.
      client.end()
      this.#counts.leave(address)
      if (client.principal !== undefined) this.#counts.dismiss(client.principal)
      this.#handlers.onGone(client)
      this.#gone?.()
    })
    socket.on('drain', () => {
      client.moved(clock.monotonicMs())
      this.#handlers.onDrain(client)
    })
    this.#handlers.onOpen(client)
  }

  /** A provider that fails lets nobody in. */
  async #admit(ticket: string): Promise<LivePrincipal | undefined> {
    if (ticket === '' || ticket.length > TICKET_MAX) return undefined
    const { admit, deadlineMs, clock, observer } = this.#parts
    const bounds = { operation: 'checking a ticket', deadlineMs, outcome: 'notDone', clock } as const
    try {
      return await withDeadline(admit(ticket), bounds)
    } catch (error) {
      tellFailure(observer, 'live', error)
      return undefined
    }
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8')
  return Buffer.isBuffer(data) ? data.toString('utf8') : Buffer.from(data).toString('utf8')
}
