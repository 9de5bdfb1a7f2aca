/** Checks a voucher completely before any SQL, so that the database never sees what cannot be posted. */

import { AMOUNT_DIGITS_MAX, describeAmount } from '@kerp/core'
import type { AccountCatalog } from './account-catalog.js'
import { type CheckedLine, type CheckedVoucher, requestHash } from './checked-voucher.js'
import { VoucherInvalidError } from './errors.js'
import { checkCompanyId, checkFiscalYear, checkName, isWellFormed } from './identifiers.js'
import type { FiscalYearOf } from './voucher.js'

/** The most lines of a voucher. */
const LINES_MAX = 1_000
/** The most characters of a memo. */
const MEMO_LENGTH_MAX = 500

const AMOUNT_BOUND = 10n ** BigInt(AMOUNT_DIGITS_MAX)
const DATE = /^(\d{4})-(\d{2})-(\d{2})$/
const MEMO_FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/

/**
 * Everything but whether the accounts exist. Takes `unknown` fields seriously: callers may come from JavaScript.
 *
 * @throws {VoucherInvalidError} `VOUCHER_INVALID`, not retryable, naming the field, what it must be, and what came.
 */
export function checkVoucher(input: unknown, reverses?: string): CheckedVoucher {
  const voucher = record(input, 'voucher', 'an object with companyId, id, date, fiscalYear and lines')
  const facts = {
    companyId: checkCompanyId(voucher['companyId']),
    id: checkName(voucher['id'], 'id'),
    date: checkDate(voucher['date'], 'date'),
    fiscalYear: checkFiscalYear(voucher['fiscalYear']),
    lines: checkLines(voucher['lines']),
    reverses,
  }
  return { ...facts, hash: requestHash(facts) }
}

/** A day of the calendar as `YYYY-MM-DD`. */
export function checkDate(value: unknown, field: string): string {
  const found = typeof value === 'string' ? DATE.exec(value) : null
  if (found === null || !isCalendarDay(Number(found[1]), Number(found[2]), Number(found[3]))) {
    throw new VoucherInvalidError(field, 'a day of the calendar as YYYY-MM-DD, from the year 1900 on', value)
  }
  return found[0]
}

/**
 * Refuses a voucher whose date the host's rule has in another fiscal year.
 *
 * @throws {VoucherInvalidError} `VOUCHER_INVALID`, not retryable.
 */
export function checkYearOfDate(fiscalYearOf: FiscalYearOf | undefined, voucher: CheckedVoucher): void {
  if (fiscalYearOf === undefined) return
  const { companyId, date, fiscalYear } = voucher
  const year = fiscalYearOf(date, companyId)
  if (year === fiscalYear) return
  if (year === undefined)
    throw new VoucherInvalidError('date', 'a day of one of the company’s fiscal years', date)
  throw new VoucherInvalidError('fiscalYear', `${String(year)}, the fiscal year of ${date}`, fiscalYear)
}

/**
 * Refuses accounts that the catalogue does not have, and groups.
 *
 * @throws {VoucherInvalidError} `VOUCHER_INVALID`, not retryable.
 */
export async function checkAccounts(catalog: AccountCatalog, voucher: CheckedVoucher): Promise<void> {
  const kinds = await catalog.lookup(
    voucher.companyId,
    voucher.lines.map((line) => line.account),
  )
  voucher.lines.forEach((line, index) => {
    const kind = kinds.get(line.account)
    if (kind === 'postable') return
    const expected =
      kind === 'group' ? 'an account without accounts under it' : 'an account of the company’s chart'
    throw new VoucherInvalidError(`lines[${index}].account`, expected, line.account)
  })
}

function checkLines(value: unknown): readonly CheckedLine[] {
  if (!Array.isArray(value) || value.length < 2 || value.length > LINES_MAX) {
    throw new VoucherInvalidError('lines', `a list of 2 to ${LINES_MAX} lines`, value)
  }
  let debit = 0n
  let credit = 0n
  const lines = (value as readonly unknown[]).map((line, index) => {
    const checked = checkLine(line, `lines[${index}]`)
    debit += checked.debit
    credit += checked.credit
    return checked
  })
  if (debit !== credit) {
    throw new VoucherInvalidError(
      'lines',
      'balanced: the debits and the credits must have the same sum',
      `debits ${debit}, credits ${credit}`,
      describeAmount,
    )
  }
  return lines
}

function checkLine(value: unknown, field: string): CheckedLine {
  const line = record(value, field, 'an object with account and either debit or credit')
  const account = checkName(line['account'], `${field}.account`)
  const debit = line['debit']
  const credit = line['credit']
  if ((debit === undefined) === (credit === undefined)) {
    const got = debit === undefined ? 'neither side' : 'both sides'
    throw new VoucherInvalidError(field, 'a line with exactly one of debit and credit', got)
  }
  return {
    account,
    debit: debit === undefined ? 0n : checkAmount(debit, `${field}.debit`),
    credit: credit === undefined ? 0n : checkAmount(credit, `${field}.credit`),
    memo: checkMemo(line['memo'], `${field}.memo`),
  }
}

function checkAmount(value: unknown, field: string): bigint {
  if (typeof value === 'bigint' && value > 0n && value < AMOUNT_BOUND) return value
  throw new VoucherInvalidError(
    field,
    `a bigint of minor units above zero with at most ${AMOUNT_DIGITS_MAX} digits`,
    // As text, which messages cut short: a bigint may have a million digits.
    typeof value === 'bigint' && value >= AMOUNT_BOUND ? value.toString() : value,
    describeAmount,
  )
}

function checkMemo(value: unknown, field: string): string | undefined {
  if (value === undefined) return undefined
  if (
    typeof value === 'string' &&
    value.length <= MEMO_LENGTH_MAX &&
    !MEMO_FORBIDDEN.test(value) &&
    isWellFormed(value)
  ) {
    return value
  }
  throw new VoucherInvalidError(
    field,
    `at most ${MEMO_LENGTH_MAX} characters without control characters`,
    value,
  )
}

function record(value: unknown, field: string, expected: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>
  }
  throw new VoucherInvalidError(field, expected, value)
}

function isCalendarDay(year: number, month: number, day: number): boolean {
  if (year < 1900 || month < 1 || month > 12 || day < 1) return false
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const days = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
  return day <= days
}
