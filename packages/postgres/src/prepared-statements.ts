/**
 * Prepared statements, for as long as the connections of a pool keep them.
 *
 * A pooler between the pool and the server may give each transaction another connection of the server's: then a
 * statement is missing there (26000), or another client has prepared it (42P05). Nothing tells this before.
 */

import { createHash } from 'node:crypto'
import { type Observer, tellFailure } from '@kerp/core'
import type { DatabaseClient, DatabasePool, Statement, StatementResult } from './database-pool.js'
import { DatabaseUnsuitableError } from './errors.js'
import { sqlStateOf } from './sql-state.js'

/** A host that cleans a connection with DISCARD ALL loses statements too, and need not do so again. */
const MISSING_MAX = 3
/** Names that are remembered: a dozen per schema. */
const NAMES_MAX = 1_000

/** One for all who write through the same pool. */
const ofPool = new WeakMap<DatabasePool, PreparedStatements>()

/** Runs statements prepared, until a pool turns out not to keep them. */
export class PreparedStatements {
  /** Prepares nothing. */
  static readonly none = new PreparedStatements(false)

  readonly #names = new Map<string, string>()
  #isOn: boolean
  #missing = 0

  private constructor(
    isOn: boolean,
    private readonly observer: Observer = {},
  ) {
    this.#isOn = isOn
  }

  /** Those of a pool; `observer` hears if they end, when it is the first one given. */
  static of(pool: DatabasePool, observer: Observer): PreparedStatements {
    const known = ofPool.get(pool)
    if (known !== undefined) return known
    const made = new PreparedStatements(true, observer)
    ofPool.set(pool, made)
    return made
  }

  /** `title` is for those who look at the server: a name is that of the text, whatever version of this library has prepared it. */
  async run(client: DatabaseClient, title: string, statement: Statement): Promise<StatementResult> {
    if (!this.#isOn) return client.query(statement)
    try {
      return await client.query({ ...statement, name: this.#nameOf(title, statement.text) })
    } catch (error) {
      this.#onFailure(sqlStateOf(error))
      throw error
    }
  }

  #nameOf(title: string, text: string): string {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    const name = `kerp_${createHash('sha256').update(text).digest('hex').slice(0, 16)}_${title}`
    if (this.#names.size >= NAMES_MAX) this.#names.clear()
    this.#names.set(text, name)
    return name
  }

  #onFailure(state: string | undefined): void {
    if (state === '26000') this.#missing += 1
    if (!this.#isOn || (state !== '42P05' && this.#missing < MISSING_MAX)) return
    this.#isOn = false
    tellFailure(
      this.observer,
      'PreparedStatements',
      new DatabaseUnsuitableError(
        "Connections do not keep their prepared statements, as behind a pooler in transaction mode: from now on nothing is prepared. Set prepare: 'off' to begin with that.",
      ),
    )
  }
}
