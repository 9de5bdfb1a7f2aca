import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { openChromium } from './chromium.js'
import { freshDatabase } from './erp-database.js'
import { type CompanyClient, type ErpProcess, startErp } from './erp-process.js'
import { saleOf } from './vouchers.js'

let erp: ErpProcess
let won: CompanyClient
let pounds: CompanyClient
let browser: Browser
beforeAll(async () => {
  erp = await startErp({ DATABASE_URL: await freshDatabase(inject('databaseUrl')) })
  won = await erp.as('c1')
  pounds = await erp.as('c2')
  browser = await openChromium()
})
afterAll(async () => {
  await browser.close()
  await erp.stop()
})

const PATIENCE = { timeout: 30_000, interval: 50 }
const complaints: string[] = []

/** Opens the page and waits until it is live. */
async function openPage(query = '?lang=en'): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  page.setDefaultTimeout(PATIENCE.timeout)
  page.on('console', (message) => {
    const text = message.text()
    // Cutting Redis on purpose is no fault of the page.
    if (message.type() === 'error' && !text.includes('status of')) complaints.push(text)
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(`${erp.url}/${query}`)
  await page.locator('#connection[data-state=live]').waitFor()
  return page
}

const textOf = (page: Page, selector: string): Promise<string> =>
  page.locator(selector).innerText({ timeout: PATIENCE.timeout })

describe('The live page', () => {
  it('shows a voucher that is posted by HTTP, without being asked again', async () => {
    const page = await openPage()
    expect((await won.post('/vouchers', saleOf('page-1', '1000'))).status).toBe(201)
    await expect.poll(() => textOf(page, '#account-11210'), PATIENCE).toContain('1,000')
    const before = await textOf(page, '#sum-debit')
    expect((await won.post('/vouchers', saleOf('page-2', '234567'))).status).toBe(201)
    await expect.poll(() => textOf(page, '#sum-debit'), PATIENCE).not.toBe(before)
    await expect.poll(() => textOf(page, '#sum-debit'), PATIENCE).toBe('235,567')
    expect(await textOf(page, '#sum-credit')).toBe('235,567')
    await expect.poll(() => textOf(page, '#feed'), PATIENCE).toContain('page-2')
    await page.close()
  })

  it('shows goods by warehouse, finds an item, and speaks Korean and English', async () => {
    const move = { movementId: 'g-1', item: '85123A', warehouse: 'W2', quantity: '12.5' }
    const page = await openPage('?lang=ko')
    expect((await won.post('/stock/adjust', move)).status).toBe(200)
    await expect.poll(() => textOf(page, '#stock'), PATIENCE).toMatch(/85123A\s+0\s+12\.5\s+0/)
    await page.fill('#find', 'nothing')
    await expect.poll(() => page.locator('#stock tr:visible').count(), PATIENCE).toBe(0)
    expect(await textOf(page, '#balances-title')).toBe('시산표')
    await page.click('#language')
    expect(await textOf(page, '#balances-title')).toBe('Trial balance')
    expect(await page.getAttribute('html', 'lang')).toBe('en')
    await page.close()
  })

  it('never shows anything of another company', async () => {
    const page = await openPage()
    const other = await openPage('?lang=en&company=c2')
    expect((await pounds.post('/vouchers', saleOf('pounds-only', '777.77'))).status).toBe(201)
    await expect.poll(() => textOf(other, '#feed'), PATIENCE).toContain('pounds-only')
    await expect.poll(() => textOf(other, '#sum-debit'), PATIENCE).toBe('777.77')
    // What comes after it on the first page shows that it would have been there by now.
    expect((await won.post('/vouchers', saleOf('page-3', '1'))).status).toBe(201)
    await expect.poll(() => textOf(page, '#feed'), PATIENCE).toContain('page-3')
    expect(await page.content()).not.toMatch(/pounds-only|777\.77/)
    await page.close()
    await other.close()
  })

  it('has its lights green again after Redis was killed from the button, and shows how long that took', async () => {
    const page = await openPage()
    const green = (): Promise<number> => page.locator('#lights [data-state=ok]').count()
    await expect.poll(green, PATIENCE).toBe(6)
    await page.click('[data-fault=kill]')
    await page.locator('#fault-result[data-state=ok]').waitFor()
    expect(await textOf(page, '#fault-result')).toMatch(/^Recovered in \d+ ms$/)
    await expect.poll(green, PATIENCE).toBe(6)
    expect((await won.post('/vouchers', saleOf('page-4', '5'))).status).toBe(201)
    await expect.poll(() => textOf(page, '#feed'), PATIENCE).toContain('page-4')
    await page.close()
  })

  it('is used by the keyboard alone, names what it shows, and fits a narrow screen', async () => {
    const page = await openPage()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.className')).toBe('skip')
    const unnamed = await page.evaluate(
      `[...document.querySelectorAll('button, select, input, section, [role=img], [role=region]')].filter((element) =>
        !element.innerText?.trim() && !element.labels?.length && !element.getAttribute('aria-label') && !element.getAttribute('aria-labelledby')).length`,
    )
    expect(unnamed).toBe(0)
    await page.setViewportSize({ width: 360, height: 740 })
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await page.close()
  })

  it('loads nothing from elsewhere, and breaks no rule of its own policy', async () => {
    const answer = await erp.send('/')
    expect(answer.status).toBe(200)
    const page = await openPage()
    const foreign: string[] = []
    page.on('request', (request) => {
      if (!request.url().startsWith(erp.url)) foreign.push(request.url())
    })
    const response = await page.reload()
    expect(response?.headers()['content-security-policy']).toContain("default-src 'self'")
    await page.locator('#connection[data-state=live]').waitFor()
    expect(foreign).toEqual([])
    expect(complaints).toEqual([])
    await page.close()
  })
})
