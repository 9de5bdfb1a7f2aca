import { Agent } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { statusOf } from '../live/live-world.js'
import { freshDatabase } from './erp-database.js'
import { type CompanyClient, type ErpProcess, exchange, fieldOf, refusalIn, startErp } from './erp-process.js'
import { saleOf } from './vouchers.js'

let erp: ErpProcess
let won: CompanyClient
beforeAll(async () => {
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await startErp({ DATABASE_URL: databaseUrl, ALLOWED_HOSTS: 'erp.example, Shop.Example:8443' })
  won = await erp.as('c1')
})
afterAll(() => erp.stop())

describe('A session', () => {
  it('is opened with company and user, and answers a token and a ticket', async () => {
    const opened = await erp.send('/session', { method: 'POST', body: { company: 'c3', user: '김 회계' } })
    expect(opened.status).toBe(200)
    expect(opened.body).toEqual({ token: expect.any(String) as string, ticket: expect.any(String) as string })
  })

  it.each([
    [{ company: 'c9', user: 'a' }, 404],
    [{ company: 'constructor', user: 'a' }, 404],
    [{ company: 'c1' }, 422],
    [{ user: 'a' }, 422],
    [{ company: 1, user: 'a' }, 422],
    [{ company: 'c1', user: '' }, 422],
    [{ company: 'c1', user: 'a\u0000' }, 422],
    [[], 422],
    ['{"company":', 400],
  ])('is refused for %j with %i', async (body, status) => {
    const refused = await erp.send('/session', { method: 'POST', body })
    expect(refused.status).toBe(status)
    expect(fieldOf(refused.body, 'error', 'code')).toEqual(expect.any(String))
  })

  it('is needed for every route of a company: 401 without, 403 with another company’s', async () => {
    const bare = await erp.send('/companies/c1/balances?accounts=11210&fiscalYear=2026')
    expect(refusalIn(bare)).toEqual([401, 'UNAUTHORIZED'])
    for (const authorization of ['Bearer ', 'Bearer abc.def', 'Basic abc', `Bearer ${won.token}x`]) {
      const refused = await erp.send('/companies/c1/audit', { headers: { authorization } })
      expect(refused.status).toBe(401)
    }
    const authorization = `Bearer ${won.token}`
    for (const company of ['c2', 'c9', '..%2fc1', '%00', 'C1']) {
      const refused = await erp.send(`/companies/${company}/audit`, { headers: { authorization } })
      expect(refusalIn(refused)).toEqual([403, 'FORBIDDEN'])
    }
    const posting = await erp.send('/companies/c2/vouchers', {
      method: 'POST',
      body: saleOf('foreign', '10.00'),
      headers: { authorization },
    })
    expect(posting.status).toBe(403)
  })
})

describe('The server', () => {
  it('says that it is alive and ready, and counts', async () => {
    expect((await erp.send('/healthz')).status).toBe(200)
    expect((await erp.send('/readyz')).body).toEqual({ ready: true, degraded: false, causes: [] })
    const metrics = await erp.send('/metrics')
    expect(metrics.status).toBe(200)
    for (const name of [
      'redis_operations_total',
      'cache_requests_total',
      'redis_operation_latency_seconds',
    ]) {
      expect(metrics.text).toContain(`# TYPE ${name} `)
    }
    expect(metrics.text).toContain('\nbalance_drift_total 0\n')
    expect(metrics.text).not.toMatch(/11210|41010|\bc1\b/)
  })

  it.each([
    ['GET', '/nothing'],
    ['POST', '/'],
    ['DELETE', '/session'],
    ['POST', '/companies/c1/stock/count'],
    ['GET', '/companies/c1'],
    ['GET', '/companies//audit/x'],
  ])('answers 404 to %s %s in the shape of every error', async (method, path) => {
    const answer = await erp.send(path, { method, headers: { authorization: `Bearer ${won.token}` } })
    expect(answer.status).toBe(404)
    expect(answer.body).toEqual({
      error: { code: 'ROUTE_NOT_FOUND', message: expect.any(String) as string, retryable: false },
    })
  })

  it.each([
    ['localhost', 200],
    ['LOCALHOST:3000', 200],
    ['127.8.9.10:3000', 200],
    ['[::1]:3000', 200],
    ['erp.example', 200],
    ['ERP.example:1234', 200],
    ['shop.example:8443', 200],
    ['shop.example', 403],
    ['shop.example:443', 403],
    ['evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example', 403],
    ['evil.example:3000@localhost', 403],
    ['192.0.2.7', 403],
  ])('is asked by the host %j, and answers %i', async (host, status) => {
    for (const path of ['/healthz', '/'])
      expect((await erp.send(path, { headers: { host } })).status).toBe(status)
    const session = { method: 'POST', body: { company: 'c1', user: 'kim' }, headers: { host } }
    const opened = await erp.send('/session', session)
    expect(opened.status).toBe(status)
    if (status === 403) expect(refusalIn(opened)).toEqual([403, 'HOST_REFUSED'])
    const protocols = ['kerp.live.v1', `ticket.${String(fieldOf(opened.body, 'ticket'))}`]
    const url = `${erp.url.replace('http', 'ws')}/live`
    expect(await statusOf(url, protocols, { origin: erp.url, host })).toBe(status === 200 ? 101 : 403)
  })

  it('answers 400 to a path that it cannot read', async () => {
    const answer = await erp.send('/companies/%ZZ/audit', {
      headers: { authorization: `Bearer ${won.token}` },
    })
    expect(answer.status).toBe(400)
    expect(fieldOf(answer.body, 'error', 'code')).toEqual(expect.any(String))
  })

  it('answers what is no HTTP in the same shape', async () => {
    const { hostname, port } = new URL(erp.url)
    const socket = connect(Number(port), hostname)
    socket.write('HELLO\r\n\r\n')
    const answer = await text(socket)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({
      error: { code: 'MALFORMED_REQUEST' },
    })
  })

  it('keeps the connection after a body that is too long, with and without a length', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const headers = { authorization: `Bearer ${won.token}` }
    const body = JSON.stringify({ ...saleOf('long', '1'), memo: 'x'.repeat(300_000) })
    const first = await exchange(agent, erp.url, '/companies/c1/vouchers', { method: 'POST', body, headers })
    const chunked = { 'transfer-encoding': 'chunked' }
    const second = await exchange(agent, erp.url, '/companies/c1/vouchers', {
      method: 'POST',
      body: Buffer.from(body),
      headers: { ...headers, ...chunked },
    })
    const third = await exchange(agent, erp.url, '/healthz', {})
    expect([first, second].map(refusalIn)).toEqual([
      [413, 'BODY_TOO_LARGE'],
      [413, 'BODY_TOO_LARGE'],
    ])
    expect([second.localPort, third.localPort]).toEqual([first.localPort, first.localPort])
    agent.destroy()
  })
})
