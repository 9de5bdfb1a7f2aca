/** Reads the columns of an answer, all of which are text by the statements' own casts. */

import { DatabaseUnavailableError, DatabaseUnsuitableError } from './errors.js'

type Row = Readonly<Record<string, unknown>>

/** A column that is never null. */
export function textOf(row: Row, column: string): string {
  const value = row[column]
  if (typeof value === 'string') return value
  // The epoch is null on a replica and nowhere else.
  if (column === 'epoch' && value === null) {
    throw new DatabaseUnavailableError('this call: the server is a replica, the primary is needed')
  }
  throw new DatabaseUnsuitableError(`The database answered no text in column ${column}.`)
}

/** A column that may be null. */
export function textOrUndefined(row: Row, column: string): string | undefined {
  return row[column] === null || row[column] === undefined ? undefined : textOf(row, column)
}

/** A version: a whole number that a JavaScript number holds exactly. */
export function versionOf(row: Row, column = 'version'): number {
  const version = Number(textOf(row, column))
  if (Number.isSafeInteger(version) && version >= 0) return version
  throw new DatabaseUnsuitableError(`The database answered a version out of range in column ${column}.`)
}

/**
 * That a statement wrote as many rows as it was to, by its column `written`: a rule or trigger of the host may drop rows without an
 * error. Throw it before the COMMIT.
 *
 * @throws {DatabaseUnsuitableError} `DATABASE_UNSUITABLE`
 */
export function assertWritten(row: Row, expected: number, what: string): void {
  const written = textOf(row, 'written')
  if (written === String(expected)) return
  throw new DatabaseUnsuitableError(
    `Of ${what}, ${written} of ${expected} rows were written: a rule or trigger of the database drops them. Nothing was done.`,
  )
}
