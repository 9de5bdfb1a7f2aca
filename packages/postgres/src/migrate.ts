/** Brings the schema up to date, once, however many processes try. */

import type { HealthCause } from '@kerp/core'
import { Database, MIGRATING } from './database.js'
import type { DatabaseClient, DatabasePool } from './database-pool.js'
import { adoptText } from './epoch.js'
import { DatabaseUnavailableError, DatabaseUnsuitableError } from './errors.js'
import { resolveSchema } from './identifiers.js'
import { MIGRATIONS } from './migrations.js'
import { textOf } from './row-text.js'
import { sqlStateOf } from './sql-state.js'

/** How the schema is made. */
export interface MigrateOptions {
  /** @defaultValue 'kerp' */
  readonly schema?: string | undefined
  /** Accepts a server with `fsync = off`, which loses committed vouchers in a crash. For tests only. */
  readonly allowFsyncOff?: boolean | undefined
}

const DEADLINE_MS = 60_000
const SERVER_VERSION_MIN = 130_000
// Any number that nobody else locks; the same for all schemas, as CREATE SCHEMA and roles are shared anyway.
const ADVISORY_LOCK = '7310579611223344'

/**
 * Applies the migrations that are missing, all or none, under an advisory lock: safe to run from several processes
 * at once, and without effect when there is nothing to do.
 *
 * @throws {DatabaseUnsuitableError} `DATABASE_UNSUITABLE`: PostgreSQL before 13, an encoding other than UTF8,
 * `fsync = off` that was not allowed, or a role that may not create the schema.
 * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable, also when the server is a replica.
 */
export async function migrate(pool: DatabasePool, options: MigrateOptions = {}): Promise<void> {
  const schema = resolveSchema('migrate', options.schema)
  await Database.on(pool).transact(MIGRATING, DEADLINE_MS, async (client) => {
    await checkServer(client, options.allowFsyncOff === true)
    await client.query({ text: `SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})` })
    const applied = await appliedVersions(client, schema)
    for (const migration of MIGRATIONS) {
      if (applied.has(migration.version)) continue
      await client.query({ text: migration.sql(schema) })
      await client.query({
        text: `INSERT INTO ${schema}.migration (version, name) VALUES ($1::text::integer, $2)`,
        values: [String(migration.version), migration.name],
      })
    }
    await client.query({ text: adoptText(schema) })
  })
}

/** How the health of a database is asked. */
export interface DatabaseHealthOptions {
  /** Of `migrate`. @defaultValue 'kerp' */
  readonly schema?: string | undefined
  /** @defaultValue 500 */
  readonly deadlineMs?: number | undefined
}

/**
 * Why a process must not serve on this database: none when it answers and every migration of this version was applied.
 * Names no host, role or password. Never throws for a database, only for wrong options.
 */
export async function databaseHealth(
  pool: DatabasePool,
  options: DatabaseHealthOptions = {},
): Promise<readonly HealthCause[]> {
  const schema = resolveSchema('databaseHealth', options.schema)
  const database = Database.on(pool)
  try {
    const missing = await database.read('health', options.deadlineMs ?? 500, {
      text: `SELECT v::text AS version FROM unnest($1::text::integer[]) v
WHERE NOT EXISTS (SELECT FROM ${schema}.migration m WHERE m.version = v)`,
      values: [`{${MIGRATIONS.map(({ version }) => version).join(',')}}`],
    })
    return missing.length === 0
      ? []
      : [unready('the database has a schema of an earlier version: run migrate()')]
  } catch (error) {
    return [unready(causeOf(error))]
  }
}

function causeOf(error: unknown): string {
  if (!(error instanceof DatabaseUnsuitableError)) return 'the database cannot be reached'
  const state = sqlStateOf(error.cause)
  if (state === '42P01' || state === '3F000') return 'the database was never migrated: run migrate()'
  if (state === '42501') return 'the role may not read the schema that migrate() has made'
  if (state === '3D000') return 'there is no such database'
  return state?.startsWith('28') === true
    ? 'the database does not know the role'
    : 'the database cannot serve'
}

function unready(cause: string): HealthCause {
  return { level: 'unready', cause }
}

async function checkServer(client: DatabaseClient, allowFsyncOff: boolean): Promise<void> {
  const { rows } = await client.query({
    text: `SELECT current_setting('server_version_num') AS version, current_setting('server_version') AS shown,
  current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
  pg_is_in_recovery()::text AS replica`,
  })
  const facts = rows[0] ?? {}
  if (textOf(facts, 'replica') !== 'false')
    throw new DatabaseUnavailableError('migrate(): the server is a replica')
  if (Number(textOf(facts, 'version')) < SERVER_VERSION_MIN) {
    throw new DatabaseUnsuitableError(`PostgreSQL must be 13 or later, got ${textOf(facts, 'shown')}.`)
  }
  if (textOf(facts, 'encoding') !== 'UTF8') {
    throw new DatabaseUnsuitableError(
      `The database's encoding must be UTF8, got ${textOf(facts, 'encoding')}.`,
    )
  }
  if (textOf(facts, 'fsync') !== 'on' && !allowFsyncOff) {
    throw new DatabaseUnsuitableError(
      'The server runs with fsync = off and would lose committed vouchers in a crash; for tests pass allowFsyncOff.',
    )
  }
}

/** Each by itself, as those of two branches may have come in another order. */
async function appliedVersions(client: DatabaseClient, schema: string): Promise<ReadonlySet<number>> {
  const found = await client.query({
    text: `SELECT (to_regclass($1) IS NOT NULL)::text AS there`,
    values: [`${schema}.migration`],
  })
  if (textOf(found.rows[0] ?? {}, 'there') !== 'true') {
    // IF NOT EXISTS needs the right to create schemas even where there is nothing to create.
    const missing = await client.query({
      text: `SELECT (to_regnamespace($1) IS NULL)::text AS missing`,
      values: [schema],
    })
    if (textOf(missing.rows[0] ?? {}, 'missing') === 'true') {
      await client.query({ text: `CREATE SCHEMA IF NOT EXISTS ${schema}` })
    }
    await client.query({
      text: `CREATE TABLE ${schema}.migration (
  version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`,
    })
    return new Set()
  }
  const { rows } = await client.query({
    text: `SELECT version::text AS version FROM ${schema}.migration`,
  })
  return new Set(rows.map((row) => Number(textOf(row, 'version'))))
}
