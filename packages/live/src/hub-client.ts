/** One connection as the hub sees it: who it is, where it stands, and what may be written to it now. */

import type { Duplex } from 'node:stream'
import type { Observer } from '@kerp/core'
import type { WebSocket } from 'ws'
import { CLOSE_CODES, type CloseReason } from './close-codes.js'
import type { LivePrincipal } from './feed.js'
import type { Place } from './frame-groups.js'
import { textFrame } from './text-frame.js'
import type { TopicSet } from './topics.js'

/**
 * A client holds no queue. Its place in the ring is all that grows behind when it is slow; what was written and is
 * not sent yet never passes the hub's soft limit by more than one group or snapshot, whose bytes all clients share.
 */
export class HubClient {
  readonly connectedMs: number
  readonly #webSocket: WebSocket
  readonly #socket: Duplex
  readonly #observer: Observer
  /** Undefined until a ticket was accepted. */
  principal: LivePrincipal | undefined
  /** Its ticket came as a message and is being looked at; what it says meanwhile is held. */
  isAdmitting = false
  readonly held: string[] = []
  set: TopicSet | undefined
  place: Place = { cursor: 0, told: 0 }
  /** Whether it waits for a snapshot or for its place. */
  isJoining = false
  /** Raised by each subscription: what an earlier one still waited for is dropped. */
  turn = 0
  /** Since when it is behind with unsent bytes. */
  laggingSinceMs: number | undefined
  resets = 0
  heardMs: number
  isAsked = false
  /** Messages in this second. */
  messages = 0
  #unsent = 0
  #movedMs: number
  #closingMs: number | undefined

  constructor(
    webSocket: WebSocket,
    socket: Duplex,
    { nowMs, observer }: { readonly nowMs: number; readonly observer: Observer },
  ) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#observer = observer
    this.connectedMs = nowMs
    this.heardMs = nowMs
    this.#movedMs = nowMs
  }

  /** Whether it is being closed, or has ended: nothing is done for it any more. */
  get isClosing(): boolean {
    return this.#closingMs !== undefined
  }

  /** When the hub began to close it. */
  get closingMs(): number | undefined {
    return this.#closingMs
  }

  /** Bytes that were written and did not leave this process. */
  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  /** Writes whole frames as they are. Nothing goes to a connection that is being closed. */
  write(frames: Buffer): void {
    if (this.isClosing || this.#webSocket.readyState !== this.#webSocket.OPEN || frames.length === 0) return
    this.#socket.write(frames)
  }

  /** Sends a small message of the hub's own. */
  say(message: Readonly<Record<string, unknown>>): void {
    this.write(textFrame(JSON.stringify(message)))
  }

  /** Asks for a sign of life. */
  ask(): void {
    this.isAsked = true
    if (!this.isClosing && this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.ping()
  }

  /** How long no byte has left although some wait, in ms. To be called regularly. */
  stalledMs(nowMs: number): number {
    const unsent = this.unsentBytes
    if (unsent === 0 || unsent < this.#unsent) this.#movedMs = nowMs
    this.#unsent = unsent
    return nowMs - this.#movedMs
  }

  /** Bytes have left: called when the socket says so. */
  moved(nowMs: number): void {
    this.#movedMs = nowMs
  }

  /** Begins the goodbye; `end` follows for one that does not answer it. */
  close(reason: CloseReason, nowMs: number): void {
    if (this.isClosing) return
    this.#closingMs = nowMs
    this.#observer.liveClose?.({ reason })
    this.#webSocket.close(CLOSE_CODES[reason], reason)
  }

  /** Ends the connection at once; one that has ended already is only noted. */
  end(): void {
    this.#closingMs ??= this.connectedMs
    this.#webSocket.terminate()
  }
}
