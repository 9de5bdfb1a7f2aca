/** The SQL of the outbox. Every parameter is text, and every column comes back as text. */

import { msText } from './moment-text.js'
import { MAKE_DURABLE } from './transaction-statements.js'

/** The statements for one schema that was checked. */
export interface OutboxStatements {
  readonly tick: string
  readonly firstPage: string
  readonly nextPage: string
  readonly companies: string
  readonly invalidate: string
  readonly mark: string
  readonly findMark: string
  readonly trim: string
  readonly readTrim: string
}

const ROW = `o.id::text AS id, o.company, o.kind, o.family, o.part1, o.part2, o.version::text AS version,
  o.field1::text AS field1, o.field2::text AS field2`

/** Rows up to this one came from another history: what their transaction ids say is nothing. */
const fence = (schema: string): string => `(SELECT foreign_to FROM ${schema}.database_identity)`

/**
 * Not in the first snapshot, in the second one, and of this history.
 *
 * The upper bound says nothing that the second snapshot does not say, but to the planner: it takes an open range of
 * unknown bounds for a third of the table, and reads all of a large one, and a closed range for a two-hundredth. The fence
 * is written as a sum, so that it is no range at all and does not lure the planner away from the index on xid.
 */
export const between = (schema: string, after: string, target: string): string => `
o.id - ${fence(schema)} > 0 AND (o.xid = ANY (ARRAY(SELECT pg_snapshot_xip(${after})))
  OR (o.xid >= pg_snapshot_xmax(${after}) AND o.xid < pg_snapshot_xmax(${target})))
  AND pg_visible_in_snapshot(o.xid, ${target})`

/** Events are read from their log, and are no business of registers. */
const OF_REGISTERS = `AND o.kind <> 'event'`

/** Builds the statements. */
export function outboxStatements(schema: string): OutboxStatements {
  const facts = `(SELECT ${schema}.epoch()) AS epoch, (SELECT ${schema}.is_own())::text AS is_own,
  (SELECT trimmed_to::text FROM ${schema}.outbox_trim WHERE lineage = ${schema}.lineage()) AS trimmed_to`
  // The ids come first, and by the index on xid: an ORDER BY id LIMIT on the table itself would walk through all
  // that is kept from its oldest row on.
  const byXid = (after: string, target: string, limit: string, company: string): string => `
found AS MATERIALIZED (
  SELECT o.id FROM ${schema}.outbox o CROSS JOIN s
  WHERE ${between(schema, after, target)} ${OF_REGISTERS} ${company}
), chosen AS MATERIALIZED (
  SELECT id FROM found ORDER BY found.id LIMIT ${limit}::text::integer
)`
  // Row by row, with the limit: as a join the planner hashes all that is kept for the sake of a thousand rows.
  const joined = `
LEFT JOIN (SELECT o.*, chosen.id AS place FROM chosen
  CROSS JOIN LATERAL (SELECT ${ROW} FROM ${schema}.outbox o WHERE o.id = chosen.id LIMIT 1) o) o ON true
ORDER BY o.place`
  const company = (parameter: string): string =>
    `AND (${parameter}::text IS NULL OR o.company = ${parameter}::text)`
  return {
    tick: `
WITH s AS MATERIALIZED (SELECT pg_current_snapshot() AS target, $1::text::pg_snapshot AS after),
${byXid('s.after', 's.target', '$2', 'AND $1::text IS NOT NULL')}
SELECT s.target::text AS target, ${msText('statement_timestamp()')} AS as_of_ms,
  ${facts}, o.* FROM s ${joined}`,
    firstPage: `
WITH s AS MATERIALIZED (SELECT $1::text::pg_snapshot AS after, $2::text::pg_snapshot AS target),
${byXid('s.after', 's.target', '$3', company('$4'))}
SELECT ${facts}, o.* FROM s ${joined}`,
    nextPage: `
WITH s AS MATERIALIZED (SELECT $1::text::pg_snapshot AS after, $2::text::pg_snapshot AS target),
chosen AS MATERIALIZED (
  SELECT o.id FROM ${schema}.outbox o CROSS JOIN s
  WHERE o.id > $5::text::bigint AND ${between(schema, 's.after', 's.target')} ${OF_REGISTERS} ${company('$4')}
  ORDER BY o.id LIMIT $3::text::integer
)
SELECT ${facts}, o.* FROM s ${joined}`,
    // One index descent per company, however many rows it has.
    companies: `
WITH RECURSIVE step AS (
  (SELECT o.company FROM ${schema}.outbox o ORDER BY o.company LIMIT 1)
  UNION ALL
  SELECT (SELECT o.company FROM ${schema}.outbox o WHERE o.company > step.company ORDER BY o.company LIMIT 1)
  FROM step WHERE step.company IS NOT NULL
)
SELECT company FROM step WHERE company IS NOT NULL ORDER BY step.company`,
    invalidate: `
WITH written AS (
  INSERT INTO ${schema}.outbox (company, kind, family, part1, part2) VALUES ($1, $2, $3, $4, $5) RETURNING 1
)
SELECT count(*)::text AS written, pg_notify($6, ''), ${MAKE_DURABLE} FROM written`,
    ...trimStatements(schema),
  }
}

