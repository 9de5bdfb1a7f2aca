/**
 * The SQL of moving stock. As for posting, every parameter is text and every column comes back as text.
 *
 * Locks are taken in one order everywhere: reservations by bytes, rows of stock by bytes, then the ids, which are
 * written last and only for movements that were accepted.
 */

import { msText } from './moment-text.js'
import { WITHIN_STATEMENTS, type WithinStatements } from './transaction-statements.js'

/** The statements for one schema. */
export interface StockStatements extends WithinStatements {
  /** Locks reservations in the order of bytes and answers their lines, which never change. */
  readonly lockReservations: string
  readonly insertRows: string
  /** Locks rows of stock in the order of bytes and answers them. */
  readonly lockRows: string
  /** The rows of `lockRows` that nobody else has locked. */
  readonly probeRows: string
  /** The clock, the epoch, and what is stored under ids: one row per touched row. Only true after the locks. */
  readonly readStored: string
  /** How reservations stand, and whether their time is up by the clock of this very statement. */
  readonly readReservations: string
  /** Changes the rows, writes movements, lines, reservations and outbox; answers the rows and what was written. */
  readonly write: string
  /** Reservations whose time is up, the oldest first. */
  readonly due: string
}

const ROWS = 'unnest($1::text::text[], $2::text::text[], $3::text::text[]) AS k(company, item, warehouse)'
const ON_ROW = 's.company = k.company AND s.item = k.item AND s.warehouse = k.warehouse'
const RESERVATIONS = 'unnest($1::text::text[], $2::text::text[]) AS k(company, id)'
const ON_RESERVATION = 'r.company = k.company AND r.id = k.id'

/** Builds the statements; `schema` has been checked and needs no quotes. */
export function stockStatements(schema: string): StockStatements {
  const lock = (tail: string): string => `
SELECT s.company, s.item, s.warehouse, s.version::text AS version,
  s.on_hand::text AS on_hand, s.reserved::text AS reserved, s.fence::text AS fence
FROM ${ROWS} JOIN ${schema}.stock s ON ${ON_ROW}
ORDER BY s.company, s.item, s.warehouse FOR UPDATE OF s ${tail}`
  return {
    lockReservations: `
SELECT r.company, r.id, r.lines::text AS lines FROM ${RESERVATIONS}
JOIN ${schema}.reservation r ON ${ON_RESERVATION} ORDER BY r.company, r.id FOR UPDATE OF r`,
    insertRows: `
INSERT INTO ${schema}.stock (company, item, warehouse) SELECT k.company, k.item, k.warehouse FROM ${ROWS}
ORDER BY k.company COLLATE "C", k.item COLLATE "C", k.warehouse COLLATE "C" ON CONFLICT DO NOTHING`,
    lockRows: lock(''),
    probeRows: lock('SKIP LOCKED'),
    readStored: readStored(schema),
    readReservations: `
SELECT r.company, r.id, r.state, (r.expires_at <= clock_timestamp())::text AS due, r.lines::text AS lines,
  ${msText('r.expires_at')} AS expires_at_ms
FROM ${RESERVATIONS} JOIN ${schema}.reservation r ON ${ON_RESERVATION}`,
    write: write(schema),
    due: `
SELECT r.company, r.id FROM ${schema}.reservation r WHERE r.state = 'held' AND r.expires_at <= clock_timestamp()
ORDER BY r.expires_at, r.company, r.id LIMIT $1::text::integer`,
    ...WITHIN_STATEMENTS,
  }
}

