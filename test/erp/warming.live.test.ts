import { expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { fieldOf, startErp } from './erp-process.js'
import { saleOf } from './vouchers.js'

/**
 * Companies, and how many years back: all dashboards that are filled, but the one with the sale. Its event is told anew to an
 * empty Redis, and may void that one after it was filled.
 */
const OTHERS = [
  ['c1', 1],
  ['c2', 0],
  ['c2', 1],
  ['c3', 0],
  ['c3', 1],
] as const

it('A service that starts beside an empty Redis fills its caches before anybody reads, and says so', async () => {
  const env = { DATABASE_URL: await freshDatabase(inject('databaseUrl')) }
  const before = await startErp(env)
  const year = new Date().getUTCFullYear()
  const sale = saleOf('v1', '1000', { year })
  expect((await (await before.as('c1')).post('/vouchers', sale)).status).toBe(201)
  await before.stop()
  const erp = await startErp(env)
  await expect.poll(() => erp.output(), { timeout: 30_000 }).toMatch(/caches warm after \d+ ms/)
  expect(erp.output()).toMatch(/warming c1: \d+ values, [1-9]\d* of them loaded/)
  const { body } = await (await erp.as('c1')).get(`/dashboard?fiscalYear=${year}`)
  expect(fieldOf(body, 'sales')).toBe('1000')
  for (const [company, fiscalYear] of OTHERS.map(([id, back]) => [id, year - back] as const)) {
    const client = await erp.as(company)
    expect((await client.get(`/dashboard?fiscalYear=${fiscalYear}`)).status).toBe(200)
  }
  const { text } = await erp.send('/metrics')
  const hits = Number(/cache_requests_total\{type="dashboard",result="hit"\} (\d+)/.exec(text)?.[1])
  // What Redis does not answer within 25 ms is left to its first reader, and a busy machine may take longer.
  const isRedisLate = /operation="(?:mget|lease-entry|store-entry)",status="timeout"\} [1-9]/.test(text)
  expect(hits).toBeGreaterThanOrEqual(isRedisLate ? 0 : OTHERS.length)
  await erp.stop()
})