/** Whether the log of events has read the row, where such a log is kept at all. */
function isNumbered(schema: string): string {
  return `EXISTS (SELECT FROM ${schema}.event_cursor c
      WHERE NOT c.is_used OR (c.lineage = ${schema}.lineage()
        AND (o.id <= ${fence(schema)} OR pg_visible_in_snapshot(o.xid, c.snapshot))))`
}

function trimStatements(schema: string): Pick<OutboxStatements, 'mark' | 'findMark' | 'trim' | 'readTrim'> {
  const age = `$1::text::double precision * interval '1 millisecond'`
  return {
    // A sixteenth of the horizon between two marks is exact enough, and bounds their number.
    mark: `
INSERT INTO ${schema}.outbox_mark (lineage, snapshot)
SELECT ${schema}.lineage(), pg_current_snapshot()
WHERE NOT EXISTS (SELECT FROM ${schema}.outbox_mark
  WHERE lineage = ${schema}.lineage() AND taken_at > clock_timestamp() - ${age} / 16)`,
    findMark: `
SELECT m.snapshot::text AS snapshot, m.taken_at::text AS taken_at FROM ${schema}.outbox_mark m
WHERE m.lineage = ${schema}.lineage() AND m.taken_at <= clock_timestamp() - ${age}
ORDER BY m.taken_at DESC LIMIT 1`,
    // A mark of this history is younger than all that came from another one. The mark moves in the transaction that deletes, so that a reader sees either the rows or the mark.
    trim: `
WITH old AS MATERIALIZED (
  SELECT o.id FROM ${schema}.outbox o
  WHERE (o.id <= ${fence(schema)}
      OR (o.xid < pg_snapshot_xmax($1::text::pg_snapshot) AND pg_visible_in_snapshot(o.xid, $1::text::pg_snapshot)))
    AND EXISTS (SELECT FROM ${schema}.outbox later WHERE later.company = o.company AND later.id > o.id)
    AND ${isNumbered(schema)}
  LIMIT $3::text::integer
), deleted AS (
  DELETE FROM ${schema}.outbox o USING old WHERE o.id = old.id RETURNING 1
), marked AS (
  INSERT INTO ${schema}.outbox_trim (lineage, trimmed_to)
  SELECT ${schema}.lineage(), $1::text::pg_snapshot WHERE EXISTS (SELECT FROM old)
  ON CONFLICT (only_row) DO UPDATE SET lineage = excluded.lineage, trimmed_to = excluded.trimmed_to
  RETURNING 1
), forgotten AS (
  DELETE FROM ${schema}.outbox_mark
  WHERE taken_at < $2::text::timestamptz OR lineage <> ${schema}.lineage() RETURNING 1
)
SELECT (SELECT count(*) FROM deleted)::text AS deleted, (SELECT count(*) FROM marked)::text AS marked,
  (SELECT count(*) FROM forgotten)::text AS forgotten`,
    readTrim: `
SELECT trimmed_to::text AS trimmed_to FROM ${schema}.outbox_trim WHERE lineage = ${schema}.lineage()`,
  }
}
