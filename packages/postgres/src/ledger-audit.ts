/** Audits a company: every figure is computed again from the lines, in one statement at one moment. */

import { exactValue, InvalidInputError } from '@kerp/core'
import { auditVerdict, LISTED } from './audit-verdict.js'
import type { Database } from './database.js'
import { checkCompanyId, checkFiscalYear } from './identifiers.js'
import type { AuditDifference, LedgerAudit } from './ledger-reports.js'
import { textOf } from './row-text.js'
import { amountOf } from './voucher-reader.js'

const CHECKS: readonly AuditDifference['check'][] = ['totals', 'rows', 'versions', 'running', 'vouchers']

/** Reads all lines of the company, or of one of its years: seconds per million. */
export async function auditLedger(
  database: Database,
  schema: string,
  deadlineMs: number,
  scope: { readonly companyId: string; readonly fiscalYear: number | undefined },
): Promise<LedgerAudit> {
  const companyId = checkCompanyId(scope.companyId, InvalidInputError)
  const year =
    scope.fiscalYear === undefined ? null : String(checkFiscalYear(scope.fiscalYear, InvalidInputError))
  const rows = await database.read('auditing the ledger', deadlineMs, {
    text: auditText(schema),
    values: [companyId, year],
  })
  const facts = rows[0] ?? {}
  return exactValue({
    companyId,
    ...auditVerdict(rows, CHECKS),
    vouchers: Number(textOf(facts, 'vouchers')),
    lines: Number(textOf(facts, 'lines')),
    rows: Number(textOf(facts, 'rows')),
    debit: amountOf(facts, 'debit'),
    credit: amountOf(facts, 'credit'),
  })
}

function auditText(schema: string): string {
  return `
WITH lines AS MATERIALIZED (
  SELECT l.*, sum(debit) OVER place AS debit_sum, sum(credit) OVER place AS credit_sum
  FROM ${schema}.line l
  WHERE company = $1 AND ($2::text IS NULL OR fiscal_year = $2::text::integer)
  WINDOW place AS (PARTITION BY account, fiscal_year ORDER BY l.version, l.line_no ROWS UNBOUNDED PRECEDING)
), balances AS MATERIALIZED (
  SELECT * FROM ${schema}.balance
  WHERE company = $1 AND ($2::text IS NULL OR fiscal_year = $2::text::integer)
), sums AS MATERIALIZED (
  SELECT account, fiscal_year, sum(debit) AS debit, sum(credit) AS credit,
    count(DISTINCT version) AS versions, max(version) AS version
  FROM lines GROUP BY account, fiscal_year
), joined AS (
  SELECT concat_ws(' ', coalesce(b.account, s.account), coalesce(b.fiscal_year, s.fiscal_year)) AS subject,
    coalesce(b.account, s.account) AS name, ARRAY[coalesce(b.fiscal_year, s.fiscal_year)]::bigint[] AS numbers,
    coalesce(b.debit, 0) AS debit, coalesce(b.credit, 0) AS credit, coalesce(b.version, 0) AS version,
    coalesce(s.debit, 0) AS debit_sum, coalesce(s.credit, 0) AS credit_sum,
    coalesce(s.versions, 0) AS versions, coalesce(s.version, 0) AS last_version
  FROM balances b FULL JOIN sums s ON s.account = b.account AND s.fiscal_year = b.fiscal_year
), posted AS (
  SELECT v.id, l.voucher_id, l.debit, l.credit FROM
    (SELECT id FROM ${schema}.voucher
      WHERE company = $1 AND ($2::text IS NULL OR fiscal_year = $2::text::integer)) v
    FULL JOIN (SELECT voucher_id, sum(debit) AS debit, sum(credit) AS credit FROM lines GROUP BY voucher_id) l
      ON l.voucher_id = v.id
), found AS (
  SELECT 'totals' AS "check", 'all accounts' AS subject, 'debit ' || sum(debit) AS expected,
    'credit ' || sum(credit) AS found, '' AS name, '{}'::bigint[] AS numbers FROM balances HAVING sum(debit) <> sum(credit)
  UNION ALL
  SELECT 'rows', subject, debit_sum || ' / ' || credit_sum, debit || ' / ' || credit, name, numbers FROM joined
    WHERE debit <> debit_sum OR credit <> credit_sum
  UNION ALL
  SELECT 'versions', subject, version || ' vouchers', versions || ' vouchers, the last being ' || last_version,
    name, numbers FROM joined WHERE version <> versions OR version <> last_version
  UNION ALL
  SELECT 'running', concat_ws(' ', account, fiscal_year, 'version', version, 'line', line_no),
    debit_sum || ' / ' || credit_sum, debit_after || ' / ' || credit_after,
    account, ARRAY[fiscal_year, version, line_no]::bigint[] FROM lines WHERE debit_after <> debit_sum OR credit_after <> credit_sum
  UNION ALL
  SELECT 'vouchers', coalesce(id, voucher_id), 'a voucher with balanced lines',
    CASE WHEN id IS NULL THEN 'lines without a voucher' WHEN voucher_id IS NULL THEN 'no lines'
      ELSE debit || ' / ' || credit END, coalesce(id, voucher_id), '{}'
    FROM posted WHERE id IS NULL OR voucher_id IS NULL OR debit <> credit
)
SELECT f.*, (SELECT count(*) FROM found)::text AS differences_total,
  (SELECT count(*) FROM posted)::text AS vouchers, (SELECT count(*) FROM lines)::text AS lines,
  (SELECT count(*) FROM balances WHERE version > 0)::text AS rows,
  (SELECT coalesce(sum(debit), 0) FROM balances)::text AS debit,
  (SELECT coalesce(sum(credit), 0) FROM balances)::text AS credit
FROM (SELECT) AS always LEFT JOIN ${LISTED} ON true`
}
