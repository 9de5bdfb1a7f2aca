/** Audits the log of events of a company against what was committed, in one statement at one moment. */

import { auditVerdict, LISTED } from './audit-verdict.js'
import type { Database } from './database.js'
import { between } from './outbox-statements.js'
import { textOf } from './row-text.js'

/** One thing that an audit of events found. */
export interface EventDifference {
  /**
   * `positions`: a number is missing · `vouchers`: a posting without its one event · `approvals`: an approval without
   * its one event · `rows`: a balance or stock row that is not its newest event · `order`: an event of a row or a
   * voucher that stands before an earlier one.
   */
  readonly check: 'positions' | 'vouchers' | 'approvals' | 'rows' | 'order'
  readonly subject: string
  readonly expected: string
  readonly found: string
}

/** The answer of an audit of events, taken at one moment of the database. */
export interface EventAudit {
  readonly companyId: string
  readonly ok: boolean
  /** Position of the last event. */
  readonly position: string
  readonly trimmedTo: string
  /** Committed events that have no number yet. */
  readonly pending: number
  /** How many differences there are; `differences` names the first 100. */
  readonly differencesTotal: number
  readonly differences: readonly EventDifference[]
}

const CHECKS: readonly EventDifference['check'][] = ['positions', 'vouchers', 'approvals', 'rows', 'order']

/** Reads all events that are kept of the company: seconds per million. */
export async function auditEvents(
  database: Database,
  schema: string,
  deadlineMs: number,
  companyId: string,
): Promise<EventAudit> {
  const rows = await database.read('auditing events', deadlineMs, {
    text: auditText(schema),
    values: [companyId],
  })
  const facts = rows[0] ?? {}
  return {
    companyId,
    ...auditVerdict(rows, CHECKS),
    position: textOf(facts, 'position'),
    trimmedTo: textOf(facts, 'trimmed_to'),
    pending: Number(textOf(facts, 'pending')),
  }
}

/** Rows that are committed and not yet numbered count as events, so that writers may go on during the audit. */
function auditText(schema: string): string {
  return `
WITH c AS MATERIALIZED (
  SELECT snapshot AS after, target, after_id, pg_current_snapshot() AS now FROM ${schema}.event_cursor
), head AS MATERIALIZED (
  SELECT coalesce(max(position), 0) AS position, coalesce(max(trimmed_to), 0) AS trimmed_to
  FROM ${schema}.event_head WHERE company = $1
), pending AS MATERIALIZED (
  SELECT o.*, a.about, a.place FROM c CROSS JOIN ${schema}.outbox o
  LEFT JOIN LATERAL unnest(o.abouts) WITH ORDINALITY AS a(about, place) ON true
  WHERE o.company = $1 AND o.kind IN ('image', 'event') AND ${between(schema, 'c.after', 'c.now')}
    AND (c.target IS NULL OR o.id > c.after_id OR NOT pg_visible_in_snapshot(o.xid, c.target))
), events AS MATERIALIZED (
  SELECT position, type, about, part1, part2, version, field1, field2 FROM ${schema}.event WHERE company = $1
  UNION ALL
  SELECT (SELECT position FROM head) + row_number() OVER (ORDER BY pending.id, pending.place),
    CASE WHEN kind = 'event' THEN type WHEN family = 'balance' THEN 'events:balance:updated'
      ELSE 'events:inventory:changed' END,
    about, part1, part2, version, field1, field2 FROM pending
), counts AS MATERIALIZED (
  SELECT type, changes FROM ${schema}.event_count WHERE company = $1 AND changes > 0
), ${checks(schema)}
SELECT f.*, (SELECT count(*) FROM found)::text AS differences_total, head.position::text AS position,
  head.trimmed_to::text AS trimmed_to, (SELECT count(*) FROM pending)::text AS pending
FROM head LEFT JOIN ${LISTED} ON true`
}

