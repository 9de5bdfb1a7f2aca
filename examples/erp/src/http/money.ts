/** How money and balances look on the wire: major units as decimal strings, with the currency's digits. */

import { formatAmount, type RegisterImage } from '@kerp/core'
import type { Company } from '../companies.js'

/** A balance row; `balance` is debit − credit, whatever the account's normal side. */
export interface BalanceView {
  readonly account: string
  readonly fiscalYear: number
  readonly debit: string
  readonly credit: string
  readonly balance: string
  /** Grows by 1 with every voucher that touches the row. */
  readonly version: number
}

/** A balance row in minor units, as the library has it. */
export interface BalanceRow {
  readonly account: string
  readonly debit: bigint
  readonly credit: bigint
  readonly version: number
}

/** Writes a balance row of a company. */
export function balanceView(company: Company, fiscalYear: number, row: BalanceRow): BalanceView {
  const { account, debit, credit, version } = row
  const money = (minorUnits: bigint): string => formatAmount(minorUnits, company.currency)
  return {
    account,
    fiscalYear,
    debit: money(debit),
    credit: money(credit),
    balance: money(debit - credit),
    version,
  }
}

/** Writes the row that a posting left behind. */
export function imageView(company: Company, image: RegisterImage): BalanceView {
  const [account, fiscalYear] = image.ref.parts
  const [debit, credit] = image.fields
  return balanceView(company, Number(fiscalYear), {
    account,
    debit: BigInt(debit),
    credit: BigInt(credit),
    version: image.version,
  })
}
