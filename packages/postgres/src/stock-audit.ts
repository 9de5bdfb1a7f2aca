/** Audits a company's stock: every figure is computed again from the movements, in one statement at one moment. */

import { exactValue, InvalidInputError } from '@kerp/core'
import { auditVerdict, LISTED } from './audit-verdict.js'
import type { Database } from './database.js'
import { checkCompanyId } from './identifiers.js'
import { textOf } from './row-text.js'

/** One thing that an audit of stock found. */
export interface StockDifference {
  /**
   * `rows`: a row is not the sum of its movements · `versions`: not one movement per version · `running`: a line's
   * figures are not the sum up to it · `negative`: less than nothing, or more reserved than there is ·
   * `transfers`: one that lost or made goods · `movements`: lines and movements do not fit · `reservations`: what
   * is reserved is not what is held.
   */
  readonly check: 'rows' | 'versions' | 'running' | 'negative' | 'transfers' | 'movements' | 'reservations'
  /** Item and warehouse, or the movement's id. */
  readonly subject: string
  readonly expected: string
  readonly found: string
}

/** The answer of an audit of stock, taken at one moment of the database. Quantities are thousandths. */
export interface StockAudit {
  readonly companyId: string
  readonly ok: boolean
  readonly rows: number
  readonly movements: number
  readonly transfers: number
  readonly lines: number
  readonly heldReservations: number
  /** Over all items and warehouses. */
  readonly onHand: bigint
  readonly reserved: bigint
  /** How many differences there are; `differences` names the first 100. */
  readonly differencesTotal: number
  readonly differences: readonly StockDifference[]
}

const CHECKS: readonly StockDifference['check'][] = [
  'rows',
  'versions',
  'running',
  'negative',
  'transfers',
  'movements',
  'reservations',
]

/** Reads all movements of the company: seconds per million. */
export async function auditStock(
  database: Database,
  schema: string,
  deadlineMs: number,
  company: string,
): Promise<StockAudit> {
  const companyId = checkCompanyId(company, InvalidInputError)
  const rows = await database.read('auditing stock', deadlineMs, {
    text: auditText(schema),
    values: [companyId],
  })
  const facts = rows[0] ?? {}
  const count = (column: string): number => Number(textOf(facts, column))
  return exactValue({
    companyId,
    ...auditVerdict(rows, CHECKS),
    rows: count('rows_'),
    movements: count('movements'),
    transfers: count('transfers'),
    lines: count('lines'),
    heldReservations: count('held'),
    onHand: BigInt(textOf(facts, 'on_hand')),
    reserved: BigInt(textOf(facts, 'reserved')),
  })
}

function auditText(schema: string): string {
  return `
WITH lines AS MATERIALIZED (
  SELECT l.*, sum(on_hand_change) OVER place AS on_hand_sum, sum(reserved_change) OVER place AS reserved_sum
  FROM ${schema}.stock_line l WHERE company = $1
  WINDOW place AS (PARTITION BY item, warehouse ORDER BY l.version ROWS UNBOUNDED PRECEDING)
), stock AS MATERIALIZED (
  SELECT *, concat_ws(' ', item, warehouse) AS subject FROM ${schema}.stock WHERE company = $1
), sums AS (
  SELECT item, warehouse, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved,
    count(*) AS versions, max(version) AS version
  FROM lines GROUP BY item, warehouse
), joined AS (
  SELECT concat_ws(' ', coalesce(s.item, l.item), coalesce(s.warehouse, l.warehouse)) AS subject,
    coalesce(s.on_hand, 0) AS on_hand, coalesce(s.reserved, 0) AS reserved, coalesce(s.version, 0) AS version,
    coalesce(l.on_hand, 0) AS on_hand_sum, coalesce(l.reserved, 0) AS reserved_sum,
    coalesce(l.versions, 0) AS versions, coalesce(l.version, 0) AS last_version
  FROM stock s FULL JOIN sums l ON l.item = s.item AND l.warehouse = s.warehouse
), moved AS MATERIALIZED (
  SELECT m.id, m.space, m.kind, l.movement_id, json_array_length(m.rows) AS rows_, l.rows_ AS lines,
    l.on_hand, l.reserved
  FROM (SELECT * FROM ${schema}.stock_movement WHERE company = $1) m
  FULL JOIN (SELECT space, movement_id, count(*) AS rows_, sum(on_hand_change) AS on_hand,
    sum(reserved_change) AS reserved FROM lines GROUP BY space, movement_id) l
  ON l.space = m.space AND l.movement_id = m.id
), held AS MATERIALIZED (
  SELECT e.line->>0 AS item, e.line->>1 AS warehouse, sum((e.line->>2)::numeric) AS reserved
  FROM ${schema}.reservation r CROSS JOIN LATERAL json_array_elements(r.lines) AS e(line)
  WHERE r.company = $1 AND r.state = 'held' GROUP BY 1, 2
), found AS (
  SELECT 'rows' AS "check", subject, on_hand_sum || ' / ' || reserved_sum AS expected,
    on_hand || ' / ' || reserved AS found,
    subject AS name, '{}'::bigint[] AS numbers FROM joined WHERE on_hand <> on_hand_sum OR reserved <> reserved_sum
  UNION ALL
  SELECT 'versions', subject, version || ' movements', versions || ' movements, the last being ' || last_version,
    subject, '{}' FROM joined WHERE version <> versions OR version <> last_version
  UNION ALL
  SELECT 'running', concat_ws(' ', item, warehouse, 'version', version), on_hand_sum || ' / ' || reserved_sum,
    on_hand_after || ' / ' || reserved_after,
    concat_ws(' ', item, warehouse), ARRAY[version] FROM lines WHERE on_hand_after <> on_hand_sum OR reserved_after <> reserved_sum
  UNION ALL
  SELECT 'negative', subject, 'at least 0 / from 0 to what is on hand', on_hand || ' / ' || reserved,
    subject, '{}' FROM stock WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand
  UNION ALL
  SELECT 'transfers', id, '0', on_hand::text, id, '{}' FROM moved WHERE kind = 'transfer' AND (on_hand <> 0 OR reserved <> 0)
  UNION ALL
  SELECT 'movements', coalesce(id, movement_id), coalesce(rows_, 0) || ' lines', coalesce(lines, 0) || ' lines',
    coalesce(id, movement_id), '{}' FROM moved WHERE rows_ IS DISTINCT FROM lines
  UNION ALL
  SELECT 'reservations', coalesce(s.subject, concat_ws(' ', h.item, h.warehouse)), coalesce(h.reserved, 0)::text,
    coalesce(s.reserved, 0)::text, coalesce(s.subject, concat_ws(' ', h.item, h.warehouse)), '{}'
    FROM stock s FULL JOIN held h ON h.item = s.item AND h.warehouse = s.warehouse
    WHERE coalesce(s.reserved, 0) <> coalesce(h.reserved, 0)
)
SELECT f.*, (SELECT count(*) FROM found)::text AS differences_total,
  (SELECT count(*) FROM stock WHERE version > 0)::text AS rows_,
  (SELECT count(*) FROM moved)::text AS movements,
  (SELECT count(*) FROM moved WHERE kind = 'transfer')::text AS transfers,
  (SELECT count(*) FROM lines)::text AS lines,
  (SELECT count(*) FROM ${schema}.reservation WHERE company = $1 AND state = 'held')::text AS held,
  (SELECT coalesce(sum(on_hand), 0) FROM stock)::text AS on_hand,
  (SELECT coalesce(sum(reserved), 0) FROM stock)::text AS reserved
FROM (SELECT) AS always LEFT JOIN ${LISTED} ON true`
}
