import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { connect, eventually, type LiveWorld, openLiveWorld, ORIGIN } from './live-world.js'

let world: LiveWorld
afterEach(() => world.close())

interface RawClient {
  readonly socket: Socket
  /** The close code of the server's close frame, or 0 when the connection ended without one. */
  closed(): number | undefined
}

/** A connection whose bytes the test writes itself. */
async function connectRaw(): Promise<RawClient> {
  const socket = connectTcp(world.port, '127.0.0.1')
  let heard = Buffer.alloc(0)
  let isEnded = false
  socket.on('data', (bytes: Buffer) => (heard = Buffer.concat([heard, bytes])))
  socket.on('error', () => undefined)
  socket.on('close', () => (isEnded = true))
  await once(socket, 'connect')
  socket.write(
    [
      'GET /live HTTP/1.1',
      'Host: erp.example',
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Origin: ${ORIGIN}`,
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      `Sec-WebSocket-Protocol: kerp.live.v1, ticket.${world.ticketOf('c1')}`,
      '\r\n',
    ].join('\r\n'),
  )
  await eventually(() => expect(heard.includes('\r\n\r\n')).toBe(true))
  expect(heard.toString('latin1')).toContain(' 101 ')
  const start = heard.indexOf('\r\n\r\n') + 4
  return {
    socket,
    closed: () => {
      const at = heard.indexOf(0x88, start)
      if (at >= 0 && heard.length >= at + 4) return heard.readUInt16BE(at + 2)
      return isEnded ? 0 : undefined
    },
  }
}

/** A masked frame as a browser sends it, of any first byte. */
function frame(first: number, payload: Buffer): Buffer {
  const head = payload.length < 126 ? Buffer.from([first, 0x80 | payload.length]) : Buffer.alloc(4)
  if (payload.length >= 126) {
    head[0] = first
    head[1] = 0x80 | 126
    head.writeUInt16BE(payload.length, 2)
  }
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

const TEXT = 0x81
const UNFINISHED_TEXT = 0x01
const CONTINUATION = 0x00
const PING = 0x89

describe('A hostile client', () => {
  it('that sends too much at once is closed with 1009', async () => {
    world = await openLiveWorld({ messageBytesMax: 1_000 })
    const client = await connect(world.url, world.ticketOf('c1'))
    client.say('x'.repeat(1_001))
    await eventually(() => expect(client.closed()).toBe(1009))
  })

  it('that announces more than it may send is closed before it sends it', async () => {
    world = await openLiveWorld()
    const raw = await connectRaw()
    const head = Buffer.alloc(14)
    head[0] = TEXT
    head[1] = 0x80 | 127
    head.writeUInt32BE(1, 2)
    raw.socket.write(head)
    await eventually(() => expect([1009, 0]).toContain(raw.closed()))
  })

  it.each([
    [
      'a thousand tiny fragments',
      Buffer.concat([
        frame(UNFINISHED_TEXT, Buffer.from('x')),
        ...Array<Buffer>(1_000).fill(frame(CONTINUATION, Buffer.from('x'))),
      ]),
    ],
    ['a reserved bit', frame(TEXT | 0x40, Buffer.from('{}'))],
    ['a frame without a mask', Buffer.from([TEXT, 2, 0x7b, 0x7d])],
    ['text that is not UTF-8', frame(TEXT, Buffer.from([0xc3, 0x28]))],
    ['a kind of frame that does not exist', frame(0x83, Buffer.from('{}'))],
    ['a ping longer than a control frame may be', frame(PING, Buffer.alloc(126))],
    ['a continuation of nothing', frame(CONTINUATION, Buffer.from('x'))],
  ])('that sends %s is sent away, and nobody else notices', async (_name, bytes) => {
    world = await openLiveWorld()
    const healthy = await world.join('c1')
    await eventually(() => expect(healthy.frames).toHaveLength(2))
    const raw = await connectRaw()
    raw.socket.write(bytes)
    await eventually(() => expect([1002, 1003, 1007, 1008, 1009, 0]).toContain(raw.closed()))
    raw.socket.destroy()
    world.feed.commit('c1', [1])
    await eventually(() => expect(healthy.values()).toEqual([1]))
    await eventually(() => expect(world.hub.connections).toBe(1))
  })

  it('that floods with messages is closed with 4429', async () => {
    world = await openLiveWorld()
    const client = await connect(world.url, world.ticketOf('c1'))
    for (let count = 0; count < 100; count += 1) client.say({ op: 'ping' })
    await eventually(() => expect(client.closed()).toBe(4429))
    expect(client.frames.length).toBeLessThanOrEqual(20)
  })

  it('that floods with pings is closed with 4429', async () => {
    world = await openLiveWorld()
    const raw = await connectRaw()
    raw.socket.write(Buffer.concat(Array<Buffer>(500).fill(frame(PING, Buffer.from('a')))))
    await eventually(() => expect([4429, 0]).toContain(raw.closed()))
  })

  it.each([
    'nonsense',
    '',
    '[]',
    'null',
    '"subscribe"',
    '{"op":"subscribe"}',
    '{"op":"subscribe","topics":[]}',
    '{"op":"subscribe","topics":[1]}',
    '{"op":"subscribe","topics":{"0":"events","length":1}}',
    '{"__proto__":{"op":"subscribe","topics":["events"]}}',
    '{"constructor":{"prototype":{"op":"ping"}}}',
    '['.repeat(10_000),
    `{"op":"subscribe","topics":[${'"events",'.repeat(40)}"events"]}`,
  ])('that says %.60s hears that it is no message, and stays a guest', async (text) => {
    world = await openLiveWorld()
    const client = await connect(world.url, world.ticketOf('c1'))
    client.say(text)
    await eventually(() => expect(client.frames).toEqual([{ op: 'error', code: 'MESSAGE_INVALID' }]))
    client.say({ op: 'ping' })
    await eventually(() => expect(client.frames.at(-1)).toEqual({ op: 'pong' }))
  })

  it('that breaks the connection in the middle of the handshake leaves nothing behind', async () => {
    let admit: () => void = () => undefined
    const slow = new Promise<void>((resolve) => (admit = resolve))
    world = await openLiveWorld({
      connectionsPerAddressMax: 1,
      admit: () => slow.then(() => ({ companyId: 'c1', user: 'kim' })),
    })
    const socket = connectTcp(world.port, '127.0.0.1')
    await once(socket, 'connect')
    const key = randomBytes(16).toString('base64')
    socket.write(
      `GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: ${ORIGIN}\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: kerp.live.v1, ticket.a\r\n\r\n`,
    )
    socket.end()
    socket.destroy()
    await eventually(() => expect(socket.destroyed).toBe(true))
    admit()
    // The one place of the address is free again.
    await eventually(() => expect(world.hub.connections).toBe(0))
    const client = await connect(world.url, 'b').catch(() => connect(world.url, 'b'))
    expect(client.socket.readyState).toBe(1)
  })
})
