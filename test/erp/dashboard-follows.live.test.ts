import { anyAccount, Ledger } from '@kerp/postgres'
import pg from 'pg'
import { afterEach, expect, inject, it } from 'vitest'
import { readConfig } from '../../examples/erp/src/config.js'
import { type Erp, openErp } from '../../examples/erp/src/main.js'
import { freshDatabase } from './erp-database.js'

let erp: Erp | undefined
afterEach(() => erp?.close())

it('A voucher that another service posted voids the cached dashboard by its event', async () => {
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  erp = await openErp(readConfig({ PORT: '0', DATABASE_URL: databaseUrl }), { say: () => undefined })
  const { dashboard, metrics } = erp
  const sales = async (): Promise<bigint> => (await dashboard.read('c1', 2026)).sales
  expect([await sales(), await sales()]).toEqual([0n, 0n])
  const pool = new pg.Pool({ connectionString: databaseUrl })
  const elsewhere = new Ledger({ pool, accounts: anyAccount })
  await elsewhere.post({
    companyId: 'c1',
    id: 'elsewhere',
    date: '2026-01-31',
    fiscalYear: 2026,
    lines: [
      { account: '11020', debit: 700n },
      { account: '41010', credit: 700n },
    ],
  })
  await expect.poll(sales, { timeout: 20_000, interval: 50 }).toBe(700n)
  const hits = async (): Promise<number> => (await sales(), metrics.snapshot().caches['dashboard']?.hits ?? 0)
  await expect.poll(hits).toBeGreaterThan(0)
  await elsewhere.close()
  await pool.end()
})
