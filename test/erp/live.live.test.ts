import { once } from 'node:events'
import { systemClock } from '@kerp/core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { WebSocket } from 'ws'
import { Sessions } from '../../examples/erp/src/session.js'
import { brokenLinks, eventually, type HeardFrame, statusOf } from '../live/live-world.js'
import { freshDatabase } from './erp-database.js'
import { type CompanyClient, type ErpProcess, fieldOf, refusalIn, startErp } from './erp-process.js'
import { saleOf } from './vouchers.js'

const SECRET = 'a secret of this test, long enough'
let erp: ErpProcess
let won: CompanyClient
let pounds: CompanyClient
beforeAll(async () => {
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await startErp({ DATABASE_URL: databaseUrl, AUTH_SECRET: SECRET })
  won = await erp.as('c1')
  pounds = await erp.as('c2')
})
afterAll(() => erp.stop())

interface Client {
  readonly socket: WebSocket
  readonly frames: HeardFrame[]
}

async function ticketOf(company: string): Promise<string> {
  const opened = await erp.send('/session', { method: 'POST', body: { company, user: 'tester' } })
  return String(fieldOf(opened.body, 'ticket'))
}

const liveUrl = (): string => `${erp.url.replace('http', 'ws')}/live`

async function join(company: string, message: Readonly<Record<string, unknown>>): Promise<Client> {
  const protocols = ['kerp.live.v1', `ticket.${await ticketOf(company)}`]
  const socket = new WebSocket(liveUrl(), protocols, { origin: erp.url })
  const frames: HeardFrame[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString('utf8')) as HeardFrame))
  await once(socket, 'open')
  socket.send(JSON.stringify({ op: 'subscribe', ...message }))
  return { socket, frames }
}

const idsOf = ({ frames }: Client): readonly string[] =>
  frames.flatMap(({ op, events = [] }) => (op === 'events' ? events.map(({ id }) => id) : []))

