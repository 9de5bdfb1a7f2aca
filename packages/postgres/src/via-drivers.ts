/**
 * The host's open transaction as a `Queryable`, for the drivers that most hosts have. Types are structural, so that
 * none of them is a dependency; `pg` clients, and what Knex and MikroORM hand out of them, fit as they are.
 */

import { InvalidInputError } from '@kerp/core'
import { DatabaseUnsuitableError } from './errors.js'
import type { Queryable } from './queryable.js'

type Values = readonly (string | null)[]
type Rows = readonly Record<string, unknown>[]

/** The transaction that postgres.js hands to `sql.begin`. */
export interface PostgresJsTransaction {
  unsafe(text: string, values: (string | null)[]): PromiseLike<Rows>
}

/** The client that Prisma hands to an interactive `$transaction`. */
export interface PrismaTransaction {
  $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown>
}

/** The manager that TypeORM hands to `transaction`, or a query runner. */
export interface TypeOrmTransaction {
  query(text: string, values?: unknown[]): Promise<unknown>
}

/** The transaction that Knex hands to `transaction`. */
export interface KnexTransaction {
  raw(text: string, values: readonly (string | null)[]): PromiseLike<unknown>
}

/** The transaction that Drizzle hands to `transaction`, on `pg` or postgres.js. */
export interface DrizzleTransaction {
  execute(query: unknown): PromiseLike<unknown>
}

/** Drizzle's `sql`. */
export interface DrizzleSql {
  raw(text: string): unknown
  param(value: unknown): unknown
  join(chunks: unknown[]): unknown
}

/**
 * For `postWithin` inside `sql.begin(async (tx) => …)` of postgres.js.
 *
 * @example
 * const tx = { unsafe: async (text: string) => [{ asked: text }] } // what `begin` gives
 * const queryable = viaPostgresJs(tx)
 */
export function viaPostgresJs(tx: PostgresJsTransaction): Queryable {
  return { query: async (text, values) => ({ rows: await tx.unsafe(text, [...values]) }) }
}

/** For `postWithin` inside `prisma.$transaction(async (tx) => …)`. */
export function viaPrisma(tx: PrismaTransaction): Queryable {
  return { query: async (text, values) => ({ rows: rowsOf(await tx.$queryRawUnsafe(text, ...values)) }) }
}

/** For `postWithin` inside `dataSource.transaction(async (manager) => …)` of TypeORM. */
export function viaTypeOrm(manager: TypeOrmTransaction): Queryable {
  return { query: async (text, values) => ({ rows: rowsOf(await manager.query(text, [...values])) }) }
}

/** For `postWithin` inside `knex.transaction(async (trx) => …)`. */
export function viaKnex(trx: KnexTransaction): Queryable {
  return {
    query: async (text, values) => {
      const { pieces, bound } = split(text, values)
      // Knex counts `?`, and takes a mark of the statement's own as `\?`.
      const marked = pieces.map((piece) => piece.replaceAll('?', '\\?')).join('?')
      return { rows: rowsOf(await trx.raw(marked, bound)) }
    },
  }
}

/** For `postWithin` inside `db.transaction(async (tx) => …)` of Drizzle, with the `sql` of `drizzle-orm`. */
export function viaDrizzle(tx: DrizzleTransaction, sql: DrizzleSql): Queryable {
  const given: unknown = sql
  if (typeof given !== 'function' && (typeof given !== 'object' || given === null)) {
    throw new InvalidInputError('sql', 'the `sql` of drizzle-orm', given)
  }
  return {
    query: async (text, values) => {
      const { pieces, bound } = split(text, values)
      const chunks = pieces.flatMap((piece, index) =>
        index === 0 ? [sql.raw(piece)] : [sql.param(bound[index - 1]), sql.raw(piece)],
      )
      return { rows: rowsOf(await tx.execute(sql.join(chunks))) }
    },
  }
}

/** The text between the parameters, and the value of each place: a parameter that stands twice is bound twice. */
function split(
  text: string,
  values: Values,
): { readonly pieces: string[]; readonly bound: (string | null)[] } {
  const pieces: string[] = []
  const bound: (string | null)[] = []
  for (const [index, part] of text.split(/\$(\d+)/).entries()) {
    if (index % 2 === 0) pieces.push(part)
    else bound.push(values[Number(part) - 1] ?? null)
  }
  return { pieces, bound }
}

/** An array of rows, or an object that has it. */
function rowsOf(result: unknown): Rows {
  const rows = isRecord(result) && 'rows' in result ? result['rows'] : result
  if (Array.isArray(rows) && rows.every(isRecord)) return rows
  throw new DatabaseUnsuitableError('The driver did not answer a query with rows.')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
