/** The epoch: names the database and its history, so that a lossy failover or a restore is never overlooked. */

import { Database } from './database.js'
import type { DatabasePool } from './database-pool.js'
import { resolveSchema } from './identifiers.js'
import { textOf } from './row-text.js'

const DEADLINE_MS = 5_000

/**
 * The epoch of the primary that `pool` reaches, as every image of a row carries it: the identity that `migrate` made or
 * a restore was given, system identifier and timeline as far as the server tells them, server start, and the identity of the database and of the tables of balances and stock, joined by dots. Opaque; compare for equality only.
 *
 * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable, also when the server is a replica.
 * @throws {DatabaseUnsuitableError} `DATABASE_UNSUITABLE` when the schema is missing.
 */
export async function databaseEpoch(
  pool: DatabasePool,
  options: { readonly schema?: string | undefined } = {},
): Promise<string> {
  const schema = resolveSchema('databaseEpoch', options.schema)
  const rows = await Database.on(pool).read('reading the epoch', DEADLINE_MS, {
    text: `SELECT ${schema}.epoch() AS epoch`,
  })
  return textOf(rows[0] ?? {}, 'epoch')
}

const ADOPT_DEADLINE_MS = 2_000

/** Gives a database that was restored, copied or promoted an identity of its own; does nothing where it has one. */
export async function adoptDatabase(database: Database, schema: string): Promise<void> {
  await database.transact('adopting a restored database', ADOPT_DEADLINE_MS, (client) =>
    client.query({ text: adoptText(schema) }),
  )
}

/** The statement of it, for a transaction that is open. */
export function adoptText(schema: string): string {
  return `SELECT ${schema}.adopt()`
}
