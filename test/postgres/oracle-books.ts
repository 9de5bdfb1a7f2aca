/** A seeded world of books, and plain oracles of it: what each read of the ledger must answer. */

import { byBytes, seededRandom } from '@kerp/core/testing'
import type {
  Ledger,
  LedgerLine,
  PostedVoucher,
  TrialBalanceRow,
  TurnoverRow,
  Voucher,
  VoucherLine,
} from '@kerp/postgres'
import { CODES, COMPANIES, grouped } from './oracle.js'

/** Seven of them, the fourth being the busiest. */
export const YEARS: readonly number[] = [2020, 2021, 2022, 2023, 2024, 2025, 2026]
const BUSY_YEAR = 2023
const LINES_MAX = 40
/** Of the first company, and of each other one. */
const VOUCHERS = [800, 160] as const

/** A voucher with what the ledger answered when it was posted. */
export interface KnownVoucher {
  readonly voucher: Voucher
  readonly reverses: string | undefined
  readonly posted: PostedVoucher
}

/** All that was done. */
export interface Books {
  readonly vouchers: readonly KnownVoucher[]
  /** `company/id` of those that were approved. */
  readonly approved: ReadonlySet<string>
}

/** One line of a row as its voucher has it. */
export interface KnownLine extends LedgerLine {
  readonly companyId: string
  readonly account: string
  readonly fiscalYear: number
}

/** Posts, reverses and approves, many at a time, so that only the answers tell in which order. */
export async function postBooks(ledger: Ledger, seed: number): Promise<Books> {
  const vouchers: KnownVoucher[] = []
  const written = COMPANIES.flatMap((companyId, index) =>
    vouchersOf(companyId, VOUCHERS[index === 0 ? 0 : 1], seed + index),
  )
  const shuffled = written.map((voucher, n) => ({ voucher, place: (n * 7_919) % written.length }))
  shuffled.sort((a, b) => a.place - b.place)
  const posted = await Promise.all(
    shuffled.map(async ({ voucher }) => ({
      voucher,
      reverses: undefined,
      posted: await ledger.post(voucher),
    })),
  )
  vouchers.push(...posted)
  const reversals = posted.filter(({ voucher }) => Number(voucher.id.slice(1)) % 17 === 0)
  vouchers.push(
    ...(await Promise.all(
      reversals.map(async ({ voucher }) => {
        const reversal = reversalOf(voucher)
        const { companyId, id, date } = reversal
        return {
          voucher: reversal,
          reverses: voucher.id,
          posted: await ledger.reverse(companyId, voucher.id, { id, date }),
        }
      }),
    )),
  )
  const approvals = vouchers.filter(({ voucher }) => Number(voucher.id.slice(1)) % 11 === 0)
  const approved = await Promise.all(
    approvals.map(async ({ voucher: { companyId, id } }) => {
      await ledger.approve(companyId, id)
      return `${companyId}/${id}`
    }),
  )
  return { vouchers, approved: new Set(approved) }
}

function vouchersOf(companyId: string, count: number, seed: number): readonly Voucher[] {
  const random = seededRandom(seed)
  const below = (bound: number): number => Math.floor(random.fraction() * bound)
  const amount = (): bigint =>
    below(30) === 0 ? BigInt(`0x${random.hex(14)}`) + 1n : BigInt(1 + below(9_999_999))
  return Array.from({ length: count }, (_, n): Voucher => {
    const fiscalYear = below(2) === 0 ? BUSY_YEAR : (YEARS[below(YEARS.length)] ?? BUSY_YEAR)
    const size = 2 + Math.floor((LINES_MAX - 1) * random.fraction() ** 3)
    let difference = 0n
    const lines = Array.from({ length: size }, (_unused, index): VoucherLine => {
      const isLast = index === size - 1
      // The last line makes up for the others: never nothing, as their number is odd in the last digit.
      const sum = isLast ? abs(difference) : amount() * 2n + (index === 0 ? 1n : 0n)
      const isDebit = isLast ? difference < 0n : below(2) === 0
      difference += isDebit ? sum : -sum
      const account = below(3) === 0 ? '1101' : (CODES[below(CODES.length)] ?? '1101')
      const memo = below(4) === 0 ? `적요 ${index}` : undefined
      return { account, [isDebit ? 'debit' : 'credit']: sum, ...(memo === undefined ? {} : { memo }) }
    })
    const day = `${String(1 + below(12)).padStart(2, '0')}-${String(1 + below(28)).padStart(2, '0')}`
    // Some vouchers of a year are dated in the next one.
    return {
      companyId,
      id: `v${n + 1}`,
      date: `${fiscalYear + (below(9) === 0 ? 1 : 0)}-${day}`,
      fiscalYear,
      lines,
    }
  })
}

