/** The rules for what callers name and count: companies, voucher ids, account codes, fiscal years, limits, the schema. */

import { canonicalName, InvalidInputError, NAME_BYTES_MAX, textOption } from '@kerp/core'
import { VoucherInvalidError } from './errors.js'

const COMPANY = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
const PLAIN = /^[A-Za-z0-9._/#+-]{1,128}$/
// Control characters, and those that have a meaning in keys, patterns and paths of the systems around.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029:{}*?[\]\\]/
const SCHEMA = /^[a-z_][a-z0-9_]{0,39}$/

const NAME_RULE = `1 to ${NAME_BYTES_MAX} bytes of UTF-8, none of : { } * ? [ ] \\, no control characters, no space at the ends`

/** The error that a check throws: a voucher's own, or the general one. */
export type Refusal = new (field: string, expected: string, got: unknown) => InvalidInputError

/** A company id as it was given. */
export function checkCompanyId(value: unknown, Refused: Refusal = VoucherInvalidError): string {
  if (typeof value === 'string' && COMPANY.test(value)) return value
  throw new Refused('companyId', 'up to 63 of A-Z a-z 0-9 _ - starting with a letter or digit', value)
}

/** A voucher id or an account code, NFC-normalised. */
export function checkName(value: unknown, field: string, Refused: Refusal = VoucherInvalidError): string {
  if (typeof value === 'string' && PLAIN.test(value)) return value
  const name = canonicalName(value)
  if (name === undefined || name.trim() !== name || FORBIDDEN.test(name)) {
    throw new Refused(field, NAME_RULE, value)
  }
  return name
}

/** A fiscal year from 1900 to 2999. */
export function checkFiscalYear(value: unknown, Refused: Refusal = VoucherInvalidError): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1900 && value <= 2999) return value
  throw new Refused('fiscalYear', 'a whole number from 1900 to 2999', value)
}

/** A whole number within its bounds, both included. @throws {InvalidInputError} `INVALID_INPUT` */
export function checkWhole(field: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new InvalidInputError(field, `a whole number from ${min} to ${max}`, value)
}

/** What a call is given by name. @throws {InvalidInputError} `INVALID_INPUT` where it is no object. */
export function checkFields<T>(field: string, value: T): T {
  if (typeof value === 'object' && value !== null) return value
  throw new InvalidInputError(field, 'an object', value)
}

/** Rows of one page of a list. */
const LIMIT_MAX = 10_000

/** The limit of a list, from 1 to 10,000, as text. @throws {InvalidInputError} `INVALID_INPUT` */
export function limitText(limit: number): string {
  return String(checkWhole('limit', limit, 1, LIMIT_MAX))
}

/** Whether every surrogate has its partner; a lone one has no UTF-8 form. */
export function isWellFormed(text: string): boolean {
  return (
    !/[\ud800-\udfff]/.test(text) ||
    !/(?:[\ud800-\udbff](?![\udc00-\udfff]))|(?:(?<![\ud800-\udbff])[\udc00-\udfff])/.test(text)
  )
}

/** The option `schema`: a name that needs no quotes in SQL. @throws {InvalidOptionError} `INVALID_OPTION` */
export function resolveSchema(owner: string, schema: unknown): string {
  return textOption(owner, 'schema', schema, {
    pattern: SCHEMA,
    words: 'up to 40 of a-z 0-9 _ not starting with a digit',
    fallback: 'kerp',
  })
}
