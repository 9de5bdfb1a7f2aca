/** Reads fields of bodies, paths and queries, and refuses what is missing or of another kind, by name. */

import { InvalidInputError } from '@kerp/core'

/** Fields as they came, nothing checked. */
export type Fields = Readonly<Record<string, unknown>>

/** @throws {InvalidInputError} `INVALID_INPUT` unless the value is an object. */
export function objectOf(value: unknown, field: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value))
  throw new InvalidInputError(field, 'an object', value)
}

/** @throws {InvalidInputError} `INVALID_INPUT` unless the field is a list. */
export function listField(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name]
  if (Array.isArray(value)) return value
  throw new InvalidInputError(name, 'a list', value)
}

/** @throws {InvalidInputError} `INVALID_INPUT` unless the field is a text; `path` names it in the error. */
export function textField(fields: Fields, name: string, path = name): string {
  const value = fields[name]
  if (typeof value === 'string') return value
  throw new InvalidInputError(path, 'a string', value)
}

/**
 * A name that a client chose. One that is not in Unicode's composed form is refused and not repaired, so that
 * nobody finds another id in the answer than the one that was sent.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` unless the field is a text in normal form NFC.
 */
export function nameField(fields: Fields, name: string, path = name): string {
  const value = textField(fields, name, path)
  if (value.length <= NAME_LENGTH_MAX && value === value.normalize('NFC')) return value
  throw new InvalidInputError(path, `at most ${NAME_LENGTH_MAX} characters in Unicode normal form NFC`, value)
}

const NAME_LENGTH_MAX = 128

/**
 * The name of goods or of a place where they are: a name without what means something in keys, patterns or paths.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for a name that no row of stock can have.
 */
export function goodsField(fields: Fields, name: string, path = name): string {
  const value = nameField(fields, name, path)
  if (isGoodsName(value)) return value
  throw new InvalidInputError(
    path,
    '1 to 128 bytes, none of : { } * ? [ ] \\, no control characters, no space at the ends',
    value,
  )
}

/** Whether a row of stock can have this name. */
export function isGoodsName(name: string): boolean {
  const isPlain = name !== '' && name.trim() === name && !FORBIDDEN.test(name)
  return isPlain && Buffer.byteLength(name) <= NAME_LENGTH_MAX && Buffer.from(name).toString() === name
}

const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029:{}*?[\]\\]/

/** @throws {InvalidInputError} `INVALID_INPUT` unless the field is a whole JSON number within the bounds. */
export function wholeNumberField(
  fields: Fields,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const value = fields[name]
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new InvalidInputError(name, `a whole number from ${min} to ${max}, as a number`, value)
}

/** @throws {InvalidInputError} `INVALID_INPUT` unless the field is a text or was left out. */
export function optionalTextField(fields: Fields, name: string, path = name): string | undefined {
  return fields[name] === undefined ? undefined : textField(fields, name, path)
}

const FISCAL_YEAR = { min: 1900, max: 2999, words: 'a year from 1900 to 2999' }

/** @throws {InvalidInputError} `INVALID_INPUT` unless the field is a year as a JSON number. */
export function fiscalYearField(fields: Fields): number {
  const value = fields['fiscalYear']
  if (typeof value === 'number' && isFiscalYear(value)) return value
  throw new InvalidInputError('fiscalYear', `${FISCAL_YEAR.words}, as a number`, value)
}

/** @throws {InvalidInputError} `INVALID_INPUT` unless the query has a year. */
export function fiscalYearQuery(query: Fields): number {
  const value = query['fiscalYear']
  if (typeof value === 'string' && /^\d{4}$/.test(value) && isFiscalYear(Number(value))) return Number(value)
  throw new InvalidInputError('fiscalYear', FISCAL_YEAR.words, value)
}

/** @throws {InvalidInputError} `INVALID_INPUT` for a limit that is none, or is out of bounds. */
export function limitQuery(query: Fields, { fallback, max }: { fallback: number; max: number }): number {
  const value = query['limit']
  if (value === undefined) return fallback
  const limit = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : 0
  if (limit >= 1 && limit <= max) return limit
  throw new InvalidInputError('limit', `a whole number from 1 to ${max}`, value)
}

function isFiscalYear(year: number): boolean {
  return Number.isInteger(year) && year >= FISCAL_YEAR.min && year <= FISCAL_YEAR.max
}
