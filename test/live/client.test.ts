import { gzipSync } from 'node:zlib'
import { readFile } from 'node:fs/promises'
import { transform } from 'esbuild'
import { CLOSE_CODES, mayReconnect } from '@kerp/live'
import { LiveClient, type LiveClientOptions, type LiveSocket, type LiveState } from '@kerp/live/browser'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { eventually, type LiveWorld, openLiveWorld, ORIGIN } from './live-world.js'
import type { KeyEvent } from './memory-feed.js'

let world: LiveWorld
const clients: LiveClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await world.close()
})

interface Page {
  readonly client: LiveClient
  readonly states: LiveState[]
  /** Values of events: those of snapshots first. */
  readonly values: number[]
  readonly latest: Map<string, number>
  snapshots: number
}

function silentSocket(): LiveSocket {
  const nothing = (): void => undefined
  return {
    readyState: 0,
    onopen: null,
    onmessage: null,
    onclose: null,
    onerror: null,
    send: nothing,
    close: nothing,
  }
}

/** What a client becomes by what happens to its socket before anything is heard. */
async function stateAfter(happens: (socket: LiveSocket) => void): Promise<LiveState> {
  let opened: LiveSocket | undefined
  const client = new LiveClient({
    url: 'ws://127.0.0.1/live',
    ticket: () => Promise.resolve('t'),
    connect: () => (opened = silentSocket()),
    backoffMs: 60_000,
    backoffMsMax: 60_000,
  })
  clients.push(client)
  client.start()
  await eventually(() => expect(opened?.onclose).not.toBeNull())
  if (opened !== undefined) happens(opened)
  return client.state
}

const openSocket = (url: string, protocols: readonly string[]): LiveSocket =>
  new WebSocket(url, [...protocols], { origin: ORIGIN }) as unknown as LiveSocket

/** What a page does: shows the state, and writes down every event. */
function openPage(options: Partial<LiveClientOptions> = {}): Page {
  const states: LiveState[] = []
  const client = new LiveClient({
    url: world.url,
    ticket: () => Promise.resolve(world.ticketOf('c1')),
    connect: openSocket,
    onState: (state) => states.push(state),
    backoffMs: 20,
    backoffMsMax: 200,
    ...options,
  })
  clients.push(client)
  const page: Page = { client, states, values: [], latest: new Map(), snapshots: 0 }
  const show = (items: readonly unknown[]): void => {
    for (const { key, value } of items as readonly KeyEvent[]) page.latest.set(key, value)
  }
  client.subscribe('state', {
    snapshot: (items) => {
      page.snapshots += 1
      page.latest.clear()
      show(items)
    },
    apply: show,
  })
  client.subscribe('events', {
    snapshot: (items) => void page.values.splice(0, Infinity, ...valuesOf(items)),
    apply: (items) => void page.values.push(...valuesOf(items)),
  })
  client.start()
  return page
}

function valuesOf(items: readonly unknown[]): readonly number[] {
  return (items as readonly KeyEvent[]).map(({ value }) => value)
}

const upTo = (count: number, from = 1): readonly number[] => Array.from({ length: count }, (_, i) => from + i)

