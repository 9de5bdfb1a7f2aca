/** The route of the financial report. */

import type { FinancialReports } from './financial-reports.js'
import { textField } from './http/fields.js'
import { bodyFields, companyOf, type HttpServer } from './http/server.js'

/** Registers the route below `/companies/:company`. */
export function reportRoutes(server: HttpServer, reports: FinancialReports): void {
  server.post('/reports/financial', async (request) => {
    const body = bodyFields(request)
    const [from, to] = [textField(body, 'from'), textField(body, 'to')]
    const sections = await reports.read({ companyId: companyOf(request).id, from, to })
    return { from, to, sections }
  })
}
