/** The upgrade requests of one server, by path: every hub that is attached has its own, and no request is left unanswered. */

import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Clock, InvalidInputError, type Timer } from '@kerp/core'
import { refuse } from './handshake.js'

/** What takes the requests of one path. */
export interface UpgradeHandler {
  readonly clock: Clock
  /** How long another listener may take to answer a request of a path that no hub has, in ms. */
  readonly deadlineMs: number
  /** One that is closed gives its path to the next. */
  isClosed(): boolean
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

/** Requests that wait for another listener's answer; one more, and the oldest is refused. */
const WAITING_MAX = 1_000

const servers = new WeakMap<Server, UpgradePaths>()

/** The paths of one server. */
export class UpgradePaths {
  readonly #server: Server
  readonly #handlers = new Map<string, UpgradeHandler>()
  /** Each refuses its request at once. */
  readonly #waiting = new Set<() => void>()

  private constructor(server: Server) {
    this.#server = server
  }

  /** The paths of a server; there is one list of them, however many hubs are attached. */
  static of(server: Server): UpgradePaths {
    const known = servers.get(server) ?? new UpgradePaths(server)
    servers.set(server, known)
    return known
  }

  /**
   * Takes the requests of a path until the returned function is called.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for a path that another hub has.
   */
  add(path: string, handler: UpgradeHandler): () => void {
    if (this.#handlers.get(path)?.isClosed() === false) {
      throw new InvalidInputError('path', 'a path that no other hub of this server has', path)
    }
    if (this.#handlers.size === 0) this.#server.on('upgrade', this.#onUpgrade)
    this.#handlers.set(path, handler)
    return () => {
      if (this.#handlers.get(path) !== handler) return
      this.#handlers.delete(path)
      if (this.#handlers.size === 0) this.#server.off('upgrade', this.#onUpgrade)
    }
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const handler = this.#handlers.get((request.url ?? '').split('?')[0] ?? '')
    if (handler !== undefined) handler.take(request, socket, head)
    else if (this.#server.listenerCount('upgrade') === 1) refuse(socket, 'path')
    else this.#refuseLater(request, socket)
  }

  /** Another listener may take it. Whether it did is seen by what was written. */
  #refuseLater({ socket: connection }: IncomingMessage, socket: Duplex): void {
    const [handler] = this.#handlers.values()
    if (handler === undefined) return
    const { bytesWritten } = connection
    const onError = (): void => void socket.destroy()
    const settle = (): void => {
      timer.cancel()
      this.#waiting.delete(settle)
      socket.off('close', settle)
      if (!socket.destroyed && connection.bytesWritten === bytesWritten) refuse(socket, 'path')
      socket.off('error', onError)
    }
    const timer: Timer = handler.clock.setTimer(handler.deadlineMs, settle)
    socket.on('error', onError)
    socket.on('close', settle)
    this.#waiting.add(settle)
    const [oldest] = this.#waiting
    if (this.#waiting.size > WAITING_MAX) oldest?.()
  }
}
