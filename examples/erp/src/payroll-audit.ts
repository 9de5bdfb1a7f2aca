/** What the audit says of payroll: each slip once, and the voucher is their sum. */

import { formatAmount } from '@kerp/core'
import { type Ledger, VoucherNotFoundError } from '@kerp/postgres'
import type { AuditLine } from './audit-line.js'
import { findCompany } from './companies.js'
import { type AuditedPayroll, type Payroll, payrollVoucher, payrollVoucherId } from './payroll.js'
import { SLIP_PARTS } from './payroll-tables.js'

/** Audits all payrolls of a company. */
export async function payrollAudit(payroll: Payroll, ledger: Ledger, companyId: string): Promise<AuditLine> {
  const payrolls = await payroll.audited(companyId)
  const differences = await Promise.all(payrolls.map((status) => differencesOf(status, ledger)))
  const sum = differences.reduce((total, found) => total + found, 0)
  return {
    name: 'every payslip computed once',
    ok: sum === 0,
    figure: figureOf(payrolls, companyId),
    differences: sum,
  }
}

function figureOf(payrolls: readonly AuditedPayroll[], companyId: string): string {
  if (payrolls.length === 0) return 'no payroll'
  const currency = findCompany(companyId)?.currency ?? 'KRW'
  const count = payrolls.reduce((sum, { slips }) => sum + slips.slips, 0)
  const gross = payrolls.reduce((sum, { slips }) => sum + slips.gross, 0n)
  const open = payrolls.filter(({ run }) => run.state !== 'done').length
  const words = open === 0 ? '= the vouchers' : `, ${open} not done`
  return `${count} slips of ${formatAmount(gross, currency)} ${currency} ${words}`
}

async function differencesOf({ run, totals, slips }: AuditedPayroll, ledger: Ledger): Promise<number> {
  // Of one that is still running, slips may have come since the run was read.
  if (run.state === 'running') return slips.slips < run.itemsDone ? run.itemsDone - slips.slips : 0
  const miscounted = SLIP_PARTS.filter((part) => totals[part] !== slips[part]).length
  const wrong = Math.abs(slips.slips - run.itemsDone) + miscounted
  if (run.state !== 'done' || slips.slips === 0) return wrong
  return wrong + (await voucherDifferences(run.companyId, run.runId.split('/').at(-1) ?? '', slips, ledger))
}

/** Lines of the voucher that are not the sum of their slips. */
async function voucherDifferences(
  companyId: string,
  month: string,
  totals: AuditedPayroll['slips'],
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
