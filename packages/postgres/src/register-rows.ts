/** Loads registers from the rows of the database. */

import {
  type Clock,
  InvalidInputError,
  type LoadedRegisters,
  type RegisterFamily,
  type RegisterImage,
  type RegisterListing,
  type RegisterRef,
  type RegisterSource,
  wholeNumberOption,
} from '@kerp/core'
import { textArray } from './array-text.js'
import { Database } from './database.js'
import type { DatabasePool } from './database-pool.js'
import { checkCompanyId, checkWhole, resolveSchema } from './identifiers.js'
import { msText } from './moment-text.js'
import { checkInteger, checkPart, checkRef, type RegisterTable, tableOf } from './register-tables.js'
import { textOf, textOrUndefined, versionOf } from './row-text.js'

/** What the register source is made of. */
export interface RegisterRowsOptions {
  /** A `pg.Pool` that reaches the primary. Never closed here. */
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string | undefined
  readonly clock?: Clock | undefined
  /** How long a load may take, in ms. @defaultValue 5_000 */
  readonly deadlineMs?: number | undefined
}

type Row = Readonly<Record<string, unknown>>

const REFS_MAX = 10_000
const ZERO: readonly [string, string] = ['0', '0']

/**
 * Reads committed rows on the primary, each call in one autocommit statement that begins after the call; a replica
 * is refused by that same statement.
 *
 * Both methods throw `DatabaseUnavailableError` (`DATABASE_UNAVAILABLE`, retryable) when the primary cannot be
 * reached in time, and `InvalidInputError` (`INVALID_INPUT`) for refs that no row can have.
 */
export class RegisterRows implements RegisterSource {
  readonly #database: Database
  readonly #schema: string
  readonly #deadlineMs: number

  constructor(options: RegisterRowsOptions) {
    this.#database = Database.of('RegisterRows', options)
    this.#schema = resolveSchema('RegisterRows', options.schema)
    const bounds = { min: 10, max: 600_000, fallback: 5_000 }
    this.#deadlineMs = wholeNumberOption('RegisterRows', 'deadlineMs', options.deadlineMs, bounds)
  }

