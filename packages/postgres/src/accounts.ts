/** The table of accounts: the chart of each company, and the catalogue that the ledger asks by default. */

import { type Clock, InvalidInputError } from '@kerp/core'
import type { AccountCatalog, AccountKind } from './account-catalog.js'
import { textArray } from './array-text.js'
import { type DefineOptions, tellChange } from './catalog-change.js'
import { Database } from './database.js'
import type { DatabasePool } from './database-pool.js'
import { checkCompanyId, checkName, isWellFormed, resolveSchema } from './identifiers.js'
import { textOf, textOrUndefined } from './row-text.js'

/** One account of a chart. */
export interface Account {
  readonly code: string
  /** At most 200 characters. */
  readonly name: string
  /** Code of the group that it belongs to; the group takes no postings. */
  readonly parent?: string | undefined
}

/** An account as it is listed. */
export interface ListedAccount extends Account {
  readonly kind: AccountKind
}

/** What the table of accounts is made of. */
export interface AccountsOptions {
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string | undefined
  readonly clock?: Clock | undefined
}

const ACCOUNTS_MAX = 10_000
const NAME_MAX = 200
const DEADLINE_MS = 5_000
const DEFINE_DEADLINE_MS = 30_000
const LOCK_CHART = `SELECT pg_advisory_xact_lock(hashtext('kerp.account'), hashtext($1))`

/** Defines, lists and looks up accounts. Holds nothing open. */
export class Accounts implements AccountCatalog {
  readonly #database: Database
  readonly #schema: string

  constructor(options: AccountsOptions) {
    this.#database = Database.of('Accounts', options)
    this.#schema = resolveSchema('Accounts', options.schema)
  }

  /**
   * Adds accounts, or changes name and parent of those that exist; all or none. Safe to repeat. At most 10,000.
   *
   * A parent must be in the chart or in the same call, and no account may be a group above itself, also by several
   * calls at once. An account that becomes a group takes no more postings as
   * soon as every ledger's memory of it has expired (`accountsTtlMs`).
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for a bad code or name, or a parent that does not exist or is below the account.
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable; safe to repeat.
   */
  async define(companyId: string, accounts: readonly Account[], options: DefineOptions = {}): Promise<void> {
    const company = checkCompanyId(companyId, InvalidInputError)
    const checked = checkChart(accounts)
    if (checked.length === 0) return
    const columns = [
      textArray(checked.map(({ code }) => code)),
      textArray(checked.map(({ name }) => name)),
      textArray(checked.map(({ parent }) => parent)),
    ]
    await this.#database.transact('defining accounts', DEFINE_DEADLINE_MS, async (client) => {
      // One chart is changed by one call at a time: two halves of a circle would not see each other.
      await client.query({ text: LOCK_CHART, values: [company] })
      const missing = await client.query({ text: this.#missingParents(), values: [company, ...columns] })
      const [orphan] = missing.rows
      if (orphan !== undefined) {
        throw new InvalidInputError('parent', 'an account of the same chart', textOf(orphan, 'parent'))
      }
      const { rows } = await client.query({ text: this.#upsert(), values: [company, ...columns] })
      const circular = await client.query({ text: this.#circular(), values: [company, columns[0] ?? null] })
      const [own] = circular.rows
      if (own !== undefined) {
        const index = checked.findIndex(({ code }) => code === textOf(own, 'code'))
        const expected = 'an account whose own groups end somewhere, and not below it'
        throw new InvalidInputError(`accounts[${index}].parent`, expected, checked[index]?.parent)
      }
      await tellChange(client, rows, options)
    })
  }

  /**
   * The whole chart of a company, by code.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for a company id that is none.
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable.
   */
  async list(companyId: string): Promise<readonly ListedAccount[]> {
    const rows = await this.#database.read('listing accounts', DEADLINE_MS, {
      text: `SELECT a.code, a.name, a.parent, ${this.#kind()} AS kind FROM ${this.#schema}.account a
WHERE a.company = $1 ORDER BY a.code`,
      values: [checkCompanyId(companyId, InvalidInputError)],
    })
    return rows.map((row) => ({
      code: textOf(row, 'code'),
      name: textOf(row, 'name'),
      parent: textOrUndefined(row, 'parent'),
      kind: kindOf(row),
    }))
  }

  /** Of these accounts those that exist. @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable. */
  async lookup(companyId: string, accounts: readonly string[]): Promise<ReadonlyMap<string, AccountKind>> {
    const rows = await this.#database.read('looking up accounts', DEADLINE_MS, {
      text: `SELECT a.code, ${this.#kind()} AS kind FROM ${this.#schema}.account a
WHERE a.company = $1 AND a.code = ANY ($2::text::text[])`,
      values: [companyId, textArray(accounts)],
    })
    return new Map(rows.map((row): [string, AccountKind] => [textOf(row, 'code'), kindOf(row)]))
  }

