/** The third migration: events in the outbox, and the log that gives each of them its place in its company's order. */

const NAME = 'text COLLATE "C" NOT NULL'

/** The statements for a schema name that is already checked. */
export function eventSchema(schema: string): string {
  return `
-- An event row holds one event for each of what it is about; those of vouchers are written once per transaction.
ALTER TABLE ${schema}.outbox
  ADD COLUMN type text, ADD COLUMN abouts text[], ADD COLUMN payload text, ADD COLUMN traceparent text,
  ADD COLUMN written_at timestamptz,
  DROP CONSTRAINT outbox_kind_check, DROP CONSTRAINT outbox_check,
  ADD CONSTRAINT outbox_kind_check CHECK (kind IN ('image', 'invalidate', 'invalidateAll', 'event')),
  ADD CONSTRAINT outbox_check CHECK (CASE kind WHEN 'event' THEN type IS NOT NULL AND cardinality(abouts) > 0
    WHEN 'invalidateAll' THEN true ELSE family IS NOT NULL AND part1 IS NOT NULL AND part2 IS NOT NULL END);
ALTER TABLE ${schema}.outbox ALTER COLUMN written_at SET DEFAULT clock_timestamp();

-- Positions are given after the commit, by whoever holds the row of event_cursor, so that they have no gap, later
-- commits get later numbers, and no posting waits for a counter. Images keep their columns; a voucher's payload is
-- read from the voucher.
CREATE TABLE ${schema}.event (
  company ${NAME}, position bigint NOT NULL CHECK (position > 0), outbox_id bigint NOT NULL, type text NOT NULL,
  about text COLLATE "C", part1 text COLLATE "C", part2 text COLLATE "C", version bigint, field1 numeric,
  field2 numeric, payload text, traceparent text, written_at timestamptz NOT NULL,
  PRIMARY KEY (company, position)
);
CREATE TABLE ${schema}.event_head (
  company ${NAME}, position bigint NOT NULL,
  trimmed_to bigint NOT NULL DEFAULT 0, trimmed_id bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (company), CHECK (trimmed_to BETWEEN 0 AND position)
) WITH (fillfactor = 50);

-- Numbered are the rows visible in snapshot and, while target is set, those visible in it up to after_id.
CREATE TABLE ${schema}.event_cursor (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), lineage text NOT NULL, is_used boolean NOT NULL DEFAULT false,
  snapshot pg_snapshot NOT NULL, target pg_snapshot, after_id bigint NOT NULL DEFAULT 0,
  CHECK (target IS NOT NULL OR after_id = 0)
) WITH (fillfactor = 50);
INSERT INTO ${schema}.event_cursor (lineage, snapshot) SELECT ${schema}.lineage(), pg_current_snapshot();

-- How far each reader of the log got, so that nothing is deleted that it still has to read.
CREATE TABLE ${schema}.event_sink (
  name ${NAME}, company ${NAME}, position bigint NOT NULL,
  PRIMARY KEY (name, company)
) WITH (fillfactor = 50);

-- Changes without an event in the log: those from before it began, and those whose events were deleted.
CREATE TABLE ${schema}.event_count (
  company ${NAME}, type ${NAME}, changes bigint NOT NULL,
  PRIMARY KEY (company, type)
);
INSERT INTO ${schema}.event_count
SELECT company, 'events:voucher:created', count(*) FROM ${schema}.voucher GROUP BY company
UNION ALL SELECT company, 'events:voucher:approved', count(approved_at) FROM ${schema}.voucher GROUP BY company
UNION ALL SELECT company, 'events:balance:updated', sum(version) FROM ${schema}.balance GROUP BY company
UNION ALL SELECT company, 'events:inventory:changed', sum(version) FROM ${schema}.stock GROUP BY company;

CREATE TRIGGER event_fixed BEFORE UPDATE OR TRUNCATE ON ${schema}.event FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('receivers know an event by its position');
`
}
