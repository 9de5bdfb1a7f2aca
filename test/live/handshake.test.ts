import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { manualClock, recordingObserver } from '@kerp/core/testing'
import type { LivePrincipal } from '@kerp/live'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { connect, eventually, listen, type LiveWorld, openLiveWorld, ORIGIN, statusOf } from './live-world.js'

let world: LiveWorld
afterEach(() => world.close())

const PROTOCOLS = ['kerp.live.v1']
const withTicket = (ticket: string): string[] => [...PROTOCOLS, `ticket.${ticket}`]

describe('A connection', () => {
  it.each([
    ['a foreign page', { origin: 'https://evil.example' }],
    ['a page that says null', { origin: 'null' }],
    ['nobody who says where from', {}],
    ['a page whose name only begins the same', { origin: `${ORIGIN}.evil.example` }],
    ['a page whose name only ends the same', { origin: 'https://evil-erp.example' }],
    ['another port', { origin: `${ORIGIN}:8443` }],
    ['another scheme', { origin: 'http://erp.example' }],
    ['another spelling', { origin: 'https://ERP.example' }],
    ['an empty origin', { origin: '' }],
    ['two origins', { origin: `${ORIGIN}, ${ORIGIN}` }],
  ])('from %s is refused with 403, before its ticket is looked at', async (_name, headers) => {
    world = await openLiveWorld()
    const ticket = world.ticketOf('c1')
    expect(await statusOf(world.url, withTicket(ticket), headers)).toBe(403)
    expect(world.tickets.has(ticket)).toBe(true)
  })

  it('of a host that is not the server’s is refused with 403, before its ticket is looked at', async () => {
    world = await openLiveWorld({}, { allowHost: (host) => host === 'erp.example' })
    const ticket = world.ticketOf('c1')
    for (const host of ['evil.example', 'erp.example.evil.example', '']) {
      expect(await statusOf(world.url, withTicket(ticket), { origin: ORIGIN, host })).toBe(403)
    }
    expect(world.tickets.has(ticket)).toBe(true)
    expect(await statusOf(world.url, withTicket(ticket), { origin: ORIGIN, host: 'erp.example' })).toBe(101)
  })

  it('is refused with 401 for a ticket that is none, or was used before', async () => {
    world = await openLiveWorld()
    const ticket = world.ticketOf('c1')
    expect(await statusOf(world.url, withTicket('never-given'), { origin: ORIGIN })).toBe(401)
    expect(await statusOf(world.url, withTicket(ticket), { origin: ORIGIN })).toBe(101)
    expect(await statusOf(world.url, withTicket(ticket), { origin: ORIGIN })).toBe(401)
  })

  it('is refused with 401 for a ticket that has expired, as sub-protocol and as message', async () => {
    const endsMs = new Map([['late', 1_000]])
    const clock = manualClock()
    world = await openLiveWorld({
      admit: (ticket) =>
        Promise.resolve(
          clock.monotonicMs() < (endsMs.get(ticket) ?? 0) ? { companyId: 'c1', user: 'kim' } : undefined,
        ),
    })
    expect(await statusOf(world.url, withTicket('late'), { origin: ORIGIN })).toBe(101)
    await clock.advance(1_000)
    expect(await statusOf(world.url, withTicket('late'), { origin: ORIGIN })).toBe(401)
    const client = listen(new WebSocket(world.url, PROTOCOLS, { origin: ORIGIN }))
    client.socket.on('open', () => client.say({ op: 'ticket', ticket: 'late' }))
    await eventually(() => expect(client.closed()).toBe(4401))
    expect(client.frames).toEqual([])
  })

  it('is of the company of its ticket, and of no other, whatever it says', async () => {
    world = await openLiveWorld()
    const client = listen(new WebSocket(world.url, PROTOCOLS, { origin: ORIGIN }))
    const ticket = world.ticketOf('c2')
    client.socket.on('open', () => {
      client.say({ op: 'ticket', ticket, companyId: 'c1', company: 'c1' })
      client.say({ op: 'subscribe', topics: ['events'], companyId: 'c1', company: 'c1' })
    })
    await eventually(() => expect(client.frames).toHaveLength(1))
    world.feed.commit('c1', [1])
    world.feed.commit('c2', [2])
    await eventually(() => expect(client.values()).toEqual([2]))
  })

  it('is refused when whoever knows the tickets fails', async () => {
    world = await openLiveWorld({ admit: () => Promise.reject(new Error('down')) })
    expect(await statusOf(world.url, withTicket('t1'), { origin: ORIGIN })).toBe(401)
  })

  it('is refused when whoever knows the tickets throws at once, and harms nobody', async () => {
    const admit = (ticket: string): Promise<LivePrincipal> => {
      if (ticket !== 'good') throw new Error(`no ticket: ${ticket}`)
      return Promise.resolve({ companyId: 'c1', user: 'kim' })
    }
    world = await openLiveWorld({ admit, connectionsMax: 1 })
    expect(await statusOf(world.url, withTicket('bad'), { origin: ORIGIN })).toBe(401)
    expect(await statusOf(world.url, withTicket('good'), { origin: ORIGIN })).toBe(101)
  })

  it('is ended alone when its address cannot be told', async () => {
    world = await openLiveWorld()
    const addressOf = ({ headers }: IncomingMessage): string => {
      if (headers['x-forwarded-for'] === undefined) throw new Error('no address')
      return headers['x-forwarded-for'].toString()
    }
    world.hub.attach(world.server, { path: '/other', origins: [ORIGIN], addressOf })
    const other = world.url.replace('/live', '/other')
    const ticket = world.ticketOf('c1')
    await once(new WebSocket(other, withTicket(ticket), { origin: ORIGIN }), 'error')
    const headers = { origin: ORIGIN, 'x-forwarded-for': '10.0.0.1' }
    expect(await statusOf(other, withTicket(ticket), headers)).toBe(101)
  })

  it('is refused with 400 without the sub-protocol, or with two tickets', async () => {
    world = await openLiveWorld()
    const [a, b] = [world.ticketOf('c1'), world.ticketOf('c1')]
    expect(await statusOf(world.url, [`ticket.${a}`], { origin: ORIGIN })).toBe(400)
    expect(await statusOf(world.url, [...withTicket(a), `ticket.${b}`], { origin: ORIGIN })).toBe(400)
  })

  it('gets the sub-protocol back, and never its ticket', async () => {
    world = await openLiveWorld()
    const { socket } = await connect(world.url, world.ticketOf('c1'))
    expect(socket.protocol).toBe('kerp.live.v1')
  })

  it('may bring the ticket as its first message, and what follows is heard', async () => {
    world = await openLiveWorld()
    const client = listen(new WebSocket(world.url, PROTOCOLS, { origin: ORIGIN }))
    const ticket = world.ticketOf('c1')
    client.socket.on('open', () => {
      client.say({ op: 'ticket', ticket })
      client.say({ op: 'subscribe', topics: ['events'] })
    })
    await eventually(() => expect(client.frames).toMatchObject([{ op: 'snapshot', topic: 'events' }]))
  })

  it('may say as much as others while its ticket is looked at', async () => {
    let admit: () => void = () => undefined
    const looked = new Promise<void>((resolve) => (admit = resolve))
    world = await openLiveWorld({
      admit: () => looked.then(() => ({ companyId: 'c1', user: 'kim' })),
      messagesPerSecondMax: 10,
    })
    const client = listen(new WebSocket(world.url, PROTOCOLS, { origin: ORIGIN }))
    await once(client.socket, 'open')
    client.say({ op: 'ticket', ticket: 'good' })
    for (let said = 1; said < 9; said += 1) client.say({ op: 'ping' })
    client.socket.ping()
    await once(client.socket, 'pong')
    admit()
    await eventually(() => expect(client.frames).toHaveLength(8))
    expect(client.closed()).toBeUndefined()
  })

  it.each([
    { op: 'ticket', ticket: 'wrong' },
    { op: 'subscribe', topics: ['events'] },
    { op: 'ping' },
    'nonsense',
  ])('without a ticket is closed with 4401 when its first message is %j', async (message) => {
    world = await openLiveWorld()
    const client = listen(new WebSocket(world.url, PROTOCOLS, { origin: ORIGIN }))
    client.socket.on('open', () => client.say(message))
    await eventually(() => expect(client.closed()).toBe(4401))
    expect(client.frames).toEqual([])
  })

  it('that never says who it is is closed with 4408', async () => {
    world = await openLiveWorld({ ticketMsMax: 50 })
    const client = listen(new WebSocket(world.url, PROTOCOLS, { origin: ORIGIN }))
    await eventually(() => expect(client.closed()).toBe(4408))
  })

  it('ends with 4401 when its time is over, and with 4503 when its user is expelled', async () => {
    world = await openLiveWorld({ ticketMsMax: 50 })
    const timed = await connect(world.url, world.ticketOf('c1', { lifetimeMs: 30 }))
    const expelled = await connect(world.url, world.ticketOf('c1', { user: 'lee' }))
    const other = await connect(world.url, world.ticketOf('c2', { user: 'lee' }))
    world.hub.expel('c1', 'lee')
    await eventually(() => expect([timed.closed(), expelled.closed()]).toEqual([4401, 4503]))
    expect(other.closed()).toBeUndefined()
  })

  it.each([
    ['address', { connectionsPerAddressMax: 3 }],
    ['user', { connectionsPerUserMax: 3 }],
    ['company', { connectionsPerCompanyMax: 3 }],
    ['hub', { connectionsMax: 3 }],
  ])(
    'is refused with 429 beyond the bound of its %s, and has a place again when one is left',
    async (_name, bound) => {
      world = await openLiveWorld(bound)
      const open = await Promise.all([1, 2, 3].map(() => connect(world.url, world.ticketOf('c1'))))
      expect(await statusOf(world.url, withTicket(world.ticketOf('c1')), { origin: ORIGIN })).toBe(429)
      open[0]?.socket.terminate()
      await eventually(() => expect(world.hub.connections).toBe(2))
      expect(await statusOf(world.url, withTicket(world.ticketOf('c1')), { origin: ORIGIN })).toBe(101)
    },
  )

  it('that ends while its ticket is looked at keeps no place of its user', async () => {
    let admit: () => void = () => undefined
    const looked = new Promise<void>((resolve) => (admit = resolve))
    world = await openLiveWorld({
      connectionsPerUserMax: 1,
      admit: async (ticket) => {
        if (ticket === 'slow') await looked
        return { companyId: 'c1', user: 'kim' }
      },
    })
    const gone = listen(new WebSocket(world.url, PROTOCOLS, { origin: ORIGIN }))
    gone.socket.on('open', () => {
      gone.say({ op: 'ticket', ticket: 'slow' })
      gone.say({ op: 'subscribe', topics: ['events'] })
      gone.socket.terminate()
    })
    await eventually(() => expect(gone.closed()).toBeDefined())
    await eventually(() => expect(world.hub.connections).toBe(0))
    admit()
    await looked
    expect(await statusOf(world.url, withTicket('next'), { origin: ORIGIN })).toBe(101)
    expect(world.hub.hasClients('c1')).toBe(false)
  })

  it('is refused with 503 by a hub that closes', async () => {
    world = await openLiveWorld()
    await world.hub.close()
    expect(await statusOf(world.url, withTicket(world.ticketOf('c1')), { origin: ORIGIN })).toBe(503)
  })

  it('to another path is not the hub’s', async () => {
    world = await openLiveWorld()
    const url = `${world.url}/other`
    expect(await statusOf(url, withTicket(world.ticketOf('c1')), { origin: ORIGIN })).toBe(400)
  })

  it('is that of its path, where two hubs share a server, and any other path is refused at once', async () => {
    world = await openLiveWorld()
    const second = await openLiveWorld()
    onTestFinished(() => second.close())
    const detach = second.hub.attach(world.server, { path: '/second', origins: [ORIGIN] })
    const base = `ws://127.0.0.1:${world.port}`
    const ask = (path: string, of: LiveWorld): Promise<number> =>
      statusOf(`${base}${path}`, withTicket(of.ticketOf('c1')), { origin: ORIGIN })
    expect(await ask('/live', world)).toBe(101)
    expect(await ask('/second?x=1', second)).toBe(101)
    expect(await ask('/second', world)).toBe(401)
    expect(await ask('/third', world)).toBe(400)
    expect(() => second.hub.attach(world.server, { origins: [ORIGIN] })).toThrow(
      '`path` must be a path that no other hub of this server has, got "/live" (string).',
    )
    detach()
    expect(await ask('/second', second)).toBe(400)
    expect(await ask('/live', world)).toBe(101)
  })

  it('to the path of a hub that was closed is that of the next hub there', async () => {
    world = await openLiveWorld()
    const second = await openLiveWorld()
    onTestFinished(() => second.close())
    await world.hub.close()
    const detach = second.hub.attach(world.server, { origins: [ORIGIN] })
    expect(await statusOf(world.url, withTicket(second.ticketOf('c1')), { origin: ORIGIN })).toBe(101)
    detach()
  })

  it("to a path that neither a hub nor the host's own listener takes is refused in the end", async () => {
    const clock = manualClock()
    world = await openLiveWorld({ clock })
    const seen: string[] = []
    world.server.on('upgrade', ({ url = '' }, socket) => {
      seen.push(url)
      if (url === '/own') socket.end('HTTP/1.1 418 I am a teapot\r\ncontent-length: 0\r\n\r\n')
    })
    const ask = (path: string): Promise<number> =>
      statusOf(`ws://127.0.0.1:${world.port}${path}`, withTicket('t'), { origin: ORIGIN })
    expect(await ask('/own')).toBe(418)
    const unknown = ask('/unknown')
    await eventually(() => expect(seen).toContain('/unknown'))
    await clock.advance(10_000)
    expect(await unknown).toBe(400)
    expect(await ask('/own')).toBe(418)
  })

  it('from a page that is not on the list is told so, and the operator learns the origin and the list, once', async () => {
    const observer = recordingObserver()
    world = await openLiveWorld({ observer })
    const body = await new Promise<string>((resolve) => {
      const socket = new WebSocket(world.url, withTicket('t'), { origin: 'https://other.example' })
      socket.on('error', () => undefined)
      socket.on('unexpected-response', (_request, response) => {
        response.setEncoding('utf8')
        response.on('data', resolve)
      })
    })
    expect(body).toBe('Pages of this origin may not connect; the log of the server says which may.')
    expect(await statusOf(world.url, withTicket('t'), { origin: 'https://other.example' })).toBe(403)
    const message = '`origin` must be one of https://erp.example, got "https://other.example" (string).'
    expect(observer.of('liveRefusal')).toEqual([
      { reason: 'origin', message },
      { reason: 'origin', message },
    ])
    expect(observer.of('backgroundError')).toEqual([{ source: 'live', code: 'INVALID_INPUT', message }])
  })

  it.each([
    ['a text in place of a list', { origins: ORIGIN as unknown as string[] }, 'a list of origins'],
    ['an origin with a path', { origins: [`${ORIGIN}/`] }, 'scheme, host and port'],
    ['an asterisk', { origins: ['*'] }, 'scheme, host and port'],
    ['no list at all', {} as { origins: string[] }, 'a list of origins'],
    ['a path without a slash', { origins: [ORIGIN], path: 'live' }, 'a path that begins with /'],
  ])('cannot be taken by a hub that is attached with %s', async (_name, options, words) => {
    world = await openLiveWorld()
    expect(() => world.hub.attach(world.server, { path: '/other', ...options })).toThrow(words)
  })
})