  #kind(): string {
    return `CASE WHEN EXISTS (SELECT FROM ${this.#schema}.account c WHERE c.company = a.company AND c.parent = a.code)
  THEN 'group' ELSE 'postable' END`
  }

  #missingParents(): string {
    return `
SELECT k.parent FROM unnest($2::text::text[], $3::text::text[], $4::text::text[]) AS k(code, name, parent)
WHERE k.parent IS NOT NULL AND k.parent <> ALL ($2::text::text[])
  AND NOT EXISTS (SELECT FROM ${this.#schema}.account a WHERE a.company = $1 AND a.code = k.parent)
ORDER BY k.parent COLLATE "C" LIMIT 1`
  }

  /** Of the accounts named, those that no way leads to from an account without a parent. */
  #circular(): string {
    return `
WITH RECURSIVE rooted AS (
  SELECT a.code FROM ${this.#schema}.account a WHERE a.company = $1 AND a.parent IS NULL
  UNION ALL
  SELECT a.code FROM rooted JOIN ${this.#schema}.account a ON a.company = $1 AND a.parent = rooted.code
)
SELECT k.code FROM unnest($2::text::text[]) AS k(code)
WHERE NOT EXISTS (SELECT FROM rooted WHERE rooted.code = k.code) ORDER BY k.code COLLATE "C" LIMIT 1`
  }

  #upsert(): string {
    return `
INSERT INTO ${this.#schema}.account AS a (company, code, name, parent)
SELECT $1, k.code, k.name, k.parent
FROM unnest($2::text::text[], $3::text::text[], $4::text::text[]) AS k(code, name, parent)
ORDER BY k.code COLLATE "C"
ON CONFLICT (company, code) DO UPDATE SET name = excluded.name, parent = excluded.parent
WHERE (a.name, a.parent) IS DISTINCT FROM (excluded.name, excluded.parent)
RETURNING code`
  }
}

function checkChart(accounts: readonly Account[]): readonly Account[] {
  if (!Array.isArray(accounts) || accounts.length > ACCOUNTS_MAX) {
    throw new InvalidInputError('accounts', `a list of at most ${ACCOUNTS_MAX} accounts`, accounts)
  }
  const seen = new Set<string>()
  return (accounts as readonly Account[]).map((account, index) => {
    const field = `accounts[${index}]`
    const code = checkName(account.code, `${field}.code`, InvalidInputError)
    const parent =
      account.parent === undefined
        ? undefined
        : checkName(account.parent, `${field}.parent`, InvalidInputError)
    if (seen.has(code)) throw new InvalidInputError(`${field}.code`, 'unique in the list', code)
    if (parent === code) throw new InvalidInputError(`${field}.parent`, 'another account', parent)
    seen.add(code)
    return { code, name: checkAccountName(account.name, `${field}.name`), parent }
  })
}

function checkAccountName(name: unknown, field: string): string {
  if (typeof name === 'string' && name.length > 0 && name.length <= NAME_MAX && isPlainText(name)) return name
  throw new InvalidInputError(field, `1 to ${NAME_MAX} characters without control characters`, name)
}

function isPlainText(text: string): boolean {
  return !/[\u0000-\u001f\u007f]/.test(text) && isWellFormed(text)
}

function kindOf(row: Readonly<Record<string, unknown>>): AccountKind {
  return textOf(row, 'kind') === 'group' ? 'group' : 'postable'
}
