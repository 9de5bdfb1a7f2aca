/** The table of warehouses, and the catalogue that the stock ledger asks by default. */

import type { Clock } from '@kerp/core'
import { textArray } from './array-text.js'
import { type DefineOptions, tellChange } from './catalog-change.js'
import { Database } from './database.js'
import type { DatabasePool } from './database-pool.js'
import { MovementInvalidError } from './errors.js'
import { checkCompanyId, checkName, isWellFormed, resolveSchema } from './identifiers.js'
import { textOf } from './row-text.js'

/** Which warehouses exist: the port that the stock ledger asks, for hosts with a table of their own. */
export interface WarehouseCatalog {
  /** Those of `warehouses` that exist; the others take no goods. */
  lookup(companyId: string, warehouses: readonly string[]): Promise<ReadonlySet<string>>
}

/** Takes every warehouse as existing, for hosts that check elsewhere. */
export const anyWarehouse: WarehouseCatalog = {
  lookup: (_companyId, warehouses) => Promise.resolve(new Set(warehouses)),
}

/** A place where goods are. */
export interface Warehouse {
  readonly code: string
  /** At most 200 characters. */
  readonly name: string
}

/** What the table of warehouses is made of. */
export interface WarehousesOptions {
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string | undefined
  readonly clock?: Clock | undefined
}

const WAREHOUSES_MAX = 10_000
const NAME_MAX = 200
const DEADLINE_MS = 5_000

/** Defines, lists and looks up warehouses. Holds nothing open. */
export class Warehouses implements WarehouseCatalog {
  readonly #database: Database
  readonly #schema: string

  constructor(options: WarehousesOptions) {
    this.#database = Database.of('Warehouses', options)
    this.#schema = resolveSchema('Warehouses', options.schema)
  }

  /**
   * Adds warehouses, or changes the names of those that exist; all or none. Safe to repeat. At most 10,000.
   *
   * @throws {MovementInvalidError} `MOVEMENT_INVALID` for a bad code or name.
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable; safe to repeat.
   */
  async define(
    companyId: string,
    warehouses: readonly Warehouse[],
    options: DefineOptions = {},
  ): Promise<void> {
    const company = checkCompanyId(companyId, MovementInvalidError)
    const checked = checkWarehouses(warehouses)
    if (checked.length === 0) return
    const values = [
      company,
      textArray(checked.map(({ code }) => code)),
      textArray(checked.map(({ name }) => name)),
    ]
    await this.#database.transact('defining warehouses', DEADLINE_MS, async (client) => {
      const { rows } = await client.query({ text: this.#upsert(), values })
      await tellChange(client, rows, options)
    })
  }

  /**
   * All warehouses of a company, by code.
   *
   * @throws {MovementInvalidError} `MOVEMENT_INVALID` for a company id that is none.
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable.
   */
  async list(companyId: string): Promise<readonly Warehouse[]> {
    const rows = await this.#database.read('listing warehouses', DEADLINE_MS, {
      text: `SELECT w.code, w.name FROM ${this.#schema}.warehouse w WHERE w.company = $1 ORDER BY w.code`,
      values: [checkCompanyId(companyId, MovementInvalidError)],
    })
    return rows.map((row) => ({ code: textOf(row, 'code'), name: textOf(row, 'name') }))
  }

  /** Of these warehouses those that exist. @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable. */
  async lookup(companyId: string, warehouses: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.#database.read('looking up warehouses', DEADLINE_MS, {
      text: `SELECT code FROM ${this.#schema}.warehouse WHERE company = $1 AND code = ANY ($2::text::text[])`,
      values: [companyId, textArray(warehouses)],
    })
    return new Set(rows.map((row) => textOf(row, 'code')))
  }

  #upsert(): string {
    return `
INSERT INTO ${this.#schema}.warehouse AS w (company, code, name)
SELECT $1, k.code, k.name FROM unnest($2::text::text[], $3::text::text[]) AS k(code, name)
ORDER BY k.code COLLATE "C" ON CONFLICT (company, code) DO UPDATE SET name = excluded.name
WHERE w.name <> excluded.name
RETURNING code`
  }
}

function checkWarehouses(warehouses: unknown): readonly Warehouse[] {
  if (!Array.isArray(warehouses) || warehouses.length > WAREHOUSES_MAX) {
    throw new MovementInvalidError('warehouses', `a list of at most ${WAREHOUSES_MAX} warehouses`, warehouses)
  }
  const seen = new Set<string>()
  return (warehouses as readonly Warehouse[]).map((warehouse, index) => {
    const field = `warehouses[${index}]`
    const code = checkName(warehouse.code, `${field}.code`, MovementInvalidError)
    if (seen.has(code)) throw new MovementInvalidError(`${field}.code`, 'unique in the list', code)
    seen.add(code)
    return { code, name: checkWarehouseName(warehouse.name, `${field}.name`) }
  })
}

function checkWarehouseName(name: unknown, field: string): string {
  const isGood = typeof name === 'string' && name.length > 0 && name.length <= NAME_MAX
  if (isGood && !name.includes('\0') && isWellFormed(name)) return name
  throw new MovementInvalidError(field, `a text of 1 to ${NAME_MAX} characters without NUL`, name)
}
