/**
 * Which history of which database this is: the seventh and the eighth migration.
 *
 * Transaction ids and snapshots mean something only in the history that they were taken in. A logical restore brings
 * rows with ids of another one, which the counter of this one may still have to reach: then they would look as if they
 * had just been committed. So there is an identity that a copy does not keep, and a fence below which no transaction id
 * is looked at.
 */

/** What the server says of itself, as far as it does: replaces a `lineage()` that failed where it refuses to. */
export function serverFactsSchema(schema: string): string {
  const refused = `WHEN insufficient_privilege OR object_not_in_prerequisite_state OR feature_not_supported
    OR undefined_function THEN`
  return `
-- Immutable, as neither can change while a session lives: each asks once, when it plans the call. To read the control
-- file costs more than all else that an epoch is made of. Not for indexes.
CREATE FUNCTION ${schema}.cluster_of_session() RETURNS text LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog AS $body$
BEGIN
  RETURN (SELECT system_identifier FROM pg_control_system());
EXCEPTION ${refused} RETURN NULL;
END
$body$;
CREATE FUNCTION ${schema}.database_of_session() RETURNS oid LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog AS $body$
  SELECT oid FROM pg_database WHERE datname = current_database()
$body$;
-- As its owner, so that all roles read the same; a right that is granted or revoked is heard of at once. The control file
-- keeps the old timeline for a while after a promotion, the name of the current log file does not.
CREATE FUNCTION ${schema}.server_facts() RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog AS $body$
DECLARE
  cluster text;
  timeline text;
BEGIN
  IF has_function_privilege(to_regprocedure('pg_control_system()'), 'EXECUTE') THEN
    cluster := ${schema}.cluster_of_session();
  END IF;
  BEGIN
    timeline := substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
  EXCEPTION ${refused} NULL;
  END;
  RETURN concat_ws('.', cluster, timeline, ${schema}.database_of_session());
END
$body$;
-- Null on a replica, which must never be taken for the primary.
CREATE OR REPLACE FUNCTION ${schema}.lineage() RETURNS text LANGUAGE sql STABLE AS $body$
  SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE ${schema}.server_facts() END
$body$;
`
}

/** The identity, and what is done when a database turns out to be another one than the row says. */
export function identitySchema(schema: string): string {
  return `
-- made_by is the transaction that wrote the row, so that a row that was restored gives itself away. Rows of the outbox
-- up to foreign_to came from elsewhere: their transaction ids are never looked at.
CREATE TABLE ${schema}.database_identity (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id uuid NOT NULL, facts text NOT NULL, made_by xid8 NOT NULL, foreign_to bigint NOT NULL DEFAULT 0
);
INSERT INTO ${schema}.database_identity (id, facts, made_by)
SELECT gen_random_uuid(), ${schema}.server_facts(), pg_current_xact_id();

-- Positions of the history so far go on under its new name.
UPDATE ${schema}.event_cursor c SET lineage = i.id || '.' || i.facts FROM ${schema}.database_identity i
WHERE c.lineage = i.facts;
UPDATE ${schema}.outbox_mark m SET lineage = i.id || '.' || i.facts FROM ${schema}.database_identity i
WHERE m.lineage = i.facts;
UPDATE ${schema}.outbox_trim t SET lineage = i.id || '.' || i.facts FROM ${schema}.database_identity i
WHERE t.lineage = i.facts;

-- In PL/pgSQL, as its plans are kept by the session; one of SQL is planned anew in each statement that calls it.
CREATE OR REPLACE FUNCTION ${schema}.lineage() RETURNS text LANGUAGE plpgsql STABLE AS $body$
BEGIN
  IF pg_is_in_recovery() THEN RETURN NULL; END IF;
  RETURN (SELECT id FROM ${schema}.database_identity) || '.' || ${schema}.server_facts();
END
$body$;
CREATE OR REPLACE FUNCTION ${schema}.epoch() RETURNS text LANGUAGE plpgsql STABLE AS $body$
BEGIN
  RETURN ${schema}.lineage() || '.' || concat_ws('.',
    trunc(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,
    '${schema}.balance'::regclass::oid, pg_relation_filenode('${schema}.balance'),
    '${schema}.stock'::regclass::oid, pg_relation_filenode('${schema}.stock'));
END
$body$;

-- False after a restore, a copy or a failover, until adopt() was called.
CREATE FUNCTION ${schema}.is_own() RETURNS boolean LANGUAGE plpgsql STABLE AS $body$
BEGIN
  RETURN EXISTS (SELECT FROM ${schema}.database_identity i
    WHERE i.xmin = i.made_by::xid AND i.facts = ${schema}.server_facts());
END
$body$;

CREATE FUNCTION ${schema}.adopt() RETURNS boolean LANGUAGE plpgsql AS $body$
DECLARE
  fence bigint := 0;
BEGIN
  IF ${schema}.is_own() THEN RETURN false; END IF;
  PERFORM FROM ${schema}.database_identity FOR UPDATE;
  IF ${schema}.is_own() THEN RETURN false; END IF;
  -- Ids that are over here for everybody can never look new again.
  IF EXISTS (SELECT FROM ${schema}.outbox WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())) THEN
    -- Without writers, so that no row of this history is below the fence and not yet seen.
    LOCK TABLE ${schema}.outbox IN SHARE ROW EXCLUSIVE MODE;
    fence := (SELECT coalesce(max(id), 0) FROM ${schema}.outbox);
  END IF;
  INSERT INTO ${schema}.database_identity AS i (id, facts, made_by, foreign_to)
  VALUES (gen_random_uuid(), ${schema}.server_facts(), pg_current_xact_id(), fence)
  ON CONFLICT (only_row) DO UPDATE SET id = excluded.id, facts = excluded.facts, made_by = excluded.made_by,
    foreign_to = greatest(i.foreign_to, excluded.foreign_to);
  RETURN true;
END
$body$;
`
}