describe('The app’s live connection', () => {
  it('shows snapshots in the form of the HTTP answers, and then what is posted, in one chain', async () => {
    await won.post('/vouchers', saleOf('live-1', '1000'))
    await won.post('/stock/adjust', { movementId: 'l-1', item: 'A1', warehouse: 'W1', quantity: '7.25' })
    const client = await join('c1', { topics: ['events', 'balances', 'stock'] })
    await eventually(() => expect(client.frames.length).toBeGreaterThanOrEqual(3))
    const snapshots = client.frames.filter(({ op }) => op === 'snapshot')
    expect(snapshots.map(({ topic }) => topic).sort()).toEqual(['balances', 'events', 'stock'])
    await won.post('/vouchers', saleOf('live-2', '500'))
    await eventually(() => expect(JSON.stringify(client.frames)).toContain('live-2'))
    const states = client.frames.filter(({ op, topic }) => op === 'state' && topic === 'balances')
    const rows = states.flatMap(({ items = [] }) => items as readonly object[])
    expect(rows).toContainEqual({
      account: '11210',
      fiscalYear: 2026,
      debit: '1500',
      credit: '0',
      balance: '1500',
      version: 2,
    })
    const stock = snapshots.find(({ topic }) => topic === 'stock')?.items as unknown as readonly object[]
    expect(stock).toContainEqual({ item: 'A1', warehouse: 'W1', quantity: '7.25', version: 1 })
    expect(brokenLinks(client.frames)).toEqual([])
    const history = await won.get('/events?after=0&limit=1000')
    const all = (fieldOf(history.body, 'events') as readonly { readonly id: string }[]).map(({ id }) => id)
    const first = snapshots.find(({ topic }) => topic === 'events')?.to ?? '0'
    expect(idsOf(client)).toEqual(all.filter((id) => Number(id) > Number(first)))
    client.socket.terminate()
  })

  it('goes on after the last position, and never shows another company’s events', async () => {
    const first = await join('c1', { topics: ['events'] })
    await eventually(() => expect(first.frames).toHaveLength(1))
    const resume = first.frames[0]?.to
    first.socket.terminate()
    await won.post('/vouchers', saleOf('live-3', '10'))
    await pounds.post('/vouchers', saleOf('live-foreign', '10.00'))
    const back = await join('c1', { topics: ['events'], resume, company: 'c2', companyId: 'c2' })
    await eventually(() => expect(JSON.stringify(back.frames)).toContain('live-3'))
    expect(back.frames[0]).toMatchObject({ op: 'events', from: resume })
    expect(JSON.stringify(back.frames)).not.toContain('live-foreign')
    back.socket.terminate()
  })

  it('needs a page of its own origin and a ticket that was not used', async () => {
    const ticket = await ticketOf('c1')
    const protocols = ['kerp.live.v1', `ticket.${ticket}`]
    expect(await statusOf(liveUrl(), protocols, { origin: 'https://evil.example' })).toBe(403)
    expect(await statusOf(liveUrl(), protocols, {})).toBe(403)
    expect(await statusOf(liveUrl(), protocols, { origin: erp.url })).toBe(101)
    expect(await statusOf(liveUrl(), protocols, { origin: erp.url })).toBe(401)
    expect(await statusOf(liveUrl(), ['kerp.live.v1', `ticket.${won.token}`], { origin: erp.url })).toBe(401)
    const altered = `${(await ticketOf('c2')).slice(0, -2)}AA`
    expect(await statusOf(liveUrl(), ['kerp.live.v1', `ticket.${altered}`], { origin: erp.url })).toBe(401)
  })

  it('refuses a ticket whose 30 s are over, though it is signed rightly', async () => {
    const status = (issuedMsAgo: number): Promise<number> => {
      const clock = { ...systemClock, nowMs: () => systemClock.nowMs() - issuedMsAgo }
      const { ticket } = new Sessions({ secret: SECRET, clock }).open({ companyId: 'c1', user: 'kim' })
      return statusOf(liveUrl(), ['kerp.live.v1', `ticket.${ticket}`], { origin: erp.url })
    }
    expect(await status(30_001)).toBe(401)
    expect(await status(0)).toBe(101)
  })

  it('belongs to the company of its ticket, whatever company its first messages name', async () => {
    const socket = new WebSocket(liveUrl(), ['kerp.live.v1'], { origin: erp.url })
    const frames: HeardFrame[] = []
    socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString('utf8')) as HeardFrame))
    await once(socket, 'open')
    socket.send(
      JSON.stringify({ op: 'ticket', ticket: await ticketOf('c2'), company: 'c1', companyId: 'c1' }),
    )
    socket.send(JSON.stringify({ op: 'subscribe', topics: ['events'], company: 'c1', companyId: 'c1' }))
    await eventually(() => expect(frames).toHaveLength(1))
    await won.post('/vouchers', saleOf('live-of-c1', '10'))
    await pounds.post('/vouchers', saleOf('live-of-c2', '10.00'))
    await eventually(() => expect(JSON.stringify(frames)).toContain('live-of-c2'))
    expect(JSON.stringify(frames)).not.toContain('live-of-c1')
    socket.terminate()
  })

  it('breaks Redis only when the app started it itself, for who has a token of its secret, and knows only its own faults', async () => {
    const headers = { authorization: `Bearer ${won.token}` }
    for (const wrong of [{}, { authorization: `Bearer ${await ticketOf('c1')}` }]) {
      const refused = await erp.send('/demo/faults', { method: 'POST', headers: wrong, body: '{"kind":' })
      expect(refusalIn(refused)).toEqual([401, 'UNAUTHORIZED'])
    }
    const broken = await erp.send('/demo/faults', { method: 'POST', headers, body: { kind: 'flushall' } })
    expect(broken.body).toEqual({ recoveredInMs: expect.any(Number) as number })
    const unknown = await erp.send('/demo/faults', { method: 'POST', headers, body: { kind: '__proto__' } })
    expect(unknown.status).toBe(422)
    const other = await startErp({
      DATABASE_URL: await freshDatabase(inject('databaseUrl')),
      REDIS_URL: inject('redisSocket'),
    })
    const refused = await other.send('/demo/faults', { method: 'POST', body: { kind: 'flushall' } })
    await other.stop()
    expect(refusalIn(refused)).toEqual([409, 'FAULT_REFUSED'])
  })

  it('writes no ticket, token or payload into the log', () => {
    expect(erp.output()).not.toMatch(/ticket|Bearer|eyJ|live-1|WyJ/)
  })
})