function readStored(schema: string): string {
  return `
SELECT ${msText('clock_timestamp()')} AS now_ms, (SELECT ${schema}.epoch()) AS epoch,
  current_setting('kerp.within', true) AS within,
  m.company, m.space, m.id, m.request_hash, m.written_by, m.item, m.warehouse, m.version, m.on_hand, m.reserved
FROM (SELECT) AS always LEFT JOIN (
  SELECT k.company, k.space, k.id, m.request_hash, m.written_by, e.place, l.item, l.warehouse, l.version, l.on_hand, l.reserved
  FROM unnest($1::text::text[], $2::text::text[], $3::text::text[]) AS k(company, space, id)
  CROSS JOIN LATERAL (
    SELECT m.request_hash, m.xmin::text AS written_by, m.rows FROM ${schema}.stock_movement m
    WHERE m.company = k.company AND m.space = k.space AND m.id = k.id LIMIT 1
  ) m
  CROSS JOIN LATERAL json_array_elements(m.rows) WITH ORDINALITY AS e(row_, place)
  CROSS JOIN LATERAL (
    SELECT l.item, l.warehouse, l.version::text AS version, l.on_hand_after::text AS on_hand,
      l.reserved_after::text AS reserved
    FROM ${schema}.stock_line l
    WHERE l.company = k.company AND l.item = e.row_->>0 AND l.warehouse = e.row_->>1
      AND l.version = (e.row_->>2)::bigint LIMIT 1
  ) l
) m ON true
ORDER BY m.company, m.space, m.id, m.place`
}

/** The end of a reservation is one conditional change of its row: by its state, and by the clock at that moment. */
function write(schema: string): string {
  return `
WITH changed AS (
  UPDATE ${schema}.stock s
  SET on_hand = s.on_hand + k.on_hand, reserved = s.reserved + k.reserved, version = s.version + k.movements,
    fence = greatest(s.fence, k.fence)
  FROM unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::numeric[], $5::text::numeric[],
    $6::text::bigint[], $7::text::bigint[], $31::text::text[])
    AS k(company, item, warehouse, on_hand, reserved, movements, fence, traceparent)
  WHERE ${ON_ROW}
  RETURNING s.company, s.item, s.warehouse, s.on_hand, s.reserved, s.version, k.traceparent
), movements AS (
  INSERT INTO ${schema}.stock_movement (company, space, id, kind, request_hash, rows)
  SELECT k.* FROM unnest($8::text::text[], $9::text::text[], $10::text::text[], $11::text::text[],
    $12::text::text[], $13::text::json[]) AS k(company, space, id, kind, request_hash, rows)
  ORDER BY k.company COLLATE "C", k.space COLLATE "C", k.id COLLATE "C" ON CONFLICT DO NOTHING
  RETURNING xmin::text AS written_by
), lines AS (
  INSERT INTO ${schema}.stock_line (company, item, warehouse, version, space, movement_id,
    on_hand_change, reserved_change, on_hand_after, reserved_after)
  SELECT * FROM unnest($14::text::text[], $15::text::text[], $16::text::text[], $17::text::bigint[],
    $18::text::text[], $19::text::text[], $20::text::numeric[], $21::text::numeric[], $22::text::numeric[],
    $23::text::numeric[])
  RETURNING 1
), holds AS (
  INSERT INTO ${schema}.reservation (company, id, lines, expires_at)
  SELECT * FROM unnest($24::text::text[], $25::text::text[], $26::text::json[], $27::text::timestamptz[]) ON CONFLICT DO NOTHING
  RETURNING 1
), ends AS (
  UPDATE ${schema}.reservation r SET state = k.state, settled_at = clock_timestamp()
  FROM unnest($28::text::text[], $29::text::text[], $30::text::text[]) AS k(company, id, state)
  WHERE ${ON_RESERVATION} AND r.state = 'held' AND CASE k.state WHEN 'confirmed' THEN r.expires_at > clock_timestamp()
    WHEN 'expired' THEN r.expires_at <= clock_timestamp() ELSE true END
  RETURNING 1
), outbox AS (
  INSERT INTO ${schema}.outbox (company, kind, family, part1, part2, version, field1, field2, traceparent)
  SELECT c.company, 'image', 'inventory', c.item, c.warehouse, c.version, c.on_hand, c.reserved, c.traceparent
  FROM changed c ORDER BY c.company, c.item, c.warehouse
  RETURNING 1
)
SELECT c.company, c.item, c.warehouse, c.version::text AS version,
  c.on_hand::text AS on_hand, c.reserved::text AS reserved,
  (SELECT count(*) FROM movements)::text AS movements, (SELECT min(written_by) FROM movements) AS written_by, (SELECT count(*) FROM lines)::text AS lines,
  (SELECT count(*) FROM holds)::text AS holds, (SELECT count(*) FROM ends)::text AS ends,
  (SELECT count(*) FROM outbox)::text AS outbox, (SELECT ${schema}.epoch()) AS epoch
FROM changed c`
}
