/** The second migration: warehouses, stock with its movements, reservations. Quantities are whole thousandths. */

const NAME = 'text COLLATE "C" NOT NULL'
const WHOLE = (column: string): string => `scale(${column}) IS NOT DISTINCT FROM 0`

/** The statements for a schema name that is already checked. */
export function stockSchema(schema: string): string {
  return `
CREATE TABLE ${schema}.warehouse (
  company ${NAME}, code ${NAME}, name text NOT NULL,
  PRIMARY KEY (company, code)
);

-- One row per item and warehouse; version n names exactly one state of on_hand and reserved. fence is the highest
-- that was shown to the row. The checks are the last line: whatever judged wrongly is refused here.
CREATE TABLE ${schema}.stock (
  company ${NAME}, item ${NAME}, warehouse ${NAME},
  version bigint NOT NULL DEFAULT 0 CHECK (version BETWEEN 0 AND 9007199254740991),
  on_hand numeric NOT NULL DEFAULT 0 CHECK (on_hand >= 0 AND ${WHOLE('on_hand')}),
  reserved numeric NOT NULL DEFAULT 0 CHECK (reserved >= 0 AND reserved <= on_hand AND ${WHOLE('reserved')}),
  fence bigint NOT NULL DEFAULT 0 CHECK (fence >= 0),
  PRIMARY KEY (company, item, warehouse)
) WITH (fillfactor = 50);

-- Every movement once: space keeps the ids of movements, of reservations, and of the ends of reservations apart.
-- rows: [[item, warehouse, version that this movement gave to the row], …]
CREATE TABLE ${schema}.stock_movement (
  company ${NAME}, space ${NAME} CHECK (space IN ('move', 'hold', 'settle')), id ${NAME},
  kind text NOT NULL CHECK (kind IN ('adjust', 'transfer', 'reserve', 'confirm', 'cancel', 'expire')),
  request_hash text NOT NULL, rows json NOT NULL, moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (company, space, id)
);

-- What a movement did to one row, and the row right after it.
CREATE TABLE ${schema}.stock_line (
  company ${NAME}, item ${NAME}, warehouse ${NAME}, version bigint NOT NULL,
  space ${NAME}, movement_id ${NAME},
  on_hand_change numeric NOT NULL, reserved_change numeric NOT NULL,
  on_hand_after numeric NOT NULL, reserved_after numeric NOT NULL,
  PRIMARY KEY (company, item, warehouse, version),
  CHECK (on_hand_change <> 0 OR reserved_change <> 0),
  CHECK (${WHOLE('on_hand_change')} AND ${WHOLE('reserved_change')}),
  CHECK (reserved_after >= 0 AND reserved_after <= on_hand_after)
);

-- lines: [[item, warehouse, thousandths as text], …], each row once. Held rows change once, into one of the ends.
CREATE TABLE ${schema}.reservation (
  company ${NAME}, id ${NAME},
  state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'confirmed', 'cancelled', 'expired')),
  lines json NOT NULL, expires_at timestamptz NOT NULL, settled_at timestamptz,
  PRIMARY KEY (company, id),
  CHECK ((state = 'held') = (settled_at IS NULL))
);
CREATE INDEX reservation_due ON ${schema}.reservation (expires_at) WHERE state = 'held';

CREATE TRIGGER stock_version BEFORE UPDATE ON ${schema}.stock FOR EACH ROW
  WHEN (NEW.version < OLD.version OR NEW.fence < OLD.fence
    OR (NEW.version = OLD.version AND (NEW.on_hand <> OLD.on_hand OR NEW.reserved <> OLD.reserved))
    OR NEW.company <> OLD.company OR NEW.item <> OLD.item OR NEW.warehouse <> OLD.warehouse)
  EXECUTE FUNCTION ${schema}.refuse('a change of a row must raise its version, and its fence never goes back');
CREATE TRIGGER stock_kept BEFORE DELETE OR TRUNCATE ON ${schema}.stock FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('a row that comes back would start its versions again');
CREATE TRIGGER stock_movement_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ${schema}.stock_movement FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('without its id a movement could be done twice');
CREATE TRIGGER stock_line_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ${schema}.stock_line FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('movements are corrected by further movements');
CREATE TRIGGER reservation_once BEFORE UPDATE ON ${schema}.reservation FOR EACH ROW
  WHEN (OLD.state <> 'held' OR NEW.company <> OLD.company OR NEW.id <> OLD.id)
  EXECUTE FUNCTION ${schema}.refuse('a reservation ends once');
CREATE TRIGGER reservation_kept BEFORE DELETE OR TRUNCATE ON ${schema}.reservation FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('its goods are reserved, or its end is the answer to a retry');

-- The stock table, too, is part of the history that versions belong to.
CREATE OR REPLACE FUNCTION ${schema}.epoch() RETURNS text LANGUAGE sql STABLE AS $body$
  SELECT ${schema}.lineage() || '.' || concat_ws('.',
    trunc(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,
    b.oid, b.relfilenode, s.oid, s.relfilenode)
  FROM pg_class b, pg_class s
  WHERE b.oid = '${schema}.balance'::regclass AND s.oid = '${schema}.stock'::regclass
$body$;
`
}
