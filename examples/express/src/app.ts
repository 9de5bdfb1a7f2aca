/** An Express service that posts sales and answers balances. */

import { parseMinorUnits } from '@kerp/core'
import { kerpErrors, kerpProbes } from '@kerp/express'
import type { Realtime } from '@kerp/realtime'
import express, { type Express } from 'express'

const FISCAL_YEAR = 2026

/** The service; who listens calls `realtime.start()` and `realtime.close()`. */
export function createApp(realtime: Realtime): Express {
  const { ledger, balances } = realtime
  const app = express()
  app.use(kerpProbes(realtime))
  app.use(express.json())

  app.put('/:company/sales/:id', async ({ params: { company: companyId, id }, body }, response) => {
    const amount = parseMinorUnits((body as { amount?: unknown } | undefined)?.amount)
    const lines = [
      { account: 'cash', debit: amount },
      { account: 'sales', credit: amount },
    ]
    const posted = await ledger.post({ companyId, id, date: '2026-01-05', fiscalYear: FISCAL_YEAR, lines })
    await balances.apply(posted)
    const cash = { companyId, account: 'cash', fiscalYear: FISCAL_YEAR }
    response.json(await balances.get(cash, { atLeast: posted.token }))
  })

  app.get('/:company/balances/:account', async ({ params: { company: companyId, account } }, response) => {
    response.json(await balances.get({ companyId, account, fiscalYear: FISCAL_YEAR }))
  })

  app.use(kerpErrors(console.error))
  return app
}
