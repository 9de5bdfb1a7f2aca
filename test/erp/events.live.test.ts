import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { type CompanyClient, type ErpProcess, fieldOf, startErp } from './erp-process.js'
import { saleOf } from './vouchers.js'

let erp: ErpProcess
let client: CompanyClient
beforeAll(async () => {
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await startErp({ DATABASE_URL: databaseUrl })
  client = await erp.as('c2')
})
afterAll(() => erp.stop())

const events = (body: unknown): readonly unknown[] => fieldOf(body, 'events') as readonly unknown[]

it('The history shows what was posted, approved and moved, in one order, with money and quantities as everywhere', async () => {
  await client.post('/vouchers', saleOf('s-1', '10.00'))
  await client.post('/vouchers/s-1/approve')
  await client.post('/stock/adjust', { movementId: 'm-1', item: 'i', warehouse: 'W1', quantity: '12.5' })
  const { status, body } = await client.get('/events')
  expect(status).toBe(200)
  const all = events(body)
  expect(all.map((event) => fieldOf(event, 'id'))).toEqual(all.map((_, n) => String(n + 1)))
  expect(all.map((event) => fieldOf(event, 'type'))).toEqual([
    'events:balance:updated',
    'events:balance:updated',
    'events:voucher:created',
    'events:voucher:approved',
    'events:inventory:changed',
  ])
  expect(fieldOf(all[0], 'companyId')).toBe('c2')
  expect(fieldOf(all[0], 'payload')).toMatchObject({
    debit: '10.00',
    credit: '0.00',
    balance: '10.00',
    version: 1,
  })
  expect(fieldOf(all[2], 'payload')).toMatchObject({ id: 's-1', fiscalYear: 2026 })
  expect(fieldOf(all[4], 'payload')).toEqual({
    item: 'i',
    warehouse: 'W1',
    quantity: '12.5',
    reserved: '0',
    version: 1,
  })

  const first = await client.get('/events?limit=3')
  expect(fieldOf(first.body, 'next')).toBe('3')
  const rest = await client.get('/events?after=3&limit=3')
  expect([...events(first.body), ...events(rest.body)]).toEqual(all)
  expect(rest.text).not.toContain('next')
})

it('The audit says that events are gap-free and equal to the committed changes', async () => {
  const audit = await client.get('/audit')
  expect(fieldOf(audit.body, 'lines')).toContainEqual({
    name: 'events gap-free per company and equal to the committed changes',
    ok: true,
    figure: '5 events',
    differences: 0,
  })
})

it.each(['after=x', 'after=-1', 'after=01', 'limit=0', 'limit=1001'])(
  'A history that is asked for with %s is refused by the name of the field',
  async (query) => {
    const { status, text } = await client.get(`/events?${query}`)
    expect(status).toBe(422)
    expect(text).toContain(query.split('=')[0])
  },
)
