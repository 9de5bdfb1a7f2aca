/** Reads accounts: a page of one account's lines, and the trial balance of a year as one consistent cut. */

import { exactValue, InvalidInputError } from '@kerp/core'
import type { Database } from './database.js'
import { checkCompanyId, checkFields, checkFiscalYear, checkName, checkWhole } from './identifiers.js'
import type {
  AccountLedgerPage,
  AccountLedgerQuery,
  LedgerLine,
  TrialBalance,
  TrialBalanceRow,
} from './ledger-reports.js'
import { msText } from './moment-text.js'
import { textOf, textOrUndefined, versionOf } from './row-text.js'
import { amountOf } from './voucher-reader.js'

type Row = Readonly<Record<string, unknown>>

const LIMIT_MAX = 1_000
const CURSOR = /^([1-9]\d{0,15})\.([1-9]\d{0,3})$/

/** Reads of many lines or rows. */
export class LedgerReader {
  constructor(
    private readonly database: Database,
    private readonly schema: string,
    private readonly deadlineMs: number,
  ) {}

  async accountLedger(query: AccountLedgerQuery): Promise<AccountLedgerPage> {
    const companyId = checkCompanyId(checkFields('query', query).companyId, InvalidInputError)
    const account = checkName(query.account, 'account', InvalidInputError)
    const fiscalYear = checkFiscalYear(query.fiscalYear, InvalidInputError)
    const limit = checkWhole('limit', query.limit, 1, LIMIT_MAX)
    const [version, lineNumber] = readCursor(query.after)
    const rows = await this.database.read('reading an account', this.deadlineMs, {
      text: `SELECT l.voucher_id, l.line_no::text AS line_no, to_char(l.date, 'YYYY-MM-DD') AS date, l.memo,
  l.debit::text AS debit, l.credit::text AS credit, l.debit_after::text AS debit_after,
  l.credit_after::text AS credit_after, l.version::text AS version
FROM ${this.schema}.line l
WHERE l.company = $1 AND l.account = $2 AND l.fiscal_year = $3::text::integer
  AND (l.version, l.line_no) > ($4::text::bigint, $5::text::integer)
ORDER BY l.version, l.line_no LIMIT $6::text::integer`,
      values: [companyId, account, String(fiscalYear), version, lineNumber, String(limit + 1)],
    })
    const lines = rows.slice(0, limit).map(lineOf)
    const last = lines.at(-1)
    return exactValue({
      lines,
      next: rows.length > limit && last !== undefined ? writeCursor(last) : undefined,
    })
  }

  async trialBalance(companyId: string, fiscalYear: number): Promise<TrialBalance> {
    const company = checkCompanyId(companyId, InvalidInputError)
    const year = checkFiscalYear(fiscalYear, InvalidInputError)
    const found = await this.database.read('reading the trial balance', this.deadlineMs, {
      text: `SELECT b.account, b.debit::text AS debit, b.credit::text AS credit, b.version::text AS version,
  (SELECT ${this.schema}.epoch()) AS epoch, ${msText('statement_timestamp()')} AS as_of_ms
FROM (SELECT) AS always
LEFT JOIN ${this.schema}.balance b ON b.company = $1 AND b.fiscal_year = $2::text::integer AND b.version > 0
ORDER BY b.account`,
      values: [company, String(year)],
    })
    const rows = found.flatMap((row) =>
      textOrUndefined(row, 'account') === undefined ? [] : [totalsOf(row)],
    )
    const facts = found[0] ?? {}
    return exactValue({
      companyId: company,
      fiscalYear: year,
      rows,
      debit: rows.reduce((sum, row) => sum + row.debit, 0n),
      credit: rows.reduce((sum, row) => sum + row.credit, 0n),
      epoch: textOf(facts, 'epoch'),
      asOf: new Date(Number(textOf(facts, 'as_of_ms'))),
    })
  }
}

function lineOf(row: Row): LedgerLine {
  const debitAfter = amountOf(row, 'debit_after')
  const creditAfter = amountOf(row, 'credit_after')
  return exactValue({
    voucherId: textOf(row, 'voucher_id'),
    lineNumber: Number(textOf(row, 'line_no')),
    date: textOf(row, 'date'),
    memo: textOrUndefined(row, 'memo'),
    debit: amountOf(row, 'debit'),
    credit: amountOf(row, 'credit'),
    debitAfter,
    creditAfter,
    balanceAfter: debitAfter - creditAfter,
    version: versionOf(row),
  })
}

function totalsOf(row: Row): TrialBalanceRow {
  const debit = amountOf(row, 'debit')
  const credit = amountOf(row, 'credit')
  const account = textOf(row, 'account')
  return exactValue({ account, debit, credit, balance: debit - credit, version: versionOf(row) })
}

function writeCursor(line: LedgerLine): string {
  return Buffer.from(`${line.version}.${line.lineNumber}`).toString('base64url')
}

function readCursor(after: string | undefined): readonly [string, string] {
  if (after === undefined) return ['0', '0']
  const found =
    typeof after === 'string' && after.length <= 40
      ? CURSOR.exec(Buffer.from(after, 'base64url').toString())
      : null
  if (found?.[1] === undefined || found[2] === undefined) {
    throw new InvalidInputError('after', '`next` of the page before', after)
  }
  return [found[1], found[2]]
}
