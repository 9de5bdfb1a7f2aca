/**
 * Fences in the caller's own tables: the last line against a holder of a lock who is late.
 *
 * A lock cannot stop a process that slept past its lease from writing; the row can. The *first* statement of every
 * transaction of a section raises the row's fence and locks the row; what is read is read after it. A later holder
 * has raised the fence higher, so a late one is refused, whether it comes before the new holder's write or after.
 */

import { FencedError, InvalidInputError, checkFence } from '@kerp/core'
import { FencedRowMissingError } from './errors.js'
import { checkFields } from './identifiers.js'
import { checkQueryable, type Queryable } from './queryable.js'
import { textOf } from './row-text.js'
import { MAKE_DURABLE } from './transaction-statements.js'

/** A row of a table that has a column for the fence: `fence bigint NOT NULL DEFAULT 0`. */
export interface FencedRow {
  /** Name of the table, or schema and table with a dot: lower-case letters, digits and `_`. */
  readonly table: string
  /** Columns and values that name one row. */
  readonly key: Readonly<Record<string, string>>
  /** The fence of the lock that is held: `lock.fence`. */
  readonly fence: string
  /** Columns to read, as text. @defaultValue none */
  readonly returning?: readonly string[] | undefined
  /** Name of the fence's column. @defaultValue 'fence' */
  readonly fenceColumn?: string | undefined
}

const NAME = /^[a-z_][a-z0-9_]{0,62}$/
const TABLE = /^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$/

/**
 * Shows a fence to a row, in the caller's transaction: keeps it, locks the row until the transaction ends, and
 * answers the columns that were asked for as they are under the lock.
 *
 * @throws {FencedError} `FENCED`, not retryable: a later holder was here. Roll back.
 * @throws {FencedRowMissingError} `FENCED_ROW_MISSING`, not retryable: there is no such row.
 * @throws {InvalidInputError} `INVALID_INPUT` for a name that is none, or a fence that is none.
 * @example
 * const order = await raiseFence(client, {
 *   table: 'orders', key: { id: 'o-1' }, fence: lock.fence, returning: ['state'],
 * })
 */
export async function raiseFence(
  queryable: Queryable,
  row: FencedRow,
): Promise<Readonly<Record<string, string | null>>> {
  checkQueryable(queryable)
  const { returning = [], fenceColumn = 'fence' } = checkFields('row', row)
  if (!TABLE.test(row.table)) throw new InvalidInputError('table', 'a lower-case name', row.table)
  const columns = Object.keys(checkFields('key', row.key))
  if (columns.length === 0) throw new InvalidInputError('key', 'at least one column', row.key)
  for (const name of [...columns, ...returning, fenceColumn]) checkColumn(name)
  const fence = checkFence(row.fence).toString()
  const values = Object.values(row.key)
  const where = (first: number): string =>
    columns.map((column, index) => `${column} = $${index + first}`).join(' AND ')
  const read = [fenceColumn, ...returning].map((column) => `${column}::text AS ${column}`).join(', ')
  const raised = await queryable.query(
    `UPDATE ${row.table} SET ${fenceColumn} = $1::text::bigint
WHERE ${where(2)} AND ${fenceColumn} <= $1::text::bigint RETURNING ${read}, ${MAKE_DURABLE}`,
    [fence, ...values],
  )
  const [found] = raised.rows
  if (found !== undefined)
    return Object.fromEntries(returning.map((name) => [name, nullableText(found, name)]))
  const title = `${row.table} ${values.join(' ')}`
  const seen = await queryable.query(
    `SELECT ${fenceColumn}::text AS fence FROM ${row.table} WHERE ${where(1)}`,
    values,
  )
  const [other] = seen.rows
  if (other === undefined) throw new FencedRowMissingError(title)
  throw new FencedError(title, fence, textOf(other, 'fence'))
}

function checkColumn(name: string): void {
  if (!NAME.test(name)) throw new InvalidInputError('column', 'a lower-case name', name)
}

function nullableText(row: Readonly<Record<string, unknown>>, name: string): string | null {
  return row[name] === null ? null : textOf(row, name)
}
