/**
 * The clients of the live bench in a process of their own: bare TCP connections that shake hands, count the events
 * that come, and look at the age of some. They read the heads of frames and skip the rest, so that what is measured
 * is the server and not them.
 */

import { connect } from 'node:net'
import { FrameCounter } from './frame-counter.js'

const [, , portText = '0', countText = '0', dialect = 'kerp', stalledText = '0'] = process.argv
const host = dialect === 'erp' ? `127.0.0.1:${portText}` : 'bench'
const stalled = Number(stalledText)
const MARK = Buffer.from('"madeMs":"')
const MARKED = 40
const SAMPLED = 20
const agesMs: number[] = []
const counters: FrameCounter[] = []

/** A client's frame with a text shorter than 126 bytes, masked with zeros. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text)
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

/** The ages of the events in some bytes; an event that lies on the border of two chunks is left out. */
function lookAt(bytes: Buffer): void {
  const nowMs = performance.timeOrigin + performance.now()
  for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + MARKED)) {
    const from = at + MARK.length
    const madeMs = Number(/^[\d.]+(?=")/.exec(bytes.toString('latin1', from, from + MARKED))?.[0] ?? 0)
    if (madeMs > 0) agesMs.push(nowMs - madeMs)
  }
}

/** The reference app gives a ticket to whoever opens a session; the hub of the bench takes any. */
async function ticketOf(index: number): Promise<string> {
  if (dialect !== 'erp') return 't'
  const answer = await fetch(`http://${host}/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ company: 'c1', user: `user-${index}` }),
  })
  const opened = (await answer.json()) as { readonly ticket: string }
  return opened.ticket
}

/** The first `stalled` connections read nothing after their handshake. */
async function open(index: number): Promise<void> {
  const ticket = await ticketOf(index)
  const isOurs = dialect === 'kerp' || dialect === 'erp'
  const path = dialect === 'socket.io' ? '/socket.io/?EIO=4&transport=websocket' : '/live'
  const isSampled = index >= stalled && index % Math.ceil((Number(countText) - stalled) / SAMPLED) === 0
  return new Promise((resolve, reject) => {
    const socket = connect(Number(portText), '127.0.0.1')
    const counter = new FrameCounter()
    counters[index] = counter
    let isOpen = false
    socket.on('error', reject)
    socket.on('connect', () => {
      const protocol = isOurs ? `Sec-WebSocket-Protocol: kerp.live.v1, ticket.${ticket}\r\n` : ''
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${protocol}\r\n`,
      )
    })
    socket.on('data', (bytes: Buffer) => {
      if (isOpen) {
        counter.read(bytes)
        if (isSampled) lookAt(bytes)
        return
      }
      isOpen = true
      // Frames may follow the answer to the handshake at once.
      counter.read(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4))
      if (isOurs) socket.write(frame('{"op":"subscribe","topics":["events"]}'))
      if (dialect === 'socket.io') socket.write(frame('40'))
      if (index < stalled) socket.pause()
      resolve()
    })
  })
}

for (let index = 0; index < Number(countText); index += 50) {
  await Promise.all(Array.from({ length: 50 }, (_, offset) => open(index + offset)))
}

let before = process.cpuUsage()
process.on('message', (message: { readonly begin?: boolean }) => {
  if (message.begin === true) {
    for (const counter of counters) counter.take()
    agesMs.length = 0
    before = process.cpuUsage()
    return
  }
  const { user, system } = process.cpuUsage(before)
  const counted = counters.slice(stalled).reduce((sum, counter) => sum + counter.take(), 0)
  process.send?.({ counted, agesMs: agesMs.splice(0), cpuMicros: user + system })
})
process.send?.({ open: Number(countText) })
