/** Who may connect: the origin, the sub-protocol and the ticket, looked at before a connection is accepted. */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** How a server is attached. */
export interface AttachOptions {
  /** The path that clients connect to. @defaultValue '/live' */
  readonly path?: string | undefined
  /** Pages that may connect: scheme, host and port, compared exactly. Nobody else may, and none without an origin. */
  readonly origins: readonly string[]
  /** Lets programs connect that send no origin at all, which no browser does. @defaultValue false */
  readonly allowNoOrigin?: boolean | undefined
  /** Behind a proxy: where a request really comes from. @defaultValue the socket's remote address */
  readonly addressOf?: ((request: IncomingMessage) => string) | undefined
}

/** Why a request was not accepted, and the answer's status. */
export const REFUSALS = {
  method: 405,
  origin: 403,
  protocol: 400,
  ticket: 401,
  limit: 429,
  draining: 503,
} as const

/** The word for it. */
export type Refusal = keyof typeof REFUSALS

/** What a client offered: nothing is accepted yet. */
export interface Offer {
  /** Undefined when it is to come as the first message. */
  readonly ticket: string | undefined
}

const TICKET_ITEM = 'ticket.'
const ITEMS_MAX = 8

/** Reads the request, or says why it is refused. */
export function readOffer(
  request: IncomingMessage,
  protocol: string,
  { origins, allowNoOrigin = false }: AttachOptions,
): Offer | Refusal {
  if (request.method !== 'GET') return 'method'
  const { origin } = request.headers
  if (origin === undefined ? !allowNoOrigin : !origins.includes(origin)) return 'origin'
  const items = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((item) => item.trim())
  if (items.length > ITEMS_MAX || !items.includes(protocol)) return 'protocol'
  const tickets = items.filter((item) => item.startsWith(TICKET_ITEM))
  if (tickets.length > 1) return 'protocol'
  return { ticket: tickets[0]?.slice(TICKET_ITEM.length) }
}

/** Answers a request that is not accepted, and ends its connection. */
export function refuse(socket: Duplex, refusal: Refusal): void {
  const retry = refusal === 'draining' || refusal === 'limit' ? 'retry-after: 1\r\n' : ''
  const status = `${REFUSALS[refusal]} ${WORDS[refusal]}`
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n${retry}\r\n`)
  // One that does not read the answer is not waited for.
  socket.once('finish', () => socket.destroy())
}

const WORDS: Readonly<Record<Refusal, string>> = {
  method: 'Method Not Allowed',
  origin: 'Forbidden',
  protocol: 'Bad Request',
  ticket: 'Unauthorized',
  limit: 'Too Many Requests',
  draining: 'Service Unavailable',
}
