import { Agent } from 'node:http'
import pg from 'pg'
import { expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { exchange, fieldOf, startErp } from './erp-process.js'
import { type HostileRequest, hostileRequests } from './hostile-requests.js'
import { saleOf } from './vouchers.js'

/** How many rows each table has that a request could add to, and what the figures add up to. */
async function stateOf(pool: pg.Pool): Promise<unknown> {
  const tables = [
    'voucher',
    'line',
    'reversal',
    'stock_movement',
    'stock_line',
    'reservation',
    'batch_run',
    'outbox',
  ]
  const counts = tables.map((table) => `(SELECT count(*) FROM kerp.${table}) AS ${table}`)
  const sums = `(SELECT sum(debit) FROM kerp.balance) AS debit, (SELECT sum(on_hand) FROM kerp.stock) AS stock,
    (SELECT sum(reserved) FROM kerp.stock) AS reserved, (SELECT count(approved_at) FROM kerp.voucher) AS approved`
  return (await pool.query(`SELECT ${counts.join(', ')}, ${sums}`)).rows[0]
}

it('a corpus of hostile requests meets a typed refusal each: no 5xx, nothing changed, the connection lives', async () => {
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  const erp = await startErp({ DATABASE_URL: databaseUrl })
  const agents = Array.from({ length: 4 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  try {
    const won = await erp.as('c1')
    expect((await won.post('/vouchers', saleOf('good', '1100', { vat: '100' }))).status).toBe(201)
    const goods = { movementId: 'good', item: 'A', warehouse: 'W1', quantity: '9' }
    expect((await won.post('/stock/adjust', goods)).status).toBe(200)
    const before = await stateOf(pool)
    const requests = hostileRequests()
    expect(requests.length).toBeGreaterThanOrEqual(500)
    const wrong: unknown[] = []
    const send = async (agent: Agent, { path, headers, ...request }: HostileRequest): Promise<unknown> => {
      const sent = { ...request, headers: { authorization: `Bearer ${won.token}`, ...headers } }
      const answer = await exchange(agent, erp.url, `/companies/c1${path}`, sent)
      const isRead = request.method === 'GET' && answer.status === 200
      const isTyped = typeof fieldOf(answer.body, 'error', 'code') === 'string'
      const isRefused = answer.status >= 400 && answer.status < 500 && isTyped
      const shown = [path, JSON.stringify([request.body]), answer.text].map((text) => text.slice(0, 120))
      if (!isRead && !isRefused) wrong.push([request.method, answer.status, ...shown])
      return answer.localPort
    }
    const waiting = requests.values()
    const ports = agents.map(async (agent) => {
      const used = new Set<unknown>()
      for (const request of waiting) used.add(await send(agent, request))
      return used.size
    })
    // Each connection of its own was still the same one at the end.
    expect(await Promise.all(ports)).toEqual(agents.map(() => 1))
    expect(wrong).toEqual([])
    expect(await stateOf(pool)).toEqual(before)
    expect((await won.post('/vouchers', saleOf('after', '1100', { vat: '100' }))).status).toBe(201)
    expect(fieldOf((await won.get('/audit')).body, 'ok')).toBe(true)
    expect(erp.output()).not.toMatch(/\.ts:\d+/)
  } finally {
    for (const agent of agents) agent.destroy()
    await erp.stop()
    await pool.end()
  }
}, 240_000)
