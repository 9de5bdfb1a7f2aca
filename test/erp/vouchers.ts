/** Vouchers for tests. */

/** A voucher as the wire has it. */
export interface VoucherBody {
  readonly id: string
  readonly date: string
  readonly fiscalYear: number
  readonly lines: readonly LineBody[]
}

/** One debit or credit. */
export interface LineBody {
  readonly account: string
  readonly debit?: string
  readonly credit?: string
  readonly memo?: string
}

/** A sale on account: receivable to sales, and to VAT when there is one. `gross` is what the customer owes. */
export function saleOf(
  id: string,
  gross: string,
  { vat, year = 2026 }: { readonly vat?: string; readonly year?: number } = {},
): VoucherBody {
  const net = vat === undefined ? gross : minus(gross, vat)
  return {
    id,
    date: `${year}-01-31`,
    fiscalYear: year,
    lines: [
      { account: '11210', debit: gross, memo: 'customer 17' },
      { account: '41010', credit: net },
      ...(vat === undefined ? [] : [{ account: '21210', credit: vat }]),
    ],
  }
}

/** Exact for two amounts with the same number of digits behind the point. */
function minus(a: string, b: string): string {
  const digits = a.split('.')[1]?.length ?? 0
  const difference = (BigInt(a.replace('.', '')) - BigInt(b.replace('.', '')))
    .toString()
    .padStart(digits + 1, '0')
  return digits === 0 ? difference : `${difference.slice(0, -digits)}.${difference.slice(-digits)}`
}
