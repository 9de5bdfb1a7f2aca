/** The SQL of the log of events. Every parameter is text, and every column comes back as text. */

import { isoText } from './moment-text.js'
import { between } from './outbox-statements.js'
import { MAKE_DURABLE } from './transaction-statements.js'

/** The statements for one schema that was checked. */
export interface EventStatements {
  /** Whether there is anything to number, without a lock and without a write. */
  readonly look: string
  /** Takes the cursor's row; everything below until the COMMIT is done by one process at a time. */
  readonly lock: string
  /** Number the first rows, or further ones, of what was committed since; answer the heads that moved. */
  readonly numberFirst: string
  readonly numberNext: string
  /** Numbers every row that is not in the log: for a database that was restored, where snapshots mean nothing. */
  readonly adopt: string
  readonly heads: string
  /** The same for some companies, with the epoch. */
  readonly headsOf: string
  readonly read: string
  readonly append: string
  readonly reached: string
  readonly sink: string
  readonly forgetSink: string
}

/** Builds the statements. */
export function eventStatements(schema: string): EventStatements {
  const facts = `(SELECT ${schema}.epoch()) AS epoch, (SELECT ${schema}.is_own())::text AS is_own`
  return {
    look: `
SELECT ${facts}, (c.target IS NOT NULL OR c.lineage <> ${schema}.lineage() OR NOT c.is_used OR EXISTS (
  SELECT FROM ${schema}.outbox o CROSS JOIN (SELECT pg_current_snapshot() AS now OFFSET 0) n
  WHERE ${between(schema, 'c.snapshot', 'n.now')} AND o.kind IN ('image', 'event')))::text AS is_more
FROM ${schema}.event_cursor c`,
    lock: `
SELECT (lineage IS NOT DISTINCT FROM ${schema}.lineage())::text AS same, (target IS NOT NULL)::text AS inside, ${facts}
FROM ${schema}.event_cursor FOR UPDATE`,
    numberFirst: numberRows(schema, {
      found: `SELECT o.id FROM ${schema}.outbox o CROSS JOIN c WHERE ${between(schema, 'c.after', 'c.target')}`,
    }),
    numberNext: numberRows(schema, {
      found: `SELECT o.id FROM ${schema}.outbox o CROSS JOIN c
  WHERE o.id > c.after_id AND ${between(schema, 'c.after', 'c.target')}`,
    }),
    adopt: numberRows(schema, {
      found: `SELECT o.id FROM ${schema}.outbox o LEFT JOIN ${schema}.event_head h ON h.company = o.company
  WHERE o.id > coalesce(h.trimmed_id, 0)
    AND NOT EXISTS (SELECT FROM ${schema}.event e WHERE e.outbox_id = o.id)`,
      lineage: `${schema}.lineage()`,
    }),
    heads: `SELECT h.company, h.position::text AS position FROM ${schema}.event_head h ORDER BY h.company`,
    headsOf: `
SELECT ${facts}, h.company, h.position::text AS position
FROM (SELECT 1) one LEFT JOIN ${schema}.event_head h ON h.company = ANY ($1::text::text[])`,
    read: readEvents(schema),
    append: `
WITH written AS (
  INSERT INTO ${schema}.outbox (company, kind, type, abouts, payload, traceparent)
  VALUES ($1, 'event', $2, ARRAY[$3::text], $4, $5) RETURNING 1
)
SELECT count(*)::text AS written, pg_notify($6, ''), ${MAKE_DURABLE} FROM written`,
    reached: `
INSERT INTO ${schema}.event_sink (name, company, position)
SELECT $1, k.company, k.position FROM unnest($2::text::text[], $3::text::bigint[]) AS k(company, position)
ORDER BY k.company COLLATE "C"
ON CONFLICT (name, company) DO UPDATE SET position = excluded.position
WHERE event_sink.position < excluded.position`,
    sink: `
SELECT s.company, s.position::text AS position FROM ${schema}.event_sink s WHERE s.name = $1 ORDER BY s.company`,
    forgetSink: `DELETE FROM ${schema}.event_sink WHERE name = $1`,
  }
}

/**
 * The cursor is read by the same statement whose snapshot sees the rows, after its row was locked by an earlier one.
 * A page that is full leaves its target in place; one that is not has reached it.
 */
