/** How an invoice becomes a voucher (전표): receivable / sales / VAT, one sales line for each order line. */

import { divideRounded } from '@kerp/core'
import type { Voucher, VoucherLine } from '@kerp/postgres'
import { fiscalYearOf } from '../companies.js'
import type { Invoice, OrderLine } from './orders.js'

const RECEIVABLE = '11210'
const SALES = '41010'
const VAT_PAYABLE = '21210'

/** A voucher has at most 1,000 lines; two of them are the receivable and the VAT. */
const SALES_LINES_MAX = 998

/**
 * The voucher of an invoice for one company, or undefined when the invoice is worth nothing.
 *
 * Its pence are the minor units of the company, whatever its currency: pence, cents or whole won. VAT is 10 %
 * of the invoice's net total, rounded half up once. An invoice with a negative total is posted as its
 * reversal: the same accounts with the sides swapped.
 */
export function invoiceVoucher(invoice: Invoice, companyId: string): Voucher | undefined {
  const net = invoice.lines.reduce((sum, line) => sum + amountOf(line), 0n)
  if (net === 0n) return undefined
  const vat = divideRounded(net, 10n, 'halfUp')
  const memo = invoice.customer === '' ? {} : { memo: `customer ${invoice.customer}` }
  return {
    companyId,
    id: `invoice-${invoice.id}`,
    date: invoice.date,
    fiscalYear: fiscalYearOf(invoice.date),
    lines: [
      ...debitLines(RECEIVABLE, net + vat, memo),
      ...salesLines(invoice.lines, net),
      ...debitLines(VAT_PAYABLE, -vat, {}),
    ],
  }
}

/** An invoice that is too long for one line each is posted with one line for all. */
function salesLines(lines: readonly OrderLine[], net: bigint): VoucherLine[] {
  if (lines.length > SALES_LINES_MAX) return debitLines(SALES, -net, { memo: `${lines.length} order lines` })
  return lines.flatMap((line) => debitLines(SALES, -amountOf(line), { memo: memoOf(line) }))
}

function amountOf(line: OrderLine): bigint {
  return line.quantity * line.unitPricePence
}

function memoOf(line: OrderLine): string {
  return `${line.quantity} × ${line.item}`
}

/** One line on the debit side, on the credit side when the amount is negative, none for zero. */
function debitLines(account: string, amount: bigint, memo: { readonly memo?: string }): VoucherLine[] {
  if (amount === 0n) return []
  return [amount > 0n ? { account, debit: amount, ...memo } : { account, credit: -amount, ...memo }]
}
