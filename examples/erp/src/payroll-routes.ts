/** The routes of payroll: start a month, and see how it stands. */

import { formatAmount } from '@kerp/core'
import type { Company } from './companies.js'
import { textField } from './http/fields.js'
import { bodyFields, companyOf, type HttpServer, pathFields } from './http/server.js'
import type { Payroll, PayrollStatus } from './payroll.js'
import { SLIP_PARTS } from './payroll-tables.js'

/** Registers the routes below `/companies/:company`. */
export function payrollRoutes(server: HttpServer, payroll: Payroll): void {
  server.post('/payroll', async (request, reply) => {
    const month = textField(bodyFields(request), 'month')
    await payroll.start({ companyId: companyOf(request).id, month })
    reply.code(202)
    return { batchId: month }
  })

  server.get('/payroll/:batch', async (request) => {
    const company = companyOf(request)
    const month = textField(pathFields(request), 'batch')
    return payrollView(company, month, await payroll.status({ companyId: company.id, month }))
  })
}

function payrollView(
  company: Company,
  month: string,
  { run, total, totals, failures }: PayrollStatus,
): object {
  return {
    batchId: month,
    state: run.state,
    done: run.itemsDone,
    total,
    totals: Object.fromEntries(
      SLIP_PARTS.map((part) => [part, formatAmount(totals[part], company.currency)]),
    ),
    failures,
  }
}
