/** The SQL of runs and chunks. Every parameter is text and every column comes back as text. */

/** The statements for one schema. */
export interface ChunkStatements {
  readonly open: string
  readonly read: string
  readonly running: string
  readonly plan: string
  readonly keepPlanned: string
  readonly repeated: string
  readonly keep: string
  readonly forget: string
  readonly claim: string
  readonly claimable: string
  readonly extend: string
  readonly release: string
  readonly mark: string
  readonly markedBy: string
  readonly keepFailures: string
  readonly count: string
  readonly lockRun: string
  readonly end: string
  readonly failures: string
  readonly takeUp: string
  readonly dropFailures: string
  readonly addChunks: string
}

const RUN_COLUMNS = `company, run_id, batch, params, state, failure_code, item_cursor,
  chunk_items::text AS chunk_items, failures_max::text AS failures_max,
  stop_after_failures::text AS stop_after_failures, is_planned::text AS is_planned, items::text AS items,
  items_done::text AS items_done, items_failed::text AS items_failed, chunks::text AS chunks,
  chunks_done::text AS chunks_done, totals::text AS totals, keys_escaped::text AS keys_escaped`
const ON_RUN = 'company = $1 AND run_id = $2'
const CHUNK_COLUMNS = 'company, run_id, number::text AS number, fence::text AS fence'
const FREE = 'done_fence IS NULL AND (lease_until IS NULL OR lease_until <= clock_timestamp())'
const LEASE_END = (parameter: string): string =>
  `clock_timestamp() + ${parameter}::text::bigint * interval '1 millisecond'`
const HELD = `unnest($1::text::text[], $2::text::text[], $3::text::bigint[], $4::text::bigint[])
    AS k(company, run_id, number, fence)
WHERE c.company = k.company AND c.run_id = k.run_id AND c.number = k.number AND c.fence = k.fence
  AND c.done_fence IS NULL`

