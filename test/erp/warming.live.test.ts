import { expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { fieldOf, startErp } from './erp-process.js'
import { saleOf } from './vouchers.js'

it('A service that starts beside an empty Redis fills its caches before anybody reads, and says so', async () => {
  const env = { DATABASE_URL: await freshDatabase(inject('databaseUrl')) }
  const before = await startErp(env)
  const year = new Date().getUTCFullYear()
  const sale = { ...saleOf('v1', '1000'), date: `${year}-01-31`, fiscalYear: year }
  expect((await (await before.as('c1')).post('/vouchers', sale)).status).toBe(201)
  await before.stop()
  const erp = await startErp(env)
  await expect.poll(() => erp.output(), { timeout: 30_000 }).toMatch(/caches warm after \d+ ms/)
  expect(erp.output()).toMatch(/warming c1: \d+ values, [1-9]\d* of them loaded/)
  const { body } = await (await erp.as('c1')).get(`/dashboard?fiscalYear=${year}`)
  expect(fieldOf(body, 'sales')).toBe('1000')
  const { text } = await erp.send('/metrics')
  expect(text).toMatch(/cache_requests_total\{type="dashboard",result="hit"\} 1\b/)
  expect(text).not.toMatch(/cache_requests_total\{type="dashboard",result="miss"\} [1-9]/)
  await erp.stop()
})
