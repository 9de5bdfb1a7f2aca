/**
 * The clients of the live bench in a process of their own: bare TCP connections that shake hands, count the events
 * that come, and look at the age of some.
 */

import { connect } from 'node:net'

const [, , portText = '0', countText = '0', dialect = 'kerp'] = process.argv
const MARK = Buffer.from('"madeMs":"')
const SAMPLED = 20
const agesMs: number[] = []
let counted = 0

/** A client's frame with a text shorter than 126 bytes, masked with zeros. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

function hear(bytes: Buffer, isSampled: boolean, rest: Buffer): Buffer {
  const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
  let at = all.indexOf(MARK)
  let end = 0
  while (at >= 0) {
    counted += 1
    end = at + MARK.length
    if (isSampled) {
      const madeMs = Number(all.toString('latin1', end, end + 17))
      if (madeMs > 0) agesMs.push(performance.timeOrigin + performance.now() - madeMs)
    }
    at = all.indexOf(MARK, end)
  }
  return all.subarray(Math.max(end, all.length - MARK.length + 1))
}

function open(index: number): Promise<void> {
  const path = dialect === 'socket.io' ? '/socket.io/?EIO=4&transport=websocket' : '/live'
  return new Promise((resolve, reject) => {
    const socket = connect(Number(portText), '127.0.0.1')
    let isOpen = false
    let rest: Buffer = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('connect', () => {
      const protocol = dialect === 'kerp' ? 'Sec-WebSocket-Protocol: kerp.live.v1, ticket.t\r\n' : ''
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: bench\r\nOrigin: http://bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${protocol}\r\n`,
      )
    })
    socket.on('data', (bytes: Buffer) => {
      if (isOpen) {
        rest = Buffer.from(hear(bytes, index % Math.ceil(Number(countText) / SAMPLED) === 0, rest))
        return
      }
      isOpen = true
      if (dialect === 'kerp') socket.write(frame('{"op":"subscribe","topics":["events"]}'))
      if (dialect === 'socket.io') socket.write(frame('40'))
      resolve()
    })
  })
}

for (let index = 0; index < Number(countText); index += 50) {
  await Promise.all(Array.from({ length: 50 }, (_, offset) => open(index + offset)))
}
process.on('message', () => {
  process.send?.({ counted, agesMs: agesMs.splice(0) })
  counted = 0
})
process.send?.({ open: Number(countText) })
