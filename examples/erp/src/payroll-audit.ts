/** What the audit says of payroll: each slip once, and the voucher is their sum. */

import { formatAmount } from '@kerp/core'
import { type Ledger, VoucherNotFoundError } from '@kerp/postgres'
import type { AuditLine } from './audit-line.js'
import { findCompany } from './companies.js'
import { type Payroll, type PayrollStatus, payrollVoucher, payrollVoucherId } from './payroll.js'

/** Audits all payrolls of a company. */
export async function payrollAudit(payroll: Payroll, ledger: Ledger, companyId: string): Promise<AuditLine> {
  const payrolls = await payroll.all(companyId)
  const differences = await Promise.all(payrolls.map((status) => differencesOf(status, ledger)))
  const sum = differences.reduce((total, found) => total + found, 0)
  return {
    name: 'every payslip computed once',
    ok: sum === 0,
    figure: figureOf(payrolls, companyId),
    differences: sum,
  }
}

function figureOf(payrolls: readonly PayrollStatus[], companyId: string): string {
  if (payrolls.length === 0) return 'no payroll'
  const currency = findCompany(companyId)?.currency ?? 'KRW'
  const slips = payrolls.reduce((sum, { totals }) => sum + totals.slips, 0)
  const gross = payrolls.reduce((sum, { totals }) => sum + totals.gross, 0n)
  const open = payrolls.filter(({ run }) => run.state !== 'done').length
  const words = open === 0 ? '= the vouchers' : `, ${open} not done`
  return `${slips} slips of ${formatAmount(gross, currency)} ${currency} ${words}`
}

async function differencesOf({ run, totals }: PayrollStatus, ledger: Ledger): Promise<number> {
  // Of one that is still running, slips may have come since the run was read.
  if (run.state === 'running') return totals.slips < run.itemsDone ? run.itemsDone - totals.slips : 0
  const notOnce = Math.abs(totals.slips - run.itemsDone)
  if (run.state !== 'done' || totals.slips === 0) return notOnce
  return (
    notOnce + (await voucherDifferences(run.companyId, run.runId.split('/').at(-1) ?? '', totals, ledger))
  )
}

/** Lines of the voucher that are not the sum of their slips. */
async function voucherDifferences(
  companyId: string,
  month: string,
  totals: PayrollStatus['totals'],
  ledger: Ledger,
): Promise<number> {
  const { lines: wanted } = payrollVoucher({ companyId, month }, totals)
  const posted = await ledger.voucher(companyId, payrollVoucherId(month)).catch((error: unknown) => {
    if (error instanceof VoucherNotFoundError) return undefined
    throw error
  })
  if (posted === undefined) return wanted.length
  const found = new Map(posted.lines.map((line) => [line.account, line]))
  const wrong = wanted.filter(({ account, debit = 0n, credit = 0n }) => {
    const line = found.get(account)
    return line?.debit !== debit || line.credit !== credit
  })
  return wrong.length + Math.abs(posted.lines.length - wanted.length)
}