function abs(amount: bigint): bigint {
  return amount < 0n ? -amount : amount
}

function reversalOf(voucher: Voucher): Voucher {
  const lines = voucher.lines.map(({ account, debit, credit, memo }) => ({
    account,
    debit: credit,
    credit: debit,
    memo,
  }))
  return { ...voucher, id: `r${voucher.id.slice(1)}`, date: `${voucher.fiscalYear + 1}-01-31`, lines }
}

/** Names a row by its fiscal year, or a state of it by version and fiscal year; no code has a line break. */
export function rowName(companyId: string, account: string, ...numbers: readonly number[]): string {
  return [companyId, account, ...numbers].join('\n')
}

/** Every row's lines with the totals after each, in the order of versions and of the vouchers' own lines. */
export function linesByRow(books: Books): ReadonlyMap<string, readonly KnownLine[]> {
  const sorted = books.vouchers.flatMap(({ voucher, posted }) =>
    voucher.lines.map((line, index) => {
      const image = posted.images.find(({ ref }) => ref.parts[0] === line.account)
      return { voucher, line, lineNumber: index + 1, version: image?.version ?? 0 }
    }),
  )
  sorted.sort((a, b) => a.version - b.version || a.lineNumber - b.lineNumber)
  const sums = new Map<string, readonly [bigint, bigint]>()
  const lines = sorted.map(({ voucher, line, lineNumber, version }): KnownLine => {
    const { companyId, fiscalYear } = voucher
    const name = rowName(companyId, line.account, fiscalYear)
    const [debit, credit] = [line.debit ?? 0n, line.credit ?? 0n]
    const [debitBefore, creditBefore] = sums.get(name) ?? [0n, 0n]
    const [debitAfter, creditAfter] = [debitBefore + debit, creditBefore + credit]
    sums.set(name, [debitAfter, creditAfter])
    return {
      ...{
        companyId,
        account: line.account,
        fiscalYear,
        voucherId: voucher.id,
        lineNumber,
        date: voucher.date,
      },
      ...{
        memo: line.memo,
        debit,
        credit,
        debitAfter,
        creditAfter,
        balanceAfter: debitAfter - creditAfter,
        version,
      },
    }
  })
  return grouped(lines, ({ companyId, account, fiscalYear }) => rowName(companyId, account, fiscalYear))
}

/** The rows of a company as they stand, in the order of bytes of account, then of year; of one year if it is given. */
export function rowsOf(
  lines: ReadonlyMap<string, readonly KnownLine[]>,
  companyId: string,
  fiscalYear?: number,
): readonly KnownLine[] {
  return [...lines.values()]
    .flatMap((row) => row.slice(-1))
    .filter((last) => last.companyId === companyId && (fiscalYear ?? last.fiscalYear) === last.fiscalYear)
    .sort((a, b) => byBytes(a.account, b.account) || a.fiscalYear - b.fiscalYear)
}

/** The trial balance of a year. */
export function trialBalanceOf(rows: readonly KnownLine[]): readonly TrialBalanceRow[] {
  return rows.map(({ account, debitAfter, creditAfter, balanceAfter, version }) => ({
    ...{ account, debit: debitAfter, credit: creditAfter, balance: balanceAfter, version },
  }))
}

/** What was posted to each account before and within a range of dates. */
export function turnoverOf(
  books: Books,
  companyId: string,
  from: string,
  to: string,
): readonly TurnoverRow[] {
  const lines = books.vouchers
    .filter(({ voucher }) => voucher.companyId === companyId && voucher.date <= to)
    .flatMap(({ voucher: { date, lines } }) => lines.map((line) => ({ ...line, isBefore: date < from })))
  const rows = [...grouped(lines, ({ account }) => account)].map(([account, ofAccount]) => {
    const sum = (side: 'debit' | 'credit', isBefore: boolean): bigint =>
      ofAccount
        .filter((line) => line.isBefore === isBefore)
        .reduce((total, line) => total + (line[side] ?? 0n), 0n)
    return {
      ...{ account, debitBefore: sum('debit', true), creditBefore: sum('credit', true) },
      ...{ debit: sum('debit', false), credit: sum('credit', false) },
    }
  })
  return rows.sort((a, b) => byBytes(a.account, b.account))
}