function numberRows(
  schema: string,
  { found, lineage }: { found: string; lineage?: string | undefined },
): string {
  const isFull = '(SELECT count(*) FROM chosen) = $1::text::bigint'
  // What was restored is read again from its oldest row on, until nothing is left that is not in the log.
  const kept =
    lineage === undefined
      ? `snapshot = CASE WHEN ${isFull} THEN cursor.snapshot ELSE c.target END,
    target = CASE WHEN ${isFull} THEN c.target END,
    after_id = CASE WHEN ${isFull} THEN (SELECT max(id) FROM chosen) ELSE 0 END`
      : `snapshot = c.target, target = NULL, after_id = 0,
    lineage = CASE WHEN ${isFull} THEN cursor.lineage ELSE ${lineage} END`
  const insideAdopt =
    lineage === undefined ? 'coalesce(target, pg_current_snapshot())' : 'pg_current_snapshot()'
  return `
WITH c AS MATERIALIZED (
  SELECT snapshot AS after, ${insideAdopt} AS target, after_id FROM ${schema}.event_cursor
), found AS MATERIALIZED (
  ${found} AND o.kind IN ('image', 'event')
  ${lineage === undefined && found.includes('after_id') ? 'ORDER BY o.id LIMIT $1::text::bigint' : ''}
), chosen AS MATERIALIZED (
  SELECT id FROM found ORDER BY found.id LIMIT $1::text::bigint
), fresh AS MATERIALIZED (
  SELECT o.id, o.company, o.kind, o.family, o.part1, o.part2, o.version, o.field1, o.field2, o.type, o.payload,
    o.traceparent, o.written_at, a.about, row_number() OVER (PARTITION BY o.company ORDER BY o.id, a.place) AS n
  FROM chosen JOIN ${schema}.outbox o ON o.id = chosen.id
  LEFT JOIN LATERAL unnest(o.abouts) WITH ORDINALITY AS a(about, place) ON true
), base AS MATERIALIZED (
  SELECT f.company, f.events, coalesce(h.position, 0) AS position
  FROM (SELECT company, count(*) AS events FROM fresh GROUP BY company) f
  LEFT JOIN ${schema}.event_head h ON h.company = f.company
), moved AS (
  INSERT INTO ${schema}.event_head (company, position) SELECT company, position + events FROM base
  ON CONFLICT (company) DO UPDATE SET position = excluded.position RETURNING company, position
), written AS (
  INSERT INTO ${schema}.event (company, position, outbox_id, type, about, part1, part2, version, field1, field2,
    payload, traceparent, written_at)
  SELECT f.company, b.position + f.n, f.id,
    CASE WHEN f.kind = 'event' THEN f.type WHEN f.family = 'balance' THEN 'events:balance:updated'
      ELSE 'events:inventory:changed' END,
    f.about, f.part1, f.part2, f.version, f.field1, f.field2, f.payload, f.traceparent,
    coalesce(f.written_at, clock_timestamp())
  FROM fresh f JOIN base b ON b.company = f.company
), kept AS (
  UPDATE ${schema}.event_cursor cursor SET is_used = true, ${kept} FROM c
)
SELECT (${isFull})::text AS is_more, moved.company, moved.position::text AS position
FROM (SELECT 1) one LEFT JOIN moved ON true`
}

function readEvents(schema: string): string {
  return `
SELECT (SELECT ${schema}.epoch()) AS epoch,
  coalesce((SELECT trimmed_to FROM ${schema}.event_head WHERE company = $1), 0)::text AS trimmed_to,
  e.position::text AS position, e.type, e.about, e.part1, e.part2, e.version::text AS version,
  e.field1::text AS field1, e.field2::text AS field2, e.payload, e.traceparent,
  ${isoText('e.written_at')} AS written_at,
  to_char(v.date, 'YYYY-MM-DD') AS date, v.fiscal_year::text AS fiscal_year, v.reverses,
  (SELECT json_agg(json_build_array(k.account, k.version) ORDER BY k.place)
    FROM json_each_text(v.versions) WITH ORDINALITY AS k(account, version, place))::text AS versions
FROM (SELECT 1) one
LEFT JOIN (
  SELECT * FROM ${schema}.event n WHERE n.company = $1 AND n.position > $2::text::bigint
  ORDER BY n.position LIMIT $3::text::integer
) e ON true
LEFT JOIN LATERAL (
  SELECT * FROM ${schema}.voucher v
  WHERE e.type = 'events:voucher:created' AND e.payload IS NULL AND v.company = e.company AND v.id = e.about LIMIT 1
) v ON true
ORDER BY e.position`
}
