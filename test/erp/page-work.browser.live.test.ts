import { Agent } from 'node:http'
import { Client } from 'pg'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { readConfig } from '../../examples/erp/src/config.js'
import { type Erp, openErp } from '../../examples/erp/src/main.js'
import { openChromium } from './chromium.js'
import { freshDatabase } from './erp-database.js'
import { clientOf, type CompanyClient } from './erp-process.js'
import { saleOf } from './vouchers.js'

let erp: Erp
let databaseUrl: string
let browser: Browser
let page: Page
let won: CompanyClient
const agent = new Agent({ keepAlive: true })
beforeAll(async () => {
  databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await openErp(readConfig({ PORT: '0', DATABASE_URL: databaseUrl }), { say: () => undefined })
  won = await clientOf(erp.url, agent).as('c1')
  browser = await openChromium()
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  page.setDefaultTimeout(PATIENCE.timeout)
  await page.goto(`${erp.url}/?lang=en`)
  await page.locator('#connection[data-state=live]').waitFor()
})
afterAll(async () => {
  await browser.close()
  agent.destroy()
  await erp.close()
})

const PATIENCE = { timeout: 30_000, interval: 50 }
const textOf = (selector: string): Promise<string> => page.locator(selector).innerText()
const lights = (state: string): Promise<number> => page.locator(`#lights [data-state=${state}]`).count()

async function post(id: string): Promise<void> {
  const { status } = await won.post('/vouchers', saleOf(id, '5'))
  expect(status).toBe(201)
}

describe('The live page', () => {
  it('shows who holds the lock of an item, with its fence, for as long as it is held', async () => {
    const goods = { companyId: 'c1', item: 'counted', warehouse: 'W1' }
    await erp.stock.adjust({ ...goods, movementId: 'm-1', quantity: 7_000n })
    await expect.poll(() => textOf('#stock'), PATIENCE).toMatch(/counted\s+7/)
    const resource = { companyId: 'c1', type: 'stock', id: 'counted' }
    await erp.locks.withLock(resource, { ttlMs: 60_000 }, async ({ fence }) => {
      await expect.poll(() => textOf('#stock'), PATIENCE).toContain(fence)
      expect(await textOf('#stock')).toMatch(
        new RegExp(`counted\\s+7\\s+0\\s+0\\s+erp-${process.pid}\\S* · ${fence}`),
      )
    })
    await expect.poll(() => textOf('#stock'), PATIENCE).not.toContain(' · ')
  })

  it('shows a payroll that runs, how far it is, and that it is done', async () => {
    const blocker = new Client({ connectionString: databaseUrl })
    await blocker.connect()
    try {
      await blocker.query('BEGIN')
      // Whoever writes a slip waits for this transaction.
      await blocker.query('LOCK TABLE erp.payslip IN EXCLUSIVE MODE')
      await page.click('#payroll')
      await page.locator('#payroll-progress').waitFor()
      expect(await textOf('#payroll-text')).toBe('Payroll 0 of 10,000')
      expect(await page.locator('#payroll-progress').getAttribute('max')).toBe('10000')
      await blocker.query('COMMIT')
    } finally {
      await blocker.end()
    }
    await expect
      .poll(() => textOf('#payroll-text'), { timeout: 60_000, interval: 100 })
      .toBe('Payroll 10,000 of 10,000')
    await expect.poll(() => textOf('#feed'), PATIENCE).toContain('Payroll done')
    await expect.poll(() => textOf('#balances'), PATIENCE).toContain('61010')
  })

  it('shows that Redis stands still while it is paused from the button, goes on, and recovers', async () => {
    await post('before')
    await expect.poll(() => lights('ok'), PATIENCE).toBe(6)
    await page.click('[data-fault=pause]')
    await page.locator('#fault-result[data-state=wait]').waitFor()
    expect(await page.locator('[data-fault=kill]').isDisabled()).toBe(true)
    // The light of Redis goes out although the page, the hub and the database go on.
    await page.locator('#lights [data-state=broken]', { hasText: 'Redis' }).waitFor()
    await post('meanwhile')
    await expect.poll(() => textOf('#feed'), PATIENCE).toContain('meanwhile')
    await page.locator('#fault-result[data-state=ok]').waitFor()
    expect(await textOf('#fault-result')).toMatch(/^Recovered in \d+ ms$/)
    await expect.poll(() => lights('ok'), PATIENCE).toBe(6)
    expect(await page.locator('[data-fault=kill]').isEnabled()).toBe(true)
  })
})
