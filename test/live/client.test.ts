import { gzipSync } from 'node:zlib'
import { readFile } from 'node:fs/promises'
import { transform } from 'esbuild'
import { CLOSE_CODES, mayReconnect } from '@kerp/live'
import {
  LiveClient,
  type LiveClientOptions,
  type LiveFailure,
  type LiveSocket,
  type LiveState,
} from '@kerp/live/browser'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
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

  it.each([
    'a=b',
    'YWJj/ZGVm==',
    'a,b',
    'two words',
    'ticket "1" (of 2)',
    '표 1',
    '100%',
    'a%3Db',
    'a%3D=b',
    'plain.T-1_2~',
  ])('connects with the ticket %j, which the hub gets as it is', async (ticket) => {
    world = await openLiveWorld()
    world.tickets.set(ticket, { companyId: 'c1', user: 'kim' })
    const page = openPage({ ticket: () => Promise.resolve(ticket) })
    await eventually(() => expect(page.client.state).toBe('live'))
  })

  it('sends a ticket that can be a sub-protocol as it is, and one that cannot under another name', async () => {
    world = await openLiveWorld()
    const sent: string[] = []
    for (const ticket of ['eyJ.a-b_c', '100%', 'a%3Db', 'a=b']) {
      const connect = (_url: string, [, item = '']: readonly string[]): LiveSocket => {
        sent.push(item)
        return silentSocket()
      }
      const before = sent.length
      openPage({ ticket: () => Promise.resolve(ticket), connect })
      await eventually(() => expect(sent).toHaveLength(before + 1))
    }
    expect(sent).toEqual(['ticket.eyJ.a-b_c', 'ticket.100%', 'ticket.a%3Db', 'ticket-encoded.a%3Db'])
  })

  it('tells the page why it is not live, each time', async () => {
    world = await openLiveWorld()
    const failures: LiveFailure[] = []
    const noTicket = new Error('session over')
    const noSocket = new SyntaxError('no such protocol')
    let attempt = 0
    let socket = silentSocket()
    const page = openPage({
      ticket: () => {
        attempt += 1
        if (attempt === 1) return Promise.reject(noTicket)
        return attempt === 2
          ? (Promise.resolve(undefined) as unknown as Promise<string>)
          : Promise.resolve('t')
      },
      connect: () => {
        if (attempt === 3) throw noSocket
        socket = silentSocket()
        return socket
      },
      onFailure: (failure) => void failures.push(failure),
      backoffMs: 1,
      backoffMsMax: 1,
    })
    await eventually(() => expect(attempt).toBe(4))
    await eventually(() => expect(socket.onclose).not.toBeNull())
    const refused = new Error('Unexpected server response: 401')
    socket.onerror?.(refused)
    socket.onclose?.({ code: 1006 })
    await eventually(() => expect(attempt).toBe(5))
    await eventually(() => expect(socket.onmessage).not.toBeNull())
    socket.onmessage?.({ data: '<html>' })
    await eventually(() => expect(attempt).toBe(6))
    await eventually(() => expect(socket.onopen).not.toBeNull())
    socket.onopen?.()
    socket.onmessage?.({ data: '{"op":"error","code":"TOPIC_FORBIDDEN"}' })
    expect(page.client.state).toBe('closed')
    expect(failures.map(({ message, willRetry }) => [message, willRetry])).toEqual([
      ['No ticket came: session over', true],
      ['No ticket came: it must be text, got undefined', true],
      ['No connection could be opened: no such protocol', true],
      ['The connection ended (1006): Unexpected server response: 401', true],
      ['What the server sent does not follow what it sent before', true],
      ['The hub refuses what was subscribed (TOPIC_FORBIDDEN)', false],
    ])
    expect(failures.map(({ cause }) => cause).slice(0, 4)).toEqual([
      noTicket,
      { message: 'it must be text, got undefined' },
      noSocket,
      refused,
    ])
  })

  it.each([0, 0.5, 0.999])(
    'waits longer and longer when no connection can be opened, with chance at %d',
    async (chance) => {
      world = await openLiveWorld()
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const random = vi.spyOn(Math, 'random').mockReturnValue(chance)
      onTestFinished(() => {
        vi.useRealTimers()
        random.mockRestore()
      })
      let attempts = 0
      const client = new LiveClient({
        url: 'ws://127.0.0.1/live',
        ticket: () => Promise.resolve('a=b'),
        connect: () => {
          attempts += 1
          throw new SyntaxError('no such protocol')
        },
      })
      clients.push(client)
      client.start()
      const attemptsAfter: number[] = []
      for (const ms of [1_000, 9_000, 50_000]) {
        await vi.advanceTimersByTimeAsync(ms)
        attemptsAfter.push(attempts)
      }
      const [second = 0, tenth = 0, minute = 0] = attemptsAfter
      expect(second).toBeGreaterThan(1)
      expect(second).toBeLessThanOrEqual(3)
      expect(tenth).toBeLessThanOrEqual(7)
      expect(minute).toBeLessThanOrEqual(12)
    },
  )

  it('waits before it connects again to a server whose frames never follow each other', async () => {
    world = await openLiveWorld()
    let socket = silentSocket()
    let connects = 0
    const page = openPage({
      ticket: () => Promise.resolve('t'),
      backoffMs: 60_000,
      backoffMsMax: 60_000,
      connect: () => {
        connects += 1
        socket = { ...silentSocket(), readyState: 1 }
        return socket
      },
    })
    await eventually(() => expect(socket.onopen).not.toBeNull())
    socket.onopen?.()
    for (const topic of ['state', 'events'])
      socket.onmessage?.({ data: JSON.stringify({ op: 'snapshot', topic, to: '1', items: [] }) })
    expect(page.client.state).toBe('live')
    for (let frame = 0; frame < 4; frame += 1)
      socket.onmessage?.({ data: '{"op":"events","from":"7","to":"8","events":[]}' })
    expect(page.client.state).toBe('offline')
    expect(connects).toBe(1)
  })

  it('shows every event, whatever its id looks like', async () => {
    world = await openLiveWorld({
      topics: { events: { kind: 'log', item: ({ value }) => ({ id: String(value), key: 'k', value }) } },
    })
    const shown: unknown[] = []
    const client = new LiveClient({
      url: world.url,
      ticket: () => Promise.resolve(world.ticketOf('c1')),
      connect: openSocket,
    })
    clients.push(client)
    client.subscribe('events', {
      snapshot: () => undefined,
      apply: (items) => void shown.push(...valuesOf(items)),
    })
    client.start()
    await eventually(() => expect(client.state).toBe('live'))
    world.feed.commit('c1', [20_261_201])
    await eventually(() => expect(shown).toEqual([20_261_201]))
    world.feed.commit('c1', [7])
    await eventually(() => expect(shown).toEqual([20_261_201, 7]))
  })

  it('imports nothing, and is at most 5 kB on the wire', async () => {
    world = await openLiveWorld()
    const source = await readFile('packages/live/src/browser.ts', 'utf8')
    expect(source).not.toMatch(/^import /m)
    const { code } = await transform(source, { loader: 'ts', minify: true, format: 'esm' })
    expect(gzipSync(code).length).toBeLessThanOrEqual(5_000)
  })
})
