/** The migration of durable batches: runs, their chunks, and the items that failed. */

const NAME = 'text COLLATE "C" NOT NULL'
const COUNT = 'bigint NOT NULL DEFAULT 0'

/** Sums of a run, by name; as texts, because JSON's readers take long numbers for floats. */
export function chunkTotalsSchema(schema: string): string {
  return `ALTER TABLE ${schema}.batch_run ADD COLUMN totals jsonb NOT NULL DEFAULT '{}'`
}

/**
 * Ids of a run while it is planned over several pages: an id that comes again is refused. `ids_kept` is how many of the run's
 * items they are; where it is not all of them, another version planned, and they are read from the chunks.
 */
export function chunkIdsSchema(schema: string): string {
  return `
CREATE TABLE ${schema}.batch_item (
  company ${NAME}, run_id ${NAME}, item_id ${NAME}, PRIMARY KEY (company, run_id, item_id)
);
ALTER TABLE ${schema}.batch_run ADD COLUMN ids_kept ${COUNT}, ADD COLUMN keys_escaped boolean NOT NULL DEFAULT false`
}

/** The statements for a schema name that is already checked. */
export function chunkSchema(schema: string): string {
  return `
-- One row per run, for ever: it is what makes a second start of the same batch find the first.
CREATE TABLE ${schema}.batch_run (
  company ${NAME}, run_id ${NAME}, batch ${NAME}, params text NOT NULL,
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
  failure_code text, chunk_items integer NOT NULL CHECK (chunk_items > 0),
  failures_max bigint NOT NULL, stop_after_failures bigint NOT NULL,
  is_planned boolean NOT NULL DEFAULT false, item_cursor text COLLATE "C",
  items ${COUNT}, items_done ${COUNT}, items_failed ${COUNT}, chunks ${COUNT}, chunks_done ${COUNT},
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz,
  PRIMARY KEY (company, run_id),
  CHECK (items_done >= 0 AND items_failed >= 0 AND items_done + items_failed <= items AND chunks_done <= chunks)
) WITH (fillfactor = 50);
CREATE INDEX batch_run_running ON ${schema}.batch_run (opened_at) WHERE state = 'running';

-- items: a JSON list of ids. done_fence: the claim that was first to commit. The lease is there for liveness only.
CREATE TABLE ${schema}.batch_chunk (
  company ${NAME}, run_id ${NAME}, number bigint NOT NULL, items text NOT NULL,
  fence ${COUNT}, lease_until timestamptz, done_fence bigint,
  PRIMARY KEY (company, run_id, number)
);
CREATE INDEX batch_chunk_open ON ${schema}.batch_chunk (company, run_id, number) WHERE done_fence IS NULL;

CREATE TABLE ${schema}.batch_failure (
  company ${NAME}, run_id ${NAME}, item_id ${NAME}, code text NOT NULL, message text NOT NULL,
  PRIMARY KEY (company, run_id, item_id)
);

CREATE TRIGGER batch_run_kept BEFORE DELETE OR TRUNCATE ON ${schema}.batch_run FOR EACH STATEMENT
  EXECUTE FUNCTION ${schema}.refuse('without its row a batch could run twice');
`
}