describe('The client of the browser', () => {
  it('shows snapshot and changes, and says in which state it is', async () => {
    world = await openLiveWorld()
    world.feed.commit('c1', [1, 2])
    const page = openPage()
    await eventually(() => expect(page.client.state).toBe('live'))
    world.feed.commit('c1', [3, 4])
    await eventually(() => expect(page.values).toEqual([1, 2, 3, 4]))
    expect(page.latest.get('k4')).toBe(4)
    expect(page.states).toEqual(['connecting', 'syncing', 'live'])
  })

  it('comes back to where it was after each cut, without a snapshot', async () => {
    world = await openLiveWorld()
    const sockets: LiveSocket[] = []
    const page = openPage({
      connect: (url, protocols) => {
        const socket = openSocket(url, protocols)
        sockets.push(socket)
        return socket
      },
    })
    await eventually(() => expect(page.client.state).toBe('live'))
    for (let cut = 0; cut < 5; cut += 1) {
      ;(sockets.at(-1) as unknown as WebSocket).terminate()
      world.feed.commit('c1', upTo(10, 10 * cut + 1))
      await eventually(() => expect(page.values).toEqual(upTo(10 * (cut + 1))))
      await eventually(() => expect(page.client.state).toBe('live'))
    }
    expect(page.snapshots).toBe(1)
    expect(sockets).toHaveLength(6)
  })

  it('notices a frame that is missing, and gets it', async () => {
    world = await openLiveWorld()
    let lose = false
    const page = openPage({
      connect: (url, protocols) => {
        const socket = openSocket(url, protocols)
        const lossy = socket as unknown as WebSocket
        const emit = lossy.emit.bind(lossy)
        lossy.emit = (name: string | symbol, ...args: unknown[]) =>
          lose && name === 'message' ? true : emit(name, ...args)
        return socket
      },
    })
    await eventually(() => expect(page.client.state).toBe('live'))
    lose = true
    world.feed.commit('c1', [1, 2])
    const reader = await world.join('c1', { topics: ['events'] })
    await eventually(() => expect(reader.frames).toHaveLength(1))
    await eventually(() => expect(reader.frames[0]?.to).toBe('2'))
    lose = false
    world.feed.commit('c1', [3])
    await eventually(() => expect(page.values).toEqual([1, 2, 3]))
    expect(page.snapshots).toBe(1)
  })

  it('shows a snapshot in place of everything when history began anew', async () => {
    world = await openLiveWorld()
    world.feed.commit('c1', upTo(10))
    const page = openPage()
    await eventually(() => expect(page.client.state).toBe('live'))
    world.feed.goBack('c1', 4)
    await eventually(() => expect(page.snapshots).toBe(2))
    world.feed.commit('c1', [50])
    await eventually(() => expect([...page.latest.values()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 50]))
  })

  it('stays closed when it is closed by whoever hears that it is offline', async () => {
    world = await openLiveWorld()
    const states: LiveState[] = []
    const { client } = openPage({
      ticket: () => Promise.reject(new Error('no ticket')),
      backoffMs: 0,
      onState: (state) => {
        states.push(state)
        if (state === 'offline') clients[0]?.close()
      },
    })
    await eventually(() => expect(client.state).toBe('closed'))
    // Its next attempt would be due at once, so long before another client is there.
    const other = openPage()
    await eventually(() => expect(other.client.state).toBe('live'))
    expect(states).toEqual(['connecting', 'offline', 'closed'])
  })

  it('asks for another ticket when one does not come', async () => {
    world = await openLiveWorld()
    let tickets = 0
    const page = openPage({
      ticket: () => {
        tickets += 1
        return tickets === 1 ? new Promise<never>(() => undefined) : Promise.resolve(world.ticketOf('c1'))
      },
      silenceMsMax: 500,
    })
    await eventually(() => expect(page.client.state).toBe('live'))
    expect(page.states.slice(0, 3)).toEqual(['connecting', 'offline', 'connecting'])
  })

  it('comes back when the server said so, and asks for a new ticket each time', async () => {
    world = await openLiveWorld({ spreadMs: 0 })
    let tickets = 0
    const page = openPage({
      ticket: () => {
        tickets += 1
        return tickets === 2 ? Promise.reject(new Error('not now')) : Promise.resolve(world.ticketOf('c1'))
      },
    })
    await eventually(() => expect(page.client.state).toBe('live'))
    const { feed } = world
    await world.close()
    await eventually(() => expect(page.client.state).toBe('offline'))
    feed.commit('c1', [5])
    expect(page.states).toEqual(['connecting', 'syncing', 'live', 'offline'])
    await eventually(() => expect(tickets).toBeGreaterThan(2))
  })

  it('does not come back when it was told not to', async () => {
    world = await openLiveWorld()
    const page = openPage()
    await eventually(() => expect(page.client.state).toBe('live'))
    world.hub.expel('c1', 'kim')
    await eventually(() => expect(page.client.state).toBe('closed'))
  })

  it('comes back after the codes after which the server lets it, and after no other', async () => {
    world = await openLiveWorld()
    const codes = [
      1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 3000, 4000, 4499, 4999,
    ]
    for (const code of [...codes, ...Object.values(CLOSE_CODES)]) {
      const state = await stateAfter((socket) => socket.onclose?.({ code }))
      expect([code, state]).toEqual([code, mayReconnect(code) ? 'offline' : 'closed'])
    }
    const forGood = codes.filter((code) => !mayReconnect(code))
    expect(forGood).toEqual([1002, 1003, 1007, 1008, 1009, 4999])
  })

  it.each(['<html>', '', 'null', '7'])('connects again after %j, which is no frame', async (data) => {
    world = await openLiveWorld()
    expect(await stateAfter((socket) => socket.onmessage?.({ data }))).toBe('offline')
  })

  it('leaves a server that is silent, and connects again', async () => {
    world = await openLiveWorld()
    let connects = 0
    const page = openPage({
      silenceMsMax: 50,
      connect: (url, protocols) => {
        connects += 1
        const socket = openSocket(url, protocols)
        if (connects === 1) socket.send = () => undefined
        return socket
      },
    })
    await eventually(() => expect(page.client.state).toBe('live'))
    expect(connects).toBeGreaterThan(1)
    world.feed.commit('c1', [9])
    await eventually(() => expect(page.values).toContain(9))
  })

  it('imports nothing, and is at most 5 kB on the wire', async () => {
    world = await openLiveWorld()
    const source = await readFile('packages/live/src/browser.ts', 'utf8')
    expect(source).not.toMatch(/^import /m)
    const { code } = await transform(source, { loader: 'ts', minify: true, format: 'esm' })
    expect(gzipSync(code).length).toBeLessThanOrEqual(5_000)
  })
})
