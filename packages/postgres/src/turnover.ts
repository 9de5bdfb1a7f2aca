/** What was posted to each account before and within a range of dates, for reports of a period. */

import { exactValue, InvalidInputError } from '@kerp/core'
import type { Database } from './database.js'
import { checkCompanyId, checkFields } from './identifiers.js'
import { textOf } from './row-text.js'
import { checkDate } from './voucher-check.js'
import { amountOf } from './voucher-reader.js'

/** Which dates, `YYYY-MM-DD`, both included. */
export interface TurnoverQuery {
  readonly companyId: string
  readonly from: string
  readonly to: string
}

/** One account: what was posted before the first date, and from it to the last. */
export interface TurnoverRow {
  readonly account: string
  readonly debitBefore: bigint
  readonly creditBefore: bigint
  readonly debit: bigint
  readonly credit: bigint
}

/** All accounts that were posted to by the last date, whatever the fiscal year, at one moment of the database. */
export async function readTurnover(
  database: Database,
  schema: string,
  deadlineMs: number,
  query: TurnoverQuery,
): Promise<readonly TurnoverRow[]> {
  const company = checkCompanyId(checkFields('query', query).companyId, InvalidInputError)
  const [from, to] = [checkDate(query.from, 'from'), checkDate(query.to, 'to')]
  if (from > to) throw new InvalidInputError('from', 'not after `to`', from)
  const sum = (side: 'debit' | 'credit', when: string): string =>
    `coalesce(sum(${side}) FILTER (WHERE date ${when} $2::text::date), 0)::text AS ${side}`
  const rows = await database.read('reading the turnover', deadlineMs, {
    text: `SELECT account, ${sum('debit', '<')}_before, ${sum('credit', '<')}_before,
  ${sum('debit', '>=')}, ${sum('credit', '>=')}
FROM ${schema}.line l WHERE company = $1 AND date <= $3::text::date GROUP BY l.account ORDER BY l.account`,
    values: [company, from, to],
  })
  return rows.map((row) =>
    exactValue({
      account: textOf(row, 'account'),
      debitBefore: amountOf(row, 'debit_before'),
      creditBefore: amountOf(row, 'credit_before'),
      debit: amountOf(row, 'debit'),
      credit: amountOf(row, 'credit'),
    }),
  )
}

/** A text that changes with every voucher of a company, and with the database's history: for keys of what is computed. */
export async function readBooksMark(
  database: Database,
  schema: string,
  deadlineMs: number,
  companyId: string,
): Promise<string> {
  const rows = await database.read('reading the mark of the books', deadlineMs, {
    text: `SELECT (SELECT ${schema}.epoch()) AS epoch,
  (SELECT coalesce(sum(version), 0) FROM ${schema}.balance WHERE company = $1)::text AS versions`,
    values: [checkCompanyId(companyId, InvalidInputError)],
  })
  return `${textOf(rows[0] ?? {}, 'epoch')}/${textOf(rows[0] ?? {}, 'versions')}`
}
