/** Reads vouchers back, and approves them. */

import { exactValue } from '@kerp/core'
import type { Database } from './database.js'
import { DatabaseUnsuitableError, VoucherNotFoundError } from './errors.js'
import { isoText } from './moment-text.js'
import { assertWritten, textOf, textOrUndefined } from './row-text.js'
import type { Approval, StoredLine, StoredVoucher } from './voucher.js'

type Row = Readonly<Record<string, unknown>>

/** One voucher at a time, by company and id that were checked. */
export class VoucherReader {
  constructor(
    private readonly database: Database,
    private readonly schema: string,
    private readonly deadlineMs: number,
  ) {}

  /** @throws {VoucherNotFoundError} `VOUCHER_NOT_FOUND`. */
  async read(companyId: string, voucherId: string): Promise<StoredVoucher> {
    const rows = await this.database.read('reading a voucher', this.deadlineMs, {
      text: this.#readText(),
      values: [companyId, voucherId],
    })
    const [first] = rows
    if (first === undefined) throw new VoucherNotFoundError(companyId, voucherId)
    const approvedAt = textOrUndefined(first, 'approved_at')
    return exactValue({
      companyId,
      id: voucherId,
      date: textOf(first, 'date'),
      fiscalYear: Number(textOf(first, 'fiscal_year')),
      lines: rows.map(lineOf),
      state: approvedAt === undefined ? 'posted' : 'approved',
      reverses: textOrUndefined(first, 'reverses'),
      reversedBy: textOrUndefined(first, 'reversed_by'),
      postedAt: new Date(textOf(first, 'posted_at')),
      approvedAt: approvedAt === undefined ? undefined : new Date(approvedAt),
    })
  }

  /** `traceparent` is for the event of it. @throws {VoucherNotFoundError} `VOUCHER_NOT_FOUND`. */
  async approve(companyId: string, voucherId: string, traceparent: string | undefined): Promise<Approval> {
    // Of this call: one of them may have taken effect although its COMMIT was not answered.
    const own = new Set<string>()
    return this.database.transact('approving a voucher', this.deadlineMs, async (client) => {
      const values = [companyId, voucherId]
      const shown = `${isoText('approved_at')} AS approved_at`
      const changed = await client.query({
        text: `WITH changed AS (
  UPDATE ${this.schema}.voucher SET approved_at = clock_timestamp()
  WHERE company = $1 AND id = $2 AND approved_at IS NULL RETURNING ${shown}, xmin::text AS written_by
), told AS (
  INSERT INTO ${this.schema}.outbox (company, kind, type, abouts, payload, traceparent)
  SELECT $1, 'event', 'events:voucher:approved', ARRAY[$2::text],
    json_build_object('id', $2::text, 'approvedAt', approved_at)::text, $3 FROM changed
  RETURNING 1
)
SELECT approved_at, written_by, (SELECT count(*) FROM told)::text AS written FROM changed`,
        values: [...values, traceparent ?? null],
      })
      const [approved] = changed.rows
      if (approved !== undefined) assertWritten(approved, 1, 'the event of an approval')
      // A second statement, as the first one's snapshot may be older than another's approval.
      const found =
        approved ??
        (
          await client.query({
            text: `SELECT ${shown}, xmin::text AS written_by FROM ${this.schema}.voucher
WHERE company = $1 AND id = $2`,
            values,
          })
        ).rows[0]
      if (found === undefined) throw new VoucherNotFoundError(companyId, voucherId)
      const approvedAt = new Date(textOf(found, 'approved_at'))
      const writtenBy = textOf(found, 'written_by')
      if (approved !== undefined) own.add(writtenBy)
      return { companyId, voucherId, approvedAt, changed: own.has(writtenBy) }
    })
  }

  #readText(): string {
    return `
SELECT to_char(v.date, 'YYYY-MM-DD') AS date, v.fiscal_year::text AS fiscal_year, v.reverses, r.reversed_by,
  ${isoText('v.posted_at')} AS posted_at,
  ${isoText('v.approved_at')} AS approved_at,
  l.account, l.debit::text AS debit, l.credit::text AS credit, l.memo
FROM ${this.schema}.voucher v
LEFT JOIN ${this.schema}.reversal r ON r.company = v.company AND r.voucher_id = v.id
CROSS JOIN LATERAL json_each_text(v.versions) AS e(account, version)
JOIN ${this.schema}.line l ON l.company = v.company AND l.account = e.account AND l.fiscal_year = v.fiscal_year
  AND l.version = e.version::bigint
WHERE v.company = $1 AND v.id = $2
ORDER BY l.line_no`
  }
}

function lineOf(row: Row): StoredLine {
  return exactValue({
    account: textOf(row, 'account'),
    debit: amountOf(row, 'debit'),
    credit: amountOf(row, 'credit'),
    memo: textOrUndefined(row, 'memo'),
  })
}

/** An amount in minor units. */
export function amountOf(row: Row, column: string): bigint {
  const text = textOf(row, column)
  if (/^-?\d+$/.test(text)) return BigInt(text)
  throw new DatabaseUnsuitableError(`The database answered no whole number in column ${column}.`)
}
