/**
 * One contestant of the live bench in a process of its own: accepts clients on a free port, and broadcasts events when
 * it is told to. Says its CPU time and memory.
 */

import { createServer } from 'node:http'
import { LiveHub, type LiveFeedHandlers } from '@kerp/live'
import { Server as SocketIo } from 'socket.io'
import { WebSocket, WebSocketServer } from 'ws'

/** What a contestant does. */
interface Contestant {
  readonly connections: () => number
  readonly broadcast: (event: object, position: number) => void
}

const server = createServer()

/** The hub, with its shared frames. */
function kerp(tickMs: number): Contestant {
  let handlers: LiveFeedHandlers<object> | undefined
  const hub = new LiveHub<object>({
    feed: {
      open: (_companyId, opened) => {
        handlers = opened
        opened.onStart({ history: 'h', position: 0 })
        return { close: () => Promise.resolve() }
      },
      read: () => Promise.resolve({ history: 'h', events: [], trimmedTo: 0 }),
    },
    topics: { events: { kind: 'log', item: (event) => event } },
    snapshot: () => Promise.resolve({}),
    admit: () => Promise.resolve({ companyId: 'c1', user: 'u' }),
    tickMs,
    stalledMsMax: 60_000,
    connectionsPerAddressMax: 100_000,
    connectionsPerUserMax: 100_000,
    connectionsPerCompanyMax: 100_000,
    connectionsMax: 100_000,
  })
  hub.attach(server, { origins: ['http://bench'] })
  return {
    connections: () => hub.connections,
    broadcast: (event, position) => handlers?.onEvents({ from: position - 1, to: position, events: [event] }),
  }
}

/** ws as most people use it: the event is written as JSON for each client, or once for all. */
function plainWs(isOnce: boolean): Contestant {
  const accepting = new WebSocketServer({ server })
  return {
    connections: () => accepting.clients.size,
    broadcast: (event) => {
      const text = JSON.stringify(event)
      for (const client of accepting.clients) {
        if (client.readyState === WebSocket.OPEN) client.send(isOnce ? text : JSON.stringify(event))
      }
    },
  }
}

function socketIo(): Contestant {
  const io = new SocketIo(server, { transports: ['websocket'], serveClient: false })
  return {
    connections: () => io.engine.clientsCount,
    broadcast: (event) => void io.emit('event', event),
  }
}

const CONTESTANTS: Readonly<Record<string, () => Contestant>> = {
  'kerp, 50 ms': () => kerp(50),
  'kerp, at once': () => kerp(0),
  'ws, JSON for each': () => plainWs(false),
  'ws, one string': () => plainWs(true),
  'socket.io': socketIo,
}

/** What to broadcast: so many events per second, for so long, each so many bytes longer than it must be. */
interface Order {
  readonly perSecond: number
  readonly ms: number
  readonly padding: number
}

const contestant = CONTESTANTS[process.argv[2] ?? '']?.()
if (contestant === undefined) throw new Error(`no contestant ${process.argv[2] ?? ''}`)
let position = 0

/** Sends the events, each with the time at which it was made. */
async function run({ perSecond, ms, padding }: Order): Promise<void> {
  const before = process.cpuUsage()
  const begunMs = performance.now()
  const text = 'x'.repeat(padding)
  let sent = 0
  while (performance.now() - begunMs < ms) {
    const due = Math.floor(((performance.now() - begunMs) * perSecond) / 1_000)
    for (; sent < due; sent += 1) {
      position += 1
      const madeMs = (performance.timeOrigin + performance.now()).toFixed(3)
      const payload = { account: '11210', fiscalYear: 2026, balance: '123456789', version: position, text }
      contestant?.broadcast(
        { id: String(position), type: 'events:balance:updated', payload, madeMs },
        position,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const { user, system } = process.cpuUsage(before)
  process.send?.({ sent, cpuMicros: user + system })
}

process.on('message', (order: Order | 'size') => {
  if (order !== 'size') void run(order)
  else {
    ;(globalThis as { gc?: () => void }).gc?.()
    process.send?.({ connections: contestant.connections(), rssBytes: process.memoryUsage.rss() })
  }
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' && address !== null ? address.port : 0 })
})
