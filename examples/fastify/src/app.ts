/** A Fastify service that posts sales and answers balances. */

import { parseMinorUnits } from '@kerp/core'
import { kerpErrorHandler, kerpFastify } from '@kerp/fastify'
import type { Realtime } from '@kerp/realtime'
import fastify, { type FastifyInstance } from 'fastify'

const FISCAL_YEAR = 2026

/** The service; closing it closes `realtime`. */
export async function createApp(realtime: Realtime): Promise<FastifyInstance> {
  const app = fastify({ logger: { level: 'error' } })
  app.setErrorHandler(kerpErrorHandler)
  await app.register(kerpFastify, { realtime })
  const { ledger, balances } = app.kerp

  app.put<{ Params: { company: string; id: string }; Body: { amount?: unknown } | null | undefined }>(
    '/:company/sales/:id',
    async ({ params: { company: companyId, id }, body }) => {
      const amount = parseMinorUnits(body?.amount)
      const lines = [
        { account: 'cash', debit: amount },
        { account: 'sales', credit: amount },
      ]
      const posted = await ledger.post({
        companyId,
        id,
        date: '2026-01-05',
        fiscalYear: FISCAL_YEAR,
        lines,
      })
      await balances.apply(posted)
      const cash = { companyId, account: 'cash', fiscalYear: FISCAL_YEAR }
      return balances.get(cash, { atLeast: posted.token })
    },
  )

  app.get<{ Params: { company: string; account: string } }>(
    '/:company/balances/:account',
    ({ params: { company: companyId, account } }) =>
      balances.get({ companyId, account, fiscalYear: FISCAL_YEAR }),
  )
  return app
}
