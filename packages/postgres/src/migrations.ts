/**
 * The schema, as numbered migrations. A migration that was released is never edited: a change is a new one.
 *
 * All names and codes are COLLATE "C", so that the order of locks is the order of bytes on every server. Amounts
 * are `numeric` without a fraction. No foreign keys: their checks would cost a third of the posting rate, the rows
 * of a voucher are written by one statement, and `audit` proves that they fit.
 */

import { chunkIdsSchema, chunkSchema, chunkTotalsSchema } from './chunk-schema.js'
import { eventEffectSchema } from './event-effects-schema.js'
import { eventSchema } from './event-schema.js'
import { identitySchema, serverFactsSchema } from './identity-schema.js'
import { stockSchema } from './stock-schema.js'

/** One step of the schema. */
export interface Migration {
  readonly version: number
  readonly name: string
  /** Statements for a schema name that is already checked. */
  readonly sql: (schema: string) => string
}

/** Every migration, in the order in which they are applied. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'accounts, vouchers, balances and the outbox', sql: firstSchema },
  // Before the others: where the server refuses what the first lineage() asks, they could not be applied.
  { version: 7, name: 'what the server says of itself', sql: serverFactsSchema },
  { version: 2, name: 'warehouses, stock and reservations', sql: stockSchema },
  { version: 3, name: 'the log of events', sql: eventSchema },
  { version: 4, name: 'runs and chunks of durable batches', sql: chunkSchema },
  { version: 5, name: 'effects of durable consumers', sql: eventEffectSchema },
  { version: 6, name: 'totals of durable batches', sql: chunkTotalsSchema },
  { version: 8, name: 'the identity of the database', sql: identitySchema },
  { version: 9, name: 'ids of a durable batch over all its pages', sql: chunkIdsSchema },
]

const NAME = 'text COLLATE "C" NOT NULL'
const WHOLE = (column: string): string => `CHECK (${column} >= 0 AND scale(${column}) IS NOT DISTINCT FROM 0)`

function firstSchema(schema: string): string {
  return `
CREATE TABLE ${schema}.account (
  company ${NAME}, code ${NAME}, name text NOT NULL, parent text COLLATE "C" CHECK (parent <> code),
  PRIMARY KEY (company, code)
);
CREATE INDEX account_parent ON ${schema}.account (company, parent) WHERE parent IS NOT NULL;

-- One row per account and year; version n names exactly one state of it. Half-empty pages let updates stay in place.
CREATE TABLE ${schema}.balance (
  company ${NAME}, account ${NAME}, fiscal_year integer NOT NULL,
  version bigint NOT NULL DEFAULT 0 CHECK (version BETWEEN 0 AND 9007199254740991),
  debit numeric NOT NULL DEFAULT 0 ${WHOLE('debit')},
  credit numeric NOT NULL DEFAULT 0 ${WHOLE('credit')},
  PRIMARY KEY (company, account, fiscal_year)
) WITH (fillfactor = 50);

-- Idempotency keys: never partitioned and never pruned, so that a retry at any later day finds them.
CREATE TABLE ${schema}.voucher_key (
  company ${NAME}, id ${NAME}, request_hash text NOT NULL,
  PRIMARY KEY (company, id)
);

-- versions: {account: version that this voucher gave to the account's row}
CREATE TABLE ${schema}.voucher (
  company ${NAME}, id ${NAME}, date date NOT NULL, fiscal_year integer NOT NULL,
  reverses text COLLATE "C", versions json NOT NULL,
  posted_at timestamptz NOT NULL DEFAULT clock_timestamp(), approved_at timestamptz,
  PRIMARY KEY (company, id)
);

-- Which voucher reversed which: the key allows one per original.
CREATE TABLE ${schema}.reversal (
  company ${NAME}, voucher_id ${NAME}, reversed_by ${NAME},
  PRIMARY KEY (company, voucher_id)
);

-- Lines with the totals right after them: the key is the order of posting, so a page of an account's ledger and
-- the answer to a repeated posting are plain index reads.
CREATE TABLE ${schema}.line (
  company ${NAME}, account ${NAME}, fiscal_year integer NOT NULL, line_no integer NOT NULL,
  version bigint NOT NULL, voucher_id ${NAME}, date date NOT NULL,
  debit numeric(38, 0) NOT NULL, credit numeric(38, 0) NOT NULL,
  debit_after numeric NOT NULL, credit_after numeric NOT NULL, memo text,
  PRIMARY KEY (company, account, fiscal_year, version, line_no),
  CHECK (debit >= 0 AND credit >= 0 AND (debit = 0) <> (credit = 0))
);

-- id grows in the order in which the changes of one row are committed: it is taken under the row's lock, and the
-- sequence keeps no cache per connection.
CREATE SEQUENCE ${schema}.outbox_id CACHE 1;
CREATE TABLE ${schema}.outbox (
  id bigint PRIMARY KEY DEFAULT nextval('${schema}.outbox_id'),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  company ${NAME}, kind text NOT NULL CHECK (kind IN ('image', 'invalidate', 'invalidateAll')),
  family text, part1 text COLLATE "C", part2 text COLLATE "C", version bigint, field1 numeric, field2 numeric,
  CHECK (kind = 'invalidateAll' OR (family IS NOT NULL AND part1 IS NOT NULL AND part2 IS NOT NULL)),
  CHECK (kind <> 'image' OR (version IS NOT NULL AND field1 IS NOT NULL AND field2 IS NOT NULL))
);
CREATE INDEX outbox_xid ON ${schema}.outbox (xid);
CREATE INDEX outbox_company ON ${schema}.outbox (company, id);

-- Moments of the past, and the position up to which rows were deleted. Snapshots mean something only in the
-- history that they were taken in, which lineage names.
CREATE TABLE ${schema}.outbox_mark (
  taken_at timestamptz PRIMARY KEY DEFAULT clock_timestamp(), lineage text NOT NULL, snapshot pg_snapshot NOT NULL
);
CREATE TABLE ${schema}.outbox_trim (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), lineage text NOT NULL, trimmed_to pg_snapshot NOT NULL
);

-- Null on a replica, which must never be taken for the primary. The control file keeps the old timeline for a
-- while after a promotion, the name of the current log file does not.
CREATE FUNCTION ${schema}.lineage() RETURNS text LANGUAGE sql STABLE AS $body$
  SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE concat_ws('.',
    (SELECT system_identifier FROM pg_control_system()),
    substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
    (SELECT oid FROM pg_database WHERE datname = current_database())) END
$body$;
CREATE FUNCTION ${schema}.epoch() RETURNS text LANGUAGE sql STABLE AS $body$
  SELECT ${schema}.lineage() || '.' || concat_ws('.',
    trunc(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, c.oid, c.relfilenode)
  FROM pg_class c WHERE c.oid = '${schema}.balance'::regclass
$body$;

CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RAISE EXCEPTION 'kerp: % of % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END
$body$;
CREATE TRIGGER balance_version BEFORE UPDATE ON ${schema}.balance FOR EACH ROW
  WHEN (NEW.version <= OLD.version OR NEW.company <> OLD.company OR NEW.account <> OLD.account
    OR NEW.fiscal_year <> OLD.fiscal_year)
  EXECUTE FUNCTION ${schema}.refuse('a change of a row must raise its version');
CREATE TRIGGER balance_kept BEFORE DELETE OR TRUNCATE ON ${schema}.balance FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('a row that comes back would start its versions again');
CREATE TRIGGER line_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ${schema}.line FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('lines are corrected by a reversing voucher');
CREATE TRIGGER voucher_key_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ${schema}.voucher_key FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('without its key a voucher could be posted twice');
`
}
