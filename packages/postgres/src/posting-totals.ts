/**
 * Running totals of a batch: what each voucher leaves behind on each row, computed from the locked rows in exact
 * integers, so that every caller gets the state after its own voucher although the rows are written once.
 */

import type { RegisterImage, RegisterRef } from '@kerp/core'
import { appendRow, arrayOf, emptyColumns, textElement, traceparentArray } from './array-text.js'
import type { CheckedVoucher } from './checked-voucher.js'
import { DatabaseUnsuitableError } from './errors.js'

/** A balance row while a batch runs over it. */
export interface RowTotals {
  readonly ref: RegisterRef
  readonly fiscalYear: number
  readonly companyElement: string
  readonly accountElement: string
  debit: bigint
  credit: bigint
  version: number
  debitAdded: bigint
  creditAdded: bigint
  vouchersAdded: number
  /** Of the last voucher on it, which its image is the state after. */
  traceparent: string | undefined
}

/** What one voucher left behind. */
export interface VoucherImages {
  readonly voucher: CheckedVoucher
  readonly images: readonly RegisterImage[]
}

/** The rows of a batch by name. */
export class BatchRows {
  readonly #rows = new Map<string, RowTotals>()

  constructor(vouchers: readonly CheckedVoucher[]) {
    for (const voucher of vouchers) {
      for (const { account } of voucher.lines) this.#add(voucher.companyId, account, voucher.fiscalYear)
    }
  }

  get all(): readonly RowTotals[] {
    return [...this.#rows.values()]
  }

  get names(): IterableIterator<string> {
    return this.#rows.keys()
  }

  row(companyId: string, account: string, fiscalYear: number | string): RowTotals {
    const row = this.#rows.get(rowName(companyId, account, fiscalYear))
    if (row === undefined)
      throw new DatabaseUnsuitableError('The database answered a row that was not asked for.')
    return row
  }

  /** `$1`, `$2`, `$3` of the statements on rows. */
  parameters(rows: readonly RowTotals[] = this.all): string[] {
    return [
      arrayOf(rows.map((row) => row.companyElement)),
      arrayOf(rows.map((row) => row.accountElement)),
      arrayOf(rows.map((row) => row.fiscalYear)),
    ]
  }

  #add(companyId: string, account: string, fiscalYear: number): void {
    const name = rowName(companyId, account, fiscalYear)
    if (this.#rows.has(name)) return
    this.#rows.set(name, {
      ref: { companyId, family: 'balance', parts: [account, String(fiscalYear)] },
      fiscalYear,
      companyElement: textElement(companyId),
      accountElement: textElement(account),
      debit: 0n,
      credit: 0n,
      version: -1,
      debitAdded: 0n,
      creditAdded: 0n,
      vouchersAdded: 0,
      traceparent: undefined,
    })
  }
}

/** Injective, as no name holds a control character. */
export function rowName(companyId: string, account: string, fiscalYear: number | string): string {
  return `${companyId}\n${account}\n${fiscalYear}`
}

/** Posts vouchers in memory, in order, onto locked rows; `parameters` are those of the statement `write`. */
export function runTotals(
  vouchers: readonly CheckedVoucher[],
  rows: BatchRows,
): { readonly images: readonly VoucherImages[]; readonly parameters: string[]; readonly lines: number } {
  const written = new WrittenColumns()
  const images = vouchers.map((voucher) => {
    const company = textElement(voucher.companyId)
    const id = textElement(voucher.id)
    const touched = new Map<RowTotals, RegisterImage>()
    voucher.lines.forEach((line, index) => {
      const row = rows.row(voucher.companyId, line.account, voucher.fiscalYear)
      if (!touched.has(row)) {
        row.version += 1
        row.vouchersAdded += 1
        row.traceparent = voucher.traceparent
      }
      row.debit += line.debit
      row.credit += line.credit
      row.debitAdded += line.debit
      row.creditAdded += line.credit
      const fields: [string, string] = [row.debit.toString(), row.credit.toString()]
      touched.set(row, { ref: row.ref, version: row.version, fields })
      written.addLine(row, [index, row.version, id, voucher.date], line, fields)
    })
    written.addVoucher(company, id, voucher, touched.keys())
    return { voucher, images: [...touched.values()] }
  })
  const all = rows.all
  const parameters = [
    ...rows.parameters(all),
    arrayOf(all.map((row) => row.debitAdded)),
    arrayOf(all.map((row) => row.creditAdded)),
    arrayOf(all.map((row) => row.vouchersAdded)),
    ...written.parameters(),
    traceparentArray(all.map((row) => row.traceparent)),
    traceparentArray(vouchers.map((voucher) => voucher.traceparent)),
  ]
  return { images, parameters, lines: written.lines }
}

/** The columns of the rows that `write` inserts, as elements of array texts. */
class WrittenColumns {
  readonly #vouchers = emptyColumns(6)
  readonly #lines = emptyColumns(12)
  lines = 0

  addVoucher(company: string, id: string, voucher: CheckedVoucher, rows: Iterable<RowTotals>): void {
    const versions: string[] = []
    for (const row of rows) versions.push(`${JSON.stringify(row.ref.parts[0])}:${row.version}`)
    const values = [
      company,
      id,
      voucher.date,
      String(voucher.fiscalYear),
      textElement(voucher.reverses),
      textElement(`{${versions.join(',')}}`),
    ]
    appendRow(this.#vouchers, values)
  }

  addLine(
    row: RowTotals,
    [index, version, id, date]: readonly [number, number, string, string],
    line: CheckedVoucher['lines'][number],
    [debitAfter, creditAfter]: readonly [string, string],
  ): void {
    this.lines += 1
    const values = [
      row.companyElement,
      row.accountElement,
      row.ref.parts[1],
      String(index + 1),
      String(version),
      id,
      date,
      line.debit.toString(),
      line.credit.toString(),
      debitAfter,
      creditAfter,
      textElement(line.memo),
    ]
    appendRow(this.#lines, values)
  }

  parameters(): string[] {
    return [...this.#vouchers, ...this.#lines].map(arrayOf)
  }
}
