/**
 * From the sending of a voucher by HTTP to the changed number in a page of headless Chromium, with other live
 * clients of the same company beside it: the reference app with its own Redis and PostgreSQL, whole.
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { openChromium } from '../test/erp/chromium.js'
import { startErp } from '../test/erp/erp-process.js'
import { saleOf } from '../test/erp/vouchers.js'
import { percentile, rounded } from './figures.js'
import { timerLateness } from './timer-lateness.js'

const POSTS = 150
const EVERY_MS = 100
const PATIENCE_MS = 30_000

/** Writes down when the sum line first showed which text. */
const WATCH = `
  window.shown = {}
  const sum = document.getElementById('sum-debit')
  new MutationObserver(() => {
    window.shown[sum.textContent] ??= performance.timeOrigin + performance.now()
  }).observe(sum, { childList: true, characterData: true, subtree: true })
`

/** Posts vouchers one after the other, a few at a time, and says how old each was when the page showed its sum. */
export async function measurePage(clientCount: number): Promise<object> {
  const database = await openPrivatePostgres({})
  const erp = await startErp({ DATABASE_URL: database.url })
  const won = await erp.as('c1')
  const path = new URL('./live-clients.ts', import.meta.url)
  const port = new URL(erp.url).port
  const clients = fork(path, [port, String(clientCount), 'erp'], { execArgv: [...process.execArgv] })
  await once(clients, 'message')
  const browser = await openChromium()
  const page = await browser.newPage()
  await page.goto(`${erp.url}/?lang=en`)
  await page.locator('#connection[data-state=live]').waitFor()
  await page.evaluate(WATCH)
  const lateness = timerLateness()
  const sentMs = new Map<string, number>()
  const posts: Promise<unknown>[] = []
  for (let post = 1; post <= POSTS; post += 1) {
    sentMs.set(String(post), performance.timeOrigin + performance.now())
    posts.push(won.post('/vouchers', saleOf(`page-${post}`, '1')))
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
  }
  await Promise.all(posts)
  await page.waitForFunction(`document.getElementById('sum-debit').textContent === '${POSTS}'`, undefined, {
    timeout: PATIENCE_MS,
  })
  const shown: Readonly<Record<string, number>> = await page.evaluate('window.shown')
  const late = lateness.stop()
  await browser.close()
  clients.kill('SIGKILL')
  await erp.stop()
  await database.close()
  // Vouchers that arrive in one frame are shown at once: then a later sum shows the earlier ones too.
  const seen = Object.entries(shown).map(([sum, ms]) => ({ sum: Number(sum), ms }))
  const agesMs = [...sentMs].map(([sum, ms]) => {
    const first = seen.filter((one) => one.sum >= Number(sum)).map((one) => one.ms)
    return Math.min(...first) - ms
  })
  return {
    'live clients': clientCount + 1,
    'vouchers/s': 1_000 / EVERY_MS,
    'posted to shown, p50 ms': rounded(percentile(agesMs, 0.5), 1),
    'p99 ms': rounded(percentile(agesMs, 0.99), 1),
    'idle timer late p99 ms': rounded(percentile(late, 0.99), 1),
  }
}
