/**
 * A door in front of a server that can lose replies, cut, delay and swallow: what a network does to a client.
 *
 * It listens on a unix socket and passes bytes in both directions as the plan of the moment says.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** What the proxy does to bytes that pass now. Change it at any time. */
export interface FaultPlan {
  /** Waits this long before it passes a server's bytes on, in ms. */
  replyDelayMs: number
  /** Swallows what goes to the server, to the client, or both; connections stay open. */
  blackhole: 'none' | 'requests' | 'replies' | 'both'
  /**
   * Asked for each chunk of replies: true loses the chunk and cuts the connection, so that the server has done
   * the work and the client never hears of it.
   */
  losesReply: () => boolean
}

/** A running proxy. */
export interface FaultProxy extends AsyncDisposable {
  /** Where clients connect. */
  readonly socketPath: string
  readonly plan: FaultPlan
  /** How many chunks of replies were lost so far. */
  readonly lostReplies: number
  /** Cuts all connections that are open now. */
  cut(): void
  /** Back to passing everything. */
  heal(): void
  close(): Promise<void>
}

const HEALTHY: FaultPlan = { replyDelayMs: 0, blackhole: 'none', losesReply: () => false }

/** Opens a proxy in front of a server's unix socket. PostgreSQL's clients look for a socket of a certain name. */
export async function openFaultProxy(targetPath: string, name = 'proxy.sock'): Promise<FaultProxy> {
  const directory = await mkdtemp(join(tmpdir(), 'kerp-proxy-'))
  const socketPath = join(directory, name)
  const plan = { ...HEALTHY }
  const sockets = new Set<Socket>()
  let lostReplies = 0

  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
  }
  const server = createServer((client) => {
    const upstream = keep(connect(targetPath))
    keep(client)
    let passedOn = Promise.resolve()
    client.on('data', (bytes) => {
      if (plan.blackhole !== 'requests' && plan.blackhole !== 'both') upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (plan.blackhole === 'replies' || plan.blackhole === 'both') return
      if (plan.losesReply()) {
        lostReplies += 1
        client.destroy()
        return
      }
      const dueMs = performance.now() + plan.replyDelayMs
      // One after the other, or the end of a delay would let later bytes overtake earlier ones.
      passedOn = passedOn.then(async () => {
        const leftMs = dueMs - performance.now()
        if (leftMs > 0) await wait(leftMs)
        client.write(bytes)
      })
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await listen(server, socketPath)

  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const close = async (): Promise<void> => {
    cut()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    await rm(directory, { recursive: true, force: true })
  }
  return {
    socketPath,
    plan,
    get lostReplies() {
      return lostReplies
    },
    cut,
    heal: () => void Object.assign(plan, HEALTHY),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve())
  })
}