  /** At most 10,000 refs. A row that was never written is version 0 with zeros. */
  async load(companyId: string, refs: readonly RegisterRef[]): Promise<LoadedRegisters> {
    checkCompanyId(companyId, InvalidInputError)
    if (refs.length > REFS_MAX) throw new InvalidInputError('refs', `at most ${REFS_MAX} refs`, refs)
    const byFamily = new Map<RegisterFamily, string[][]>()
    for (const ref of refs) {
      if (checkRef(ref).companyId !== companyId)
        throw new InvalidInputError('refs', `refs of ${companyId}`, ref.companyId)
      const columns = byFamily.get(ref.family) ?? [[], []]
      byFamily.set(ref.family, columns)
      columns.forEach((column, index) => column.push(ref.parts[index] ?? ''))
    }
    const rows = await this.#database.read('loading registers', this.#deadlineMs, {
      text: this.#loadText([...byFamily.keys()]),
      values: [companyId, ...[...byFamily.values()].flat().map(textArray)],
    })
    const found = new Map(rows.map((row) => [nameOf(row), row]))
    const images = refs.map((ref): RegisterImage => {
      const row = found.get(JSON.stringify([ref.family, ...ref.parts]))
      return row === undefined ? { ref, version: 0, fields: ZERO } : imageOf(ref, row)
    })
    return { ...factsOf(rows[0] ?? {}), images }
  }

  /** In the order of bytes of the first part, then of the second. `limit` is 1 to 10,000. */
  async list(listing: RegisterListing): Promise<LoadedRegisters> {
    const { companyId, family, secondPart, after, limit } = listing
    checkCompanyId(companyId, InvalidInputError)
    checkWhole('limit', limit, 1, REFS_MAX)
    const table = tableOf(family)
    if (secondPart !== undefined) checkSecond(table, secondPart)
    if (after !== undefined) checkRef(after)
    const rows = await this.#database.read('listing registers', this.#deadlineMs, {
      text: this.#listText(family, table),
      values: [
        companyId,
        secondPart ?? null,
        after?.parts[0] ?? null,
        after?.parts[1] ?? null,
        String(limit),
      ],
    })
    const images = rows.flatMap((row) => {
      const part1 = textOrUndefined(row, 'part1')
      if (part1 === undefined) return []
      return [imageOf({ companyId, family, parts: [part1, textOf(row, 'part2')] }, row)]
    })
    return { ...factsOf(rows[0] ?? {}), images }
  }

  async readEpoch(): Promise<string> {
    const text = `SELECT ${this.#schema}.epoch() AS epoch`
    const rows = await this.#database.read('reading the epoch', this.#deadlineMs, { text })
    return textOf(rows[0] ?? {}, 'epoch')
  }

  #loadText(families: readonly RegisterFamily[]): string {
    const parts = families.map((family, index) => {
      const table = tableOf(family)
      const [first, second] = [2 * index + 2, 2 * index + 3]
      return `
SELECT '${family}' AS family, ${columnsOf(table, '::text')}
FROM (SELECT DISTINCT part1, part2 FROM unnest($${first}::text::text[], $${second}::text::${table.secondType}[])
  AS k(part1, part2)) k
JOIN ${this.#schema}.${table.table} r
  ON r.company = $1 AND r.${table.parts[0]} = k.part1 AND r.${table.parts[1]} = k.part2`
    })
    const rows =
      parts.length === 0
        ? `SELECT NULL AS family, NULL AS part1, NULL AS part2, NULL AS version, NULL AS field1, $1 AS field2
  WHERE false`
        : parts.join('\nUNION ALL')
    return `${this.#facts()} LEFT JOIN (${rows}) r ON true`
  }

  #listText(family: RegisterFamily, table: RegisterTable): string {
    const [part1, part2] = table.parts
    return `${this.#facts()} LEFT JOIN (
SELECT '${family}' AS family, ${columnsOf(table)} FROM ${this.#schema}.${table.table} r
WHERE r.company = $1 AND r.version > 0 AND ($2::text IS NULL OR r.${part2} = $2::text::${table.secondType})
  AND ($3::text IS NULL OR (r.${part1}, r.${part2}) > ($3::text, $4::text::${table.secondType}))
ORDER BY r.${part1}, r.${part2} LIMIT $5::text::integer) r ON true
ORDER BY r.part1, r.part2`
  }

  #facts(): string {
    return `
SELECT (SELECT ${this.#schema}.epoch()) AS epoch,
  ${msText('statement_timestamp()')} AS as_of_ms,
  r.family, r.part1, r.part2::text AS part2, r.version, r.field1, r.field2
FROM (SELECT) AS always`
  }
}

/** The second part has one type in a union of families, and its own where it is an order. */
function columnsOf(table: RegisterTable, secondCast = ''): string {
  return `r.${table.parts[0]} AS part1, r.${table.parts[1]}${secondCast} AS part2, r.version::text AS version,
  r.${table.fields[0]}::text AS field1, r.${table.fields[1]}::text AS field2`
}

function checkSecond(table: RegisterTable, part: string): void {
  checkPart(part, 'secondPart')
  if (table.secondType === 'integer') checkInteger(part)
}

function nameOf(row: Row): string {
  const family = textOrUndefined(row, 'family')
  return family === undefined ? '' : JSON.stringify([family, textOf(row, 'part1'), textOf(row, 'part2')])
}

function imageOf(ref: RegisterRef, row: Row): RegisterImage {
  return { ref, version: versionOf(row), fields: [textOf(row, 'field1'), textOf(row, 'field2')] }
}

function factsOf(row: Row): { epoch: string; asOfMs: number } {
  return { epoch: textOf(row, 'epoch'), asOfMs: Number(textOf(row, 'as_of_ms')) }
}
