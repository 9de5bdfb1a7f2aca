/** The app's own tables of pay: employees, and one slip for each of them and month. */

import type { Queryable } from '@kerp/postgres'
import type { Employee } from './employees.js'
import type { Payslip } from './payslip.js'

/** The amounts of a slip, in its order; columns have the same names in snake case. */
export const SLIP_PARTS = [
  'gross',
  'pension',
  'health',
  'longTermCare',
  'employment',
  'incomeTax',
  'localIncomeTax',
  'net',
] as const satisfies readonly (keyof Payslip)[]

/** Sums of all slips of a month. */
export interface SlipTotals extends Payslip {
  readonly slips: number
}

/** Something for each part of a slip. */
export function slipOf<T>(valueOf: (part: keyof Payslip) => T): Record<keyof Payslip, T> {
  return {
    gross: valueOf('gross'),
    pension: valueOf('pension'),
    health: valueOf('health'),
    longTermCare: valueOf('longTermCare'),
    employment: valueOf('employment'),
    incomeTax: valueOf('incomeTax'),
    localIncomeTax: valueOf('localIncomeTax'),
    net: valueOf('net'),
  }
}

const COLUMNS = SLIP_PARTS.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
const WHOLE = 'numeric(20, 0) NOT NULL CHECK'

const TABLES = `
CREATE SCHEMA IF NOT EXISTS erp;
CREATE TABLE IF NOT EXISTS erp.employee (
  company text COLLATE "C", id text COLLATE "C", gross ${WHOLE} (gross > 0), meal ${WHOLE} (meal >= 0 AND meal <= gross),
  family integer NOT NULL CHECK (family > 0), children integer NOT NULL CHECK (children BETWEEN 0 AND family),
  PRIMARY KEY (company, id)
);
CREATE TABLE IF NOT EXISTS erp.payslip (
  company text COLLATE "C", month text COLLATE "C", employee text COLLATE "C",
  ${COLUMNS.map((column) => `${column} ${WHOLE} (${column} >= 0)`).join(', ')},
  PRIMARY KEY (company, month, employee),
  CHECK (gross = ${COLUMNS.slice(1).join(' + ')})
);`

// Any number that nobody else locks: CREATE … IF NOT EXISTS of two processes can meet.
const ADVISORY_LOCK = '7310579611223345'

/** Creates the tables; safe to repeat, and in several processes at once. */
export async function makePayrollTables(database: Queryable): Promise<void> {
  // Without parameters the statements of one text are one transaction.
  await database.query(`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK});${TABLES}`, [])
}

/** Puts employees in place; those that are there stay as they are. */
export async function hireEmployees(
  database: Queryable,
  companyId: string,
  employees: readonly Employee[],
): Promise<void> {
  const column = (valueOf: (employee: Employee) => string | number | bigint): string =>
    `{${employees.map(valueOf).join(',')}}`
  await database.query(
    `INSERT INTO erp.employee (company, id, gross, meal, family, children)
SELECT $1, k.* FROM unnest($2::text::text[], $3::text::numeric[], $4::text::numeric[], $5::text::integer[],
  $6::text::integer[]) AS k(id, gross, meal, family, children) ON CONFLICT DO NOTHING`,
    [
      companyId,
      column(({ id }) => id),
      column(({ gross }) => gross),
      column(({ meal }) => meal),
      column(({ family }) => family),
      column(({ children }) => children),
    ],
  )
}

/** How many employees a company has. */
export async function countEmployees(database: Queryable, companyId: string): Promise<number> {
  const { rows } = await database.query(
    'SELECT count(*)::text AS employees FROM erp.employee WHERE company = $1',
    [companyId],
  )
  return Number(rows[0]?.['employees'])
}

/** Ids in order, from behind `after`. */
export async function listEmployeeIds(
  database: Queryable,
  companyId: string,
  { after = '', limit }: { readonly after?: string | undefined; readonly limit: number },
): Promise<readonly string[]> {
  const { rows } = await database.query(
    'SELECT e.id FROM erp.employee e WHERE e.company = $1 AND e.id > $2 ORDER BY e.id LIMIT $3::text::integer',
    [companyId, after, String(limit)],
  )
  return rows.map(({ id }) => String(id))
}

/** Employees in the order of the ids; undefined for one that is gone. */
export async function loadEmployees(
  database: Queryable,
  companyId: string,
  ids: readonly string[],
): Promise<readonly (Employee | undefined)[]> {
  const { rows } = await database.query(
    `SELECT id, gross::text AS gross, meal::text AS meal, family::text AS family, children::text AS children
FROM erp.employee WHERE company = $1 AND id = ANY ($2::text::text[])`,
    [companyId, `{${ids.join(',')}}`],
  )
  const found = new Map(rows.map((row) => [String(row['id']), row]))
  return ids.map((id) => {
    const row = found.get(id)
    if (row === undefined) return undefined
    return {
      id,
      gross: BigInt(String(row['gross'])),
      meal: BigInt(String(row['meal'])),
      family: Number(row['family']),
      children: Number(row['children']),
    }
  })
}

/** Writes slips, in one statement. One that is there is an error: nobody is paid twice. */
export async function writePayslips(
  tx: Queryable,
  { companyId, month }: { readonly companyId: string; readonly month: string },
  slips: readonly { readonly employee: string; readonly slip: Payslip }[],
): Promise<void> {
  const amounts = SLIP_PARTS.map((part) => `{${slips.map(({ slip }) => slip[part]).join(',')}}`)
  const casts = SLIP_PARTS.map((_, index) => `$${index + 4}::text::numeric[]`).join(', ')
  await tx.query(
    `INSERT INTO erp.payslip (company, month, employee, ${COLUMNS.join(', ')})
SELECT $1, $2, k.* FROM unnest($3::text::text[], ${casts}) AS k(employee, ${COLUMNS.join(', ')})`,
    [companyId, month, `{${slips.map(({ employee }) => employee).join(',')}}`, ...amounts],
  )
}

/** Adds up the slips of a month. */
export async function sumPayslips(
  database: Queryable,
  companyId: string,
  month: string,
): Promise<SlipTotals> {
  const sums = COLUMNS.map((column) => `coalesce(sum(${column}), 0)::text AS ${column}`).join(', ')
  const { rows } = await database.query(
    `SELECT count(*)::text AS slips, ${sums} FROM erp.payslip WHERE company = $1 AND month = $2`,
    [companyId, month],
  )
  const row = rows[0] ?? {}
  const amounts = slipOf((part) => BigInt(String(row[COLUMNS[SLIP_PARTS.indexOf(part)] ?? ''])))
  return { slips: Number(row['slips']), ...amounts }
}

/** The months of a company that have slips. */
export async function payrollMonths(database: Queryable, companyId: string): Promise<readonly string[]> {
  const { rows } = await database.query(
    'SELECT DISTINCT s.month FROM erp.payslip s WHERE s.company = $1 ORDER BY s.month',
    [companyId],
  )
  return rows.map(({ month }) => String(month))
}
