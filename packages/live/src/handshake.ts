/** Who may connect: the origin, the sub-protocol and the ticket, looked at before a connection is accepted. */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { InvalidOptionError, objectOptions } from '@kerp/core'

/** How a server is attached. */
export interface AttachOptions {
  /** The path that clients connect to. @defaultValue '/live' */
  readonly path?: string | undefined
  /** Pages that may connect: scheme, host and port, compared exactly. Nobody else may, and none without an origin. */
  readonly origins: readonly string[]
  /** Lets programs connect that send no origin at all, which no browser does. @defaultValue false */
  readonly allowNoOrigin?: boolean | undefined
  /**
   * Whether a request's `Host` header is one of this server's: a page whose name was turned to this address after it
   * was loaded (DNS rebinding) still sends its own. @defaultValue every host
   */
  readonly allowHost?: ((host: string | undefined) => boolean) | undefined
  /** Behind a proxy: where a request really comes from. @defaultValue the socket's remote address */
  readonly addressOf?: ((request: IncomingMessage) => string) | undefined
}

/** Why a request was not accepted, and the answer's status. */
export const REFUSALS = {
  method: 405,
  host: 403,
  origin: 403,
  protocol: 400,
  ticket: 401,
  limit: 429,
  draining: 503,
} as const

/** The word for it. */
export type Refusal = keyof typeof REFUSALS

/** A path that no hub has is no hub's refusal, and counted by none. */
type Answer = Refusal | 'path'

/** What a client offered: nothing is accepted yet. */
export interface Offer {
  /** Undefined when it is to come as the first message. */
  readonly ticket: string | undefined
}

const TICKET_ITEM = 'ticket.'
/** A ticket with characters that no sub-protocol may have, percent-encoded. */
const ENCODED_ITEM = 'ticket-encoded.'
const ITEMS_MAX = 8

const ORIGIN = /^(?:null|[a-z][a-z0-9+.-]*:\/\/[^/?#\s*]+)$/

/**
 * Checks how a server is to be attached: an origin that no page can have would keep all out.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function checkAttachOptions(options: AttachOptions): void {
  const { path, origins, allowHost } = objectOptions('LiveHub.attach', options)
  if (path !== undefined && !/^\/[^?#\s]*$/.test(path)) {
    throw new InvalidOptionError('LiveHub.attach', 'path', 'a path that begins with /, without a query', path)
  }
  if (allowHost !== undefined && typeof allowHost !== 'function') {
    throw new InvalidOptionError('LiveHub.attach', 'allowHost', 'a function', allowHost)
  }
  const list: unknown = origins
  if (!Array.isArray(list)) {
    const expected = 'a list of origins; an empty one lets no page in'
    throw new InvalidOptionError('LiveHub.attach', 'origins', expected, list)
  }
  const wrong: unknown = list.find((origin) => typeof origin !== 'string' || !ORIGIN.test(origin))
  if (wrong !== undefined) {
    const expected =
      'scheme, host and port as browsers send them, with nothing behind: https://erp.example:8443'
    throw new InvalidOptionError('LiveHub.attach', 'origins', expected, wrong)
  }
}

/** Reads the request, or says why it is refused. */
export function readOffer(
  request: IncomingMessage,
  protocol: string,
  { origins, allowNoOrigin = false, allowHost }: AttachOptions,
): Offer | Refusal {
  if (request.method !== 'GET') return 'method'
  const { host, origin } = request.headers
  if (allowHost?.(host) === false) return 'host'
  if (origin === undefined ? !allowNoOrigin : !origins.includes(origin)) return 'origin'
  const items = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((item) => item.trim())
  if (items.length > ITEMS_MAX || !items.includes(protocol)) return 'protocol'
  const tickets = items.map(ticketIn).filter((ticket) => ticket !== undefined)
  if (tickets.length > 1) return 'protocol'
  return { ticket: tickets[0] }
}

/** The ticket that an item carries, if it does; empty, which is nobody's, for one that nobody can decode. */
function ticketIn(item: string): string | undefined {
  if (item.startsWith(TICKET_ITEM)) return item.slice(TICKET_ITEM.length)
  if (!item.startsWith(ENCODED_ITEM)) return undefined
  try {
    return decodeURIComponent(item.slice(ENCODED_ITEM.length))
  } catch {
    return ''
  }
}

/** Answers a request that is not accepted, and ends its connection. */
export function refuse(socket: Duplex, refusal: Answer): void {
  const retry = refusal === 'draining' || refusal === 'limit' ? 'retry-after: 1\r\n' : ''
  const [status, body] = ANSWERS[refusal]
  const head = `content-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
  // Nobody else listens yet: a socket that breaks now must not end the process.
  socket.on('error', () => void socket.destroy())
  socket.end(
    `HTTP/1.1 ${refusal === 'path' ? REFUSALS.protocol : REFUSALS[refusal]} ${status}\r\nconnection: close\r\n${head}${retry}\r\n${body}`,
  )
  // One that does not read the answer is not waited for.
  socket.once('finish', () => socket.destroy())
}

/** What stands beside the status, and why: read by whoever looks at the request in a browser. */
const ANSWERS: Readonly<Record<Answer, readonly [status: string, body: string]>> = {
  method: ['Method Not Allowed', 'A live connection begins with GET.'],
  host: ['Forbidden', 'This server is not called so; its settings say which hosts it answers to.'],
  origin: ['Forbidden', 'Pages of this origin may not connect; the log of the server says which may.'],
  path: ['Bad Request', 'There is no live connection at this path.'],
  protocol: ['Bad Request', 'The sub-protocol of the hub must be offered, with one ticket at most.'],
  ticket: ['Unauthorized', 'The ticket is none, has expired, or was used before.'],
  limit: ['Too Many Requests', 'There are too many connections.'],
  draining: ['Service Unavailable', 'The server is going away.'],
}
