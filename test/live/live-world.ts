/** A hub on a real HTTP server of its own, and clients that write down what they hear. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AttachOptions, LiveHub, type LiveHubOptions, type LivePrincipal } from '@kerp/live'
import { vi } from 'vitest'
import { WebSocket } from 'ws'
import { type KeyEvent, MemoryFeed } from './memory-feed.js'

/** Where the test's page comes from. */
export const ORIGIN = 'https://erp.example'

const PATIENCE = { timeout: 20_000, interval: 10 }

/** Waits until `check` does not throw. */
export function eventually(check: () => void): Promise<void> {
  return vi.waitFor(check, PATIENCE)
}

/** A frame as a client got it. */
export interface HeardFrame {
  readonly op: string
  readonly topic?: string
  readonly from?: string
  readonly to?: string
  readonly history?: string
  readonly code?: string
  readonly after?: number
  readonly items?: readonly KeyEvent[]
  readonly events?: readonly KeyEvent[]
}

/** A client. */
export interface TestClient {
  readonly socket: WebSocket
  readonly frames: HeardFrame[]
  /** The close code, once it is closed. */
  closed(): number | undefined
  say(message: unknown): void
  /** Values of all events that it heard, in order, those of snapshots left out. */
  values(): readonly number[]
}

/** A hub with its server. */
export interface LiveWorld {
  readonly hub: LiveHub<KeyEvent>
  readonly feed: MemoryFeed
  readonly server: Server
  readonly port: number
  readonly url: string
  /** How often a snapshot was taken. */
  readonly snapshots: { count: number; wait: Promise<void> }
  /** Tickets that work, once each. */
  readonly tickets: Map<string, LivePrincipal>
  /** A new ticket. */
  ticketOf(companyId: string, principal?: Partial<LivePrincipal>): string
  /** Connects, subscribes and writes down. */
  join(companyId: string, subscribe?: Readonly<Record<string, unknown>>): Promise<TestClient>
  close(): Promise<void>
}

const TOPICS = {
  events: { kind: 'log', item: (event: KeyEvent) => event },
  state: { kind: 'state', entry: (event: KeyEvent) => ({ key: event.key, item: event }) },
  odd: {
    kind: 'state',
    entry: (event: KeyEvent) => (event.value % 2 === 1 ? { key: event.key, item: event } : undefined),
  },
  pulse: { kind: 'ephemeral' },
} as const

/** Opens one. */
export async function openLiveWorld(
  options: Partial<LiveHubOptions<KeyEvent>> & { readonly memory?: MemoryFeed } = {},
  attached: Partial<AttachOptions> = {},
): Promise<LiveWorld> {
  const feed = options.memory ?? new MemoryFeed()
  const snapshots = { count: 0, wait: Promise.resolve() }
  const tickets = new Map<string, LivePrincipal>()
  let ticketsMade = 0
  const hub = new LiveHub<KeyEvent>({
    feed,
    topics: TOPICS,
    snapshot: async ({ companyId, topics }) => {
      snapshots.count += 1
      const state = [...feed.state(companyId).values()]
      await snapshots.wait
      return Object.fromEntries(topics.map((topic) => [topic, state]))
    },
    admit: (ticket) => {
      const principal = tickets.get(ticket)
      tickets.delete(ticket)
      return Promise.resolve(principal)
    },
    tickMs: 5,
    spreadMs: 100,
    goodbyeMsMax: 500,
    connectionsPerAddressMax: 5_000,
    connectionsPerUserMax: 5_000,
    ...options,
  })
  const server = createServer()
  hub.attach(server, { origins: [ORIGIN], ...attached })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const url = `ws://127.0.0.1:${port}/live`
  const ticketOf: LiveWorld['ticketOf'] = (companyId, principal = {}) => {
    ticketsMade += 1
    const ticket = `t${ticketsMade}`
    tickets.set(ticket, { companyId, user: 'kim', ...principal })
    return ticket
  }
  return {
    hub,
    feed,
    server,
    port,
    url,
    snapshots,
    tickets,
    ticketOf,
    join: async (companyId, subscribe = { topics: ['events', 'state'] }) => {
      const client = await connect(url, ticketOf(companyId))
      client.say({ op: 'subscribe', ...subscribe })
      return client
    },
    close: async () => {
      await hub.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Connects with a ticket; rejects when the server refuses. */
export async function connect(url: string, ticket: string, origin = ORIGIN): Promise<TestClient> {
  const client = listen(new WebSocket(url, ['kerp.live.v1', `ticket.${ticket}`], { origin }))
  await once(client.socket, 'open')
  return client
}

/** Writes down what a socket hears. */
export function listen(socket: WebSocket): TestClient {
  const frames: HeardFrame[] = []
  let code: number | undefined
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString('utf8')) as HeardFrame))
  socket.on('close', (closed: number) => (code = closed))
  return {
    socket,
    frames,
    closed: () => code,
    say: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    values: () =>
      frames.flatMap(({ op, events = [] }) => (op === 'events' ? events.map(({ value }) => value) : [])),
  }
}

/** The status with which a connection is refused, or 101. */
export async function statusOf(
  url: string,
  protocols: readonly string[],
  headers: Readonly<Record<string, string>>,
): Promise<number> {
  const socket = new WebSocket(url, [...protocols], { headers })
  return new Promise((resolve) => {
    socket.on('unexpected-response', (_request, response) => {
      resolve(response.statusCode ?? 0)
      response.destroy()
    })
    socket.on('error', () => undefined)
    socket.on('open', () => {
      resolve(101)
      socket.terminate()
    })
  })
}

/** The chain: every frame begins where the one before it ended. Snapshots begin it anew. */
export function brokenLinks(frames: readonly HeardFrame[]): readonly HeardFrame[] {
  let position: string | undefined
  return frames.filter(({ op, from, to }) => {
    if (op === 'snapshot') position = to
    if (op !== 'events' && op !== 'state') return false
    const isBroken = from !== position
    position = to
    return isBroken
  })
}
