/** The demo's payroll: one month for every employee, through the same batch as the route, with a bar. */

import { EMPLOYER } from '../employees.js'
import type { Erp } from '../main.js'
import { patiently } from './patience.js'
import type { Screen } from './screen.js'

/** Has rules, whatever month the orders are of. */
const MONTH = '2026-06'
const LOOK_MS = 50

/** What the payroll did. */
export interface PayrollReport {
  readonly payslips: number
  /** From the start to the voucher, in ms. */
  readonly payrollMs: number
  readonly payslipsPerSecond: number
}

/** Pays everybody; rejects when the run does not end well. */
export async function runPayroll(erp: Erp, screen: Screen): Promise<PayrollReport> {
  const begunMs = performance.now()
  const bar = screen.bar(`${EMPLOYER.companyId} payroll ${MONTH}`, EMPLOYER.employees)
  const run = await erp.payroll.start({ companyId: EMPLOYER.companyId, month: MONTH })
  let shown = 0
  for await (const { run: stands, ended } of run.watch({ everyMs: LOOK_MS })) {
    bar.advance(ended - shown)
    shown = ended
    if (stands.state === 'failed' || stands.state === 'cancelled')
      throw new Error(
        `the payroll is ${stands.state}: ${stands.failureCode ?? `${stands.itemsFailed} failed`}`,
      )
  }
  bar.finish()
  const payrollMs = performance.now() - begunMs
  // The voucher is in the database; the relay brings it to the cache.
  await patiently(() => erp.relay.caughtUp())
  return { payslips: shown, payrollMs, payslipsPerSecond: Math.round((shown / payrollMs) * 1_000) }
}
