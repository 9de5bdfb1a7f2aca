/**
 * The SQL of posting. Every parameter is text and every column comes back as text, so that drivers, their type
 * parsers and their array handling do not matter.
 */

import { WITHIN_STATEMENTS, type WithinStatements } from './transaction-statements.js'

/** The statements for one schema. */
export interface PostingStatements extends WithinStatements {
  /** Names the reversed voucher's one reversal; answers who holds it, in a second statement. */
  readonly claimReversal: string
  readonly readReversal: string
  /** Inserts idempotency keys in the order of bytes; answers those that were new, and the transaction that is written by. */
  readonly claimKeys: string
  /** As `claimKeys`, but claims nothing unless the transaction of `beginWithin` is still open. */
  readonly claimKeysWithin: string
  /** The stored answer of vouchers that exist: one row per touched balance. */
  readonly readPosted: string
  readonly insertRows: string
  /** Locks balance rows in the order of bytes and answers their totals. */
  readonly lockRows: string
  /** The rows that somebody else has locked. */
  readonly heldRows: string
  /** Changes the rows, writes vouchers, lines and outbox; answers the rows, what was written, and the epoch. */
  readonly write: string
}

const KEYS = 'unnest($1::text::text[], $2::text::text[], $3::text::text[]) AS k(company, id, request_hash)'
const KEY_ORDER = 'ORDER BY k.company COLLATE "C", k.id COLLATE "C"'
const ROWS =
  'unnest($1::text::text[], $2::text::text[], $3::text::integer[]) AS k(company, account, fiscal_year)'
const ON_ROW = 'b.company = k.company AND b.account = k.account AND b.fiscal_year = k.fiscal_year'

/** Builds the statements; `schema` has been checked and needs no quotes. */
export function postingStatements(schema: string): PostingStatements {
  const claim = (condition: string): string => `
INSERT INTO ${schema}.voucher_key (company, id, request_hash)
SELECT k.company, k.id, k.request_hash FROM ${KEYS} ${condition} ${KEY_ORDER}
ON CONFLICT DO NOTHING RETURNING company, id, xmin::text AS written_by`
  return {
    claimReversal: `
INSERT INTO ${schema}.reversal (company, voucher_id, reversed_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
    readReversal: `SELECT reversed_by FROM ${schema}.reversal WHERE company = $1 AND voucher_id = $2`,
    claimKeys: claim(''),
    claimKeysWithin: claim(`WHERE current_setting('kerp.within', true) = $4`),
    readPosted: readPosted(schema),
    insertRows: `
INSERT INTO ${schema}.balance (company, account, fiscal_year)
SELECT k.company, k.account, k.fiscal_year FROM ${ROWS}
ORDER BY k.company COLLATE "C", k.account COLLATE "C", k.fiscal_year ON CONFLICT DO NOTHING`,
    lockRows: `
SELECT b.company, b.account, b.fiscal_year::text AS fiscal_year,
  b.debit::text AS debit, b.credit::text AS credit, b.version::text AS version
FROM ${ROWS} JOIN ${schema}.balance b ON ${ON_ROW}
ORDER BY b.company, b.account, b.fiscal_year FOR UPDATE OF b`,
    heldRows: `
WITH free AS (
  SELECT b.company, b.account, b.fiscal_year FROM ${ROWS} JOIN ${schema}.balance b ON ${ON_ROW}
  FOR UPDATE OF b SKIP LOCKED
)
SELECT b.company, b.account, b.fiscal_year::text AS fiscal_year
FROM ${ROWS} JOIN ${schema}.balance b ON ${ON_ROW}
WHERE NOT EXISTS (SELECT FROM free f
  WHERE f.company = b.company AND f.account = b.account AND f.fiscal_year = b.fiscal_year)`,
    write: write(schema),
    ...WITHIN_STATEMENTS,
  }
}

function readPosted(schema: string): string {
  return `
SELECT k.company, k.id, k.request_hash, k.xmin::text AS written_by, v.fiscal_year::text AS fiscal_year,
  e.account, e.version, l.debit_after::text AS debit, l.credit_after::text AS credit,
  (SELECT ${schema}.epoch()) AS epoch
FROM unnest($1::text::text[], $2::text::text[]) AS q(company, id)
JOIN ${schema}.voucher_key k ON k.company = q.company AND k.id = q.id
JOIN ${schema}.voucher v ON v.company = k.company AND v.id = k.id
CROSS JOIN LATERAL json_each_text(v.versions) WITH ORDINALITY AS e(account, version, place)
CROSS JOIN LATERAL (
  SELECT l.debit_after, l.credit_after FROM ${schema}.line l
  WHERE l.company = v.company AND l.account = e.account AND l.fiscal_year = v.fiscal_year
    AND l.version = e.version::bigint
  ORDER BY l.line_no DESC LIMIT 1
) l
ORDER BY k.company, k.id, e.place`
}

function write(schema: string): string {
  return `
WITH changed AS (
  UPDATE ${schema}.balance b
  SET debit = b.debit + k.debit, credit = b.credit + k.credit, version = b.version + k.vouchers
  FROM unnest($1::text::text[], $2::text::text[], $3::text::integer[], $4::text::numeric[], $5::text::numeric[],
    $6::text::bigint[], $25::text::text[])
    AS k(company, account, fiscal_year, debit, credit, vouchers, traceparent)
  WHERE ${ON_ROW}
  RETURNING b.company, b.account, b.fiscal_year, b.debit, b.credit, b.version, k.traceparent
), vouchers AS (
  INSERT INTO ${schema}.voucher (company, id, date, fiscal_year, reverses, versions)
  SELECT * FROM unnest($7::text::text[], $8::text::text[], $9::text::date[], $10::text::integer[],
    $11::text::text[], $12::text::json[])
  RETURNING 1
), lines AS (
  INSERT INTO ${schema}.line (company, account, fiscal_year, line_no, version, voucher_id, date,
    debit, credit, debit_after, credit_after, memo)
  SELECT * FROM unnest($13::text::text[], $14::text::text[], $15::text::integer[], $16::text::integer[],
    $17::text::bigint[], $18::text::text[], $19::text::date[], $20::text::numeric[], $21::text::numeric[],
    $22::text::numeric[], $23::text::numeric[], $24::text::text[])
  RETURNING 1
), outbox AS (
  INSERT INTO ${schema}.outbox (company, kind, family, part1, part2, version, field1, field2, traceparent)
  SELECT c.company, 'image', 'balance', c.account, c.fiscal_year::text, c.version, c.debit, c.credit, c.traceparent
  FROM changed c ORDER BY c.company, c.account, c.fiscal_year
  RETURNING 1
), created AS (
  INSERT INTO ${schema}.outbox (company, kind, type, abouts, traceparent)
  SELECT k.company, 'event', 'events:voucher:created', array_agg(k.id ORDER BY k.place), k.traceparent
  FROM unnest($7::text::text[], $8::text::text[], $26::text::text[])
    WITH ORDINALITY AS k(company, id, traceparent, place)
  GROUP BY k.company, k.traceparent ORDER BY min(k.place)
  RETURNING cardinality(abouts) AS events
)
SELECT c.company, c.account, c.fiscal_year::text AS fiscal_year,
  c.debit::text AS debit, c.credit::text AS credit, c.version::text AS version,
  (SELECT count(*) FROM vouchers)::text AS vouchers, (SELECT count(*) FROM lines)::text AS lines,
  (SELECT count(*) FROM outbox)::text AS outbox, (SELECT sum(events) FROM created)::text AS events,
  (SELECT ${schema}.epoch()) AS epoch
FROM changed c`
}