/** Builds the statements; `schema` has been checked and needs no quotes. */
export function chunkStatements(schema: string): ChunkStatements {
  const run = `${schema}.batch_run`
  const chunk = `${schema}.batch_chunk`
  const failure = `${schema}.batch_failure`
  const item = `${schema}.batch_item`
  return {
    open: `
INSERT INTO ${run} (company, run_id, batch, params, chunk_items, failures_max, stop_after_failures, keys_escaped)
VALUES ($1, $2, $3, $4, $5::text::integer, $6::text::bigint, $7::text::bigint, true)
ON CONFLICT DO NOTHING RETURNING ${RUN_COLUMNS}, opened_at::text AS opened_at`,
    read: `SELECT ${RUN_COLUMNS}, opened_at::text AS opened_at FROM ${run} WHERE ${ON_RUN}`,
    running: `
SELECT ${RUN_COLUMNS} FROM ${run} r WHERE r.state = 'running' AND r.batch = ANY ($1::text::text[])
ORDER BY r.opened_at, r.company, r.run_id LIMIT $2::text::bigint`,
    // $3: the cursor as it was read · $4: the new one · $5: whether that was all · $6: lists of ids · $7: ids in all
    // $8: how many of the run's ids are kept then
    plan: `
WITH planned AS (
  UPDATE ${run} SET item_cursor = $4, is_planned = $5::text::boolean, items = items + $7::text::bigint,
    chunks = chunks + cardinality($6::text::text[]), ids_kept = $8::text::bigint
  WHERE ${ON_RUN} AND state = 'running' AND NOT is_planned AND item_cursor IS NOT DISTINCT FROM $3
  RETURNING company, run_id, chunks - cardinality($6::text::text[]) AS before
), added AS (
  INSERT INTO ${chunk} (company, run_id, number, items)
  SELECT p.company, p.run_id, p.before + k.place, k.items
  FROM planned p, unnest($6::text::text[]) WITH ORDINALITY AS k(items, place)
  RETURNING 1
)
SELECT count(*)::text AS written FROM added`,
    // Only what the pages before left out: the first page, and pages that another version planned.
    keepPlanned: `
INSERT INTO ${item} (company, run_id, item_id)
SELECT c.company, c.run_id, i.id FROM ${chunk} c, jsonb_array_elements_text(c.items::jsonb) AS i(id)
WHERE c.company = $1 AND c.run_id = $2
  AND EXISTS (SELECT FROM ${run} r WHERE r.company = $1 AND r.run_id = $2 AND r.ids_kept <> r.items)
ON CONFLICT DO NOTHING`,
    repeated: `
SELECT k.place::text AS place FROM unnest($3::text::text[]) WITH ORDINALITY AS k(id, place)
JOIN ${item} i ON i.company = $1 AND i.run_id = $2 AND i.item_id = k.id ORDER BY k.place LIMIT 1`,
    keep: `
WITH kept AS (
  INSERT INTO ${item} (company, run_id, item_id) SELECT $1, $2, k.id FROM unnest($3::text::text[]) AS k(id)
  RETURNING 1)
SELECT count(*)::text AS written FROM kept`,
    forget: `DELETE FROM ${item} WHERE ${ON_RUN}`,
    claim: `
UPDATE ${chunk} SET fence = fence + 1, lease_until = ${LEASE_END('$3')}
WHERE (company, run_id, number) = (
  SELECT c.company, c.run_id, c.number FROM ${chunk} c
  WHERE ${ON_RUN} AND ${FREE} AND ($4::text IS NULL OR number = $4::text::bigint)
    AND EXISTS (SELECT FROM ${run} WHERE ${ON_RUN} AND state = 'running')
  ORDER BY c.number LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING ${CHUNK_COLUMNS}, items`,
    claimable: `
SELECT ${CHUNK_COLUMNS} FROM ${chunk} c WHERE ${ON_RUN} AND ${FREE} ORDER BY c.number LIMIT $3::text::bigint`,
    extend: `
UPDATE ${chunk} c SET lease_until = ${LEASE_END('$5')} FROM ${HELD}
RETURNING c.company, c.run_id, c.number::text AS number, c.fence::text AS fence`,
    release: `UPDATE ${chunk} c SET lease_until = NULL FROM ${HELD}`,
    mark: `
UPDATE ${chunk} SET done_fence = $4::text::bigint
WHERE ${ON_RUN} AND number = $3::text::bigint AND done_fence IS NULL RETURNING number::text AS number`,
    markedBy: `
SELECT done_fence::text AS done_fence FROM ${chunk} WHERE ${ON_RUN} AND number = $3::text::bigint`,
    keepFailures: `
INSERT INTO ${failure} (company, run_id, item_id, code, message)
SELECT $1, $2, k.item_id, k.code, k.message
FROM unnest($3::text::text[], $4::text::text[], $5::text::text[]) AS k(item_id, code, message)
ON CONFLICT (company, run_id, item_id) DO UPDATE SET code = excluded.code, message = excluded.message`,
    // The row that all workers share is touched last, so that it is locked for the COMMIT alone.
    count: `
UPDATE ${run} SET items_done = items_done + $3::text::bigint, items_failed = items_failed + $4::text::bigint,
  chunks_done = chunks_done + 1, totals = CASE WHEN $5::text = '{}' THEN totals ELSE (
    SELECT jsonb_object_agg(k.name, k.amount::text) FROM (
      SELECT name, sum(amount) AS amount FROM (
        SELECT key AS name, value::numeric AS amount FROM jsonb_each_text(totals)
        UNION ALL SELECT * FROM unnest($5::text::text[], $6::text::numeric[])) AS t(name, amount)
      GROUP BY name) AS k) END,
  state = CASE WHEN items_failed + $4::text::bigint > stop_after_failures THEN 'failed' ELSE state END,
  ended_at = CASE WHEN items_failed + $4::text::bigint > stop_after_failures THEN clock_timestamp() END
WHERE ${ON_RUN} AND state = 'running' RETURNING state`,
    lockRun: `SELECT ${RUN_COLUMNS} FROM ${run} WHERE ${ON_RUN} FOR UPDATE`,
    end: `
UPDATE ${run} SET state = $3, failure_code = $4, ended_at = clock_timestamp()
WHERE ${ON_RUN} AND state = 'running'`,
    failures: `
SELECT f.item_id, f.code, f.message FROM ${failure} f WHERE ${ON_RUN} AND f.item_id > $3
ORDER BY f.item_id LIMIT $4::text::bigint`,
    takeUp: `
UPDATE ${run} SET state = 'running', failure_code = NULL, ended_at = NULL,
  items_failed = items_failed - $3::text::bigint, chunks = chunks + cardinality($4::text::text[])
WHERE ${ON_RUN}`,
    dropFailures: `
WITH dropped AS (DELETE FROM ${failure} WHERE ${ON_RUN} RETURNING item_id)
SELECT d.item_id FROM dropped d ORDER BY d.item_id`,
    addChunks: `
WITH added AS (
  INSERT INTO ${chunk} (company, run_id, number, items)
  SELECT $1, $2, $3::text::bigint + k.place, k.items
  FROM unnest($4::text::text[]) WITH ORDINALITY AS k(items, place)
  RETURNING 1
)
SELECT count(*)::text AS written FROM added`,
  }
}
