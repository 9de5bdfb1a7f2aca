/** The one method that the library needs of a host's transaction. */

import { InvalidInputError } from '@kerp/core'
import type { DatabaseClient } from './database-pool.js'

/**
 * Runs one parameterised statement (`$1`, `$2`, …) inside the host's transaction.
 *
 * Every value is a string or null, every column of an answer is text or null, so that neither a driver's type
 * parsers nor its array handling matter. pg clients fit as they are; for others, see the package's README.
 */
export interface Queryable {
  query(
    text: string,
    values: readonly (string | null)[],
  ): Promise<{ readonly rows: readonly Record<string, unknown>[] }>
}

/** @throws {InvalidInputError} `INVALID_INPUT` for what is no queryable, such as a driver's own transaction. */
export function checkQueryable(queryable: Queryable): Queryable {
  const given: unknown = queryable
  const query: unknown = typeof given === 'object' && given !== null ? Reflect.get(given, 'query') : undefined
  if (typeof query === 'function') return queryable
  const expected =
    'a client of pg in a transaction, or what viaDrizzle(tx, sql), viaPrisma(tx) and the like make of one'
  throw new InvalidInputError('queryable', expected, given)
}

/** A transaction of the library, for those who write in it. */
export function queryableOf(client: DatabaseClient): Queryable {
  return { query: (text, values) => client.query({ text, values: [...values] }) }
}
