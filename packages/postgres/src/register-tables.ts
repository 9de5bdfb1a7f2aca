/** Which table holds the rows of each family of registers: a further family is one more entry here. */

import { InvalidInputError, type RegisterFamily, type RegisterRef } from '@kerp/core'
import { checkCompanyId, isWellFormed } from './identifiers.js'

/** A table whose rows are registers; parts and fields name its columns. */
export interface RegisterTable {
  readonly table: string
  readonly parts: readonly [string, string]
  /** SQL type of the second part. */
  readonly secondType: 'integer' | 'text'
  readonly fields: readonly [string, string]
}

const TABLES: Partial<Record<RegisterFamily, RegisterTable>> = {
  balance: {
    table: 'balance',
    parts: ['account', 'fiscal_year'],
    secondType: 'integer',
    fields: ['debit', 'credit'],
  },
  inventory: {
    table: 'stock',
    parts: ['item', 'warehouse'],
    secondType: 'text',
    fields: ['on_hand', 'reserved'],
  },
}

const FAMILIES: readonly RegisterFamily[] = ['balance', 'inventory']
/** What callers call the parts. */
const FIELDS: Readonly<Record<RegisterFamily, readonly string[]>> = {
  balance: ['account', 'fiscalYear'],
  inventory: ['item', 'warehouse'],
}
const PART_LENGTH_MAX = 512
const INTEGER = /^(?:0|[1-9]\d{0,8})$/

/** @throws {InvalidInputError} `INVALID_INPUT` for a word that names no family. */
export function familyOf(word: unknown): RegisterFamily {
  const family = FAMILIES.find((known) => known === word)
  if (family === undefined) throw new InvalidInputError('family', `one of ${FAMILIES.join(', ')}`, word)
  return family
}

/** @throws {InvalidInputError} `INVALID_INPUT` for a family that has no table. */
export function tableOf(family: RegisterFamily): RegisterTable {
  const table = TABLES[family]
  if (table === undefined) {
    throw new InvalidInputError('family', `one of ${Object.keys(TABLES).join(', ')}`, family)
  }
  return table
}

/** A ref whose texts the database can take. */
export function checkRef(ref: RegisterRef): RegisterRef {
  checkCompanyId(ref.companyId, InvalidInputError)
  familyOf(ref.family)
  const names = FIELDS[ref.family]
  ref.parts.forEach((part, index) => checkPart(part, names[index] ?? 'parts'))
  if (TABLES[ref.family]?.secondType === 'integer') checkInteger(ref.parts[1])
  return ref
}

/** A second part for a table that keeps it as a number. */
export function checkInteger(part: string): void {
  if (!INTEGER.test(part)) throw new InvalidInputError('fiscalYear', 'a whole number as text', part)
}

/** Any text but what PostgreSQL cannot store. */
export function checkPart(part: unknown, field: string): void {
  const isGood =
    typeof part === 'string' && part.length <= PART_LENGTH_MAX && !part.includes('\0') && isWellFormed(part)
  if (!isGood)
    throw new InvalidInputError(field, `a text of at most ${PART_LENGTH_MAX} characters without NUL`, part)
}
