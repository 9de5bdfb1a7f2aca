/** A unix socket in front of a server's: connections through it can be cut, frozen, or cut at a word. */

import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What the proxy does to traffic; changed while the test runs. */
export interface ProxyPlan {
  /** Nothing is passed on in either direction. */
  frozen: boolean
  /** New connections are closed at once. */
  refusing: boolean
  /** A chunk from the client that contains this word is passed on, and then the client's side is cut. */
  cutAfter: string | undefined
  /** A chunk from the client that contains this word is swallowed, and everything after it. */
  swallowFrom: string | undefined
}

/** A running proxy. */
export interface SocketProxy extends AsyncDisposable {
  /** As the server's url, through the proxy. */
  readonly url: string
  readonly plan: ProxyPlan
  /** How many times `cutAfter` or `swallowFrom` met their word. */
  readonly hits: () => number
  close(): Promise<void>
}

/** Opens a proxy to the server of `url`, whose socket's directory is in its `host` parameter. */
export async function openSocketProxy(url: string): Promise<SocketProxy> {
  const target = new URL(url)
  const directory = await mkdtemp(join(tmpdir(), 'kerp-proxy-'))
  const upstream = join(target.searchParams.get('host') ?? '', '.s.PGSQL.5432')
  const plan: ProxyPlan = { frozen: false, refusing: false, cutAfter: undefined, swallowFrom: undefined }
  const sockets = new Set<Socket>()
  let hits = 0
  const server = createServer((client) => {
    if (plan.refusing) {
      client.destroy()
      return
    }
    const backend = connect(upstream)
    let swallowing = false
    for (const socket of [client, backend]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        // Half of a cut pair stays open: a server does not notice at once that its client is gone.
        if (socket === backend) client.destroy()
      })
    }
    client.on('end', () => backend.end())
    backend.on('data', (chunk) => {
      if (!plan.frozen) client.write(chunk)
    })
    client.on('data', (chunk) => {
      const text = chunk.toString('latin1')
      swallowing ||= plan.swallowFrom !== undefined && text.includes(plan.swallowFrom)
      if (swallowing) hits += 1
      if (plan.frozen || swallowing) return
      backend.write(chunk)
      if (plan.cutAfter === undefined || !text.includes(plan.cutAfter)) return
      hits += 1
      client.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(join(directory, '.s.PGSQL.5432'), resolve))
  target.searchParams.set('host', directory)
  const close = (): Promise<void> => closeAll(server, sockets, directory)
  return { url: target.href, plan, hits: () => hits, close, [Symbol.asyncDispose]: close }
}

async function closeAll(server: Server, sockets: ReadonlySet<Socket>, directory: string): Promise<void> {
  for (const socket of sockets) socket.destroy()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  await rm(directory, { recursive: true, force: true })
}