function checks(schema: string): string {
  const told = (check: string, type: string, changed: string): string => `
  SELECT '${check}' AS "check", coalesce(v.id, e.about, '?') AS subject, 'one event' AS expected,
    coalesce(e.events, 0) || ' events' || CASE WHEN v.id IS NULL THEN ', no change' ELSE '' END AS found,
    coalesce(v.id, e.about, '?') AS name, '{}'::bigint[] AS numbers
  FROM (SELECT id FROM ${schema}.voucher WHERE company = $1 AND ${changed}) v
  FULL JOIN (SELECT about, count(*) AS events FROM events WHERE type = '${type}' GROUP BY about) e ON e.about = v.id
  WHERE v.id IS NULL OR e.events > 1
    OR (e.events IS NULL AND NOT EXISTS (SELECT FROM counts WHERE counts.type = '${type}'))
  UNION ALL
  SELECT '${check}', 'all', changed.n || ' changes', known.n || ' events', 'all', '{}'
  FROM (SELECT count(*) AS n FROM ${schema}.voucher WHERE company = $1 AND ${changed}) changed,
    (SELECT (SELECT count(*) FROM events WHERE type = '${type}')
      + coalesce((SELECT changes FROM counts WHERE counts.type = '${type}'), 0) AS n) known
  WHERE changed.n <> known.n`
  const newest = (type: string, table: string, parts: string, fields: string): string => `
  SELECT 'rows', concat_ws(' ', r.part1, r.part2), concat_ws(' / ', r.field1, r.field2, 'version', r.version),
    CASE WHEN e.part1 IS NULL THEN 'no event' ELSE concat_ws(' / ', e.field1, e.field2, 'version', e.version) END,
    concat_ws(' ', r.part1, r.part2), '{}'
  FROM (SELECT ${parts}, version, ${fields} FROM ${schema}.${table} WHERE company = $1 AND version > 0) r
  LEFT JOIN (
    SELECT DISTINCT ON (n.part1, n.part2) n.part1, n.part2, n.version, n.field1, n.field2
    FROM events n WHERE n.type = '${type}' ORDER BY n.part1, n.part2, n.position DESC
  ) e ON e.part1 = r.part1 AND e.part2 = r.part2
  WHERE (e.part1 IS NULL AND NOT EXISTS (SELECT FROM counts WHERE counts.type = '${type}'))
    OR e.version <> r.version OR e.field1 <> r.field1 OR e.field2 <> r.field2`
  return `found AS (
  SELECT 'positions' AS "check", 'log' AS subject,
    concat_ws(' to ', h.trimmed_to + 1, h.position) AS expected,
    concat_ws(' to ', min(e.position), max(e.position)) || ', ' || count(e.position) || ' events' AS found,
    'log' AS name, '{}'::bigint[] AS numbers
  FROM head h LEFT JOIN ${schema}.event e ON e.company = $1 GROUP BY h.trimmed_to, h.position
  HAVING count(e.position) <> h.position - h.trimmed_to
    OR min(e.position) <> h.trimmed_to + 1 OR max(e.position) <> h.position
  UNION ALL ${told('vouchers', 'events:voucher:created', 'true')}
  UNION ALL ${told('approvals', 'events:voucher:approved', 'approved_at IS NOT NULL')}
  UNION ALL ${newest('events:balance:updated', 'balance', 'account AS part1, fiscal_year::text AS part2', 'debit AS field1, credit AS field2')}
  UNION ALL ${newest('events:inventory:changed', 'stock', 'item AS part1, warehouse AS part2', 'on_hand AS field1, reserved AS field2')}
  UNION ALL
  SELECT 'order', concat_ws(' ', part1, part2, about), 'after version ' || earlier, 'version ' || version,
    concat_ws(' ', part1, part2, about), ARRAY[position]
  FROM (SELECT part1, part2, about, version, position, lag(version) OVER (PARTITION BY type, part1, part2 ORDER BY events.position) AS earlier
    FROM events WHERE version IS NOT NULL) o WHERE version <= earlier
  UNION ALL
  SELECT 'order', a.about, 'created before approved', 'approved at ' || a.position, a.about, ARRAY[a.position]
  FROM events a JOIN events b ON b.about = a.about AND b.type = 'events:voucher:created' AND b.position > a.position
  WHERE a.type = 'events:voucher:approved'
)`
}
