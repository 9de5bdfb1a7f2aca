/** The outbox: committed changes in order, for relays; and the control rows that void registers. */

import {
  type Clock,
  type InvalidationLog,
  InvalidInputError,
  type OutboxChange,
  type OutboxPage,
  type OutboxPageQuery,
  type OutboxPosition,
  type OutboxRow,
  type OutboxSource,
  type OutboxTick,
  type RandomSource,
  type RegisterRef,
  systemRandom,
  wholeNumberOption,
} from '@kerp/core'
import { Database, isTimeout } from './database.js'
import type { DatabasePool } from './database-pool.js'
import { DatabaseUnavailableError, DatabaseUnsuitableError, OutboxTrimmedError } from './errors.js'
import { adoptDatabase } from './epoch.js'
import { checkCompanyId, checkFields, limitText, resolveSchema } from './identifiers.js'
import { OutboxListener } from './outbox-listener.js'
import { covers, parseSnapshot } from './outbox-position.js'
import { type OutboxStatements, outboxStatements } from './outbox-statements.js'
import { type OutboxTrim, trimOutbox } from './outbox-trim.js'
import { checkQueryable, type Queryable } from './queryable.js'
import { checkRef, familyOf } from './register-tables.js'
import { assertWritten, textOf, textOrUndefined, versionOf } from './row-text.js'
import { wakeChannel } from './wake-sender.js'

/** What an outbox is made of. */
export interface OutboxOptions {
  /** A `pg.Pool`; each `onWake` keeps one of its connections. Never closed here. */
  readonly pool: DatabasePool
  /** @defaultValue 'kerp' */
  readonly schema?: string | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** How long a read or an invalidation may take, in ms. @defaultValue 5_000 */
  readonly deadlineMs?: number | undefined
}

/** What `invalidateWithin` voids: one register, or all of a company. */
export type Invalidation = { readonly ref: RegisterRef } | { readonly companyId: string }

const PATIENCE_MS_MAX = 60_000

type Row = Readonly<Record<string, unknown>>

/**
 * Reads the outbox table with a snapshot cursor: each committed row once, in the order of its row's versions, and
 * not held up by any other open transaction of the cluster. Writes the control rows.
 */
export class Outbox implements OutboxSource, InvalidationLog {
  readonly #database: Database
  readonly #schema: string
  readonly #statements: OutboxStatements
  readonly #random: RandomSource
  readonly #deadlineMs: number
  #patienceMs: number

  constructor(options: OutboxOptions) {
    this.#database = Database.of('Outbox', options)
    this.#schema = resolveSchema('Outbox', options.schema)
    this.#statements = outboxStatements(this.#schema)
    this.#random = options.random ?? systemRandom
    const bounds = { min: 10, max: 600_000, fallback: 5_000 }
    this.#deadlineMs = wholeNumberOption('Outbox', 'deadlineMs', options.deadlineMs, bounds)
    this.#patienceMs = this.#deadlineMs
  }

  /** One statement, whose cost grows with the rows since `after`. `limit` is 1 to 10,000. */
  async tick(query: {
    readonly after?: OutboxPosition | undefined
    readonly limit: number
  }): Promise<OutboxTick> {
    const after = checkFields('query', query).after ?? null
    if (after !== null) parseSnapshot(after, 'after')
    const found = await this.#read('tick', [after, limitText(query.limit)])
    const facts = found[0] ?? {}
    return {
      epoch: textOf(facts, 'epoch'),
      asOfMs: Number(textOf(facts, 'as_of_ms')),
      target: textOf(facts, 'target'),
      trimmedTo: textOrUndefined(facts, 'trimmed_to'),
      rows: found.flatMap(outboxRowOf),
    }
  }

  /**
   * One statement.
   *
   * @throws {OutboxTrimmedError} `OUTBOX_TRIMMED`, retryable: rows after `after` were deleted meanwhile; the next
   * `tick` says so in `trimmedTo`.
   */
  async page(query: OutboxPageQuery): Promise<OutboxPage> {
    parseSnapshot(checkFields('query', query).after, 'after')
    parseSnapshot(query.target, 'target')
    if (!/^\d{1,19}$/.test(query.afterId))
      throw new InvalidInputError('afterId', 'an id of a row', query.afterId)
    const company = query.companyId === undefined ? null : checkCompanyId(query.companyId, InvalidInputError)
    const values = [query.after, query.target, limitText(query.limit), company]
    const found =
      query.afterId === '0'
        ? await this.#read('firstPage', values)
        : await this.#read('nextPage', [...values, query.afterId])
    const facts = found[0] ?? {}
    const trimmedTo = textOrUndefined(facts, 'trimmed_to')
    if (trimmedTo !== undefined && !covers(query.after, trimmedTo)) throw new OutboxTrimmedError()
    return { epoch: textOf(facts, 'epoch'), rows: found.flatMap(outboxRowOf) }
  }

  async companies(): Promise<readonly string[]> {
    const rows = await this.#read('companies', [])
    return rows.map((row) => textOf(row, 'company'))
  }

  covers(later: OutboxPosition, earlier: OutboxPosition): boolean {
    return covers(later, earlier)
  }

  /** Resolves after the first attempt to connect, whether or not it succeeded; later ones go on by themselves. */
  async onWake(wake: () => void): Promise<{ close(): Promise<void> }> {
    const listener = new OutboxListener(this.#database, wakeChannel(this.#schema), this.#random, wake)
    await listener.open()
    return listener
  }

  async invalidate(ref: RegisterRef): Promise<void> {
    await this.#invalidate({ ref })
  }

  async invalidateAll(companyId: string): Promise<void> {
    await this.#invalidate({ companyId })
  }

  /**
   * Writes the control row in the caller's transaction, together with the repair that made it necessary. As for
   * `postWithin`, errors of the driver pass through and leave the transaction to the caller.
   */
  async invalidateWithin(queryable: Queryable, invalidation: Invalidation): Promise<void> {
    const { rows } = await checkQueryable(queryable).query(
      this.#statements.invalidate,
      this.#valuesOf(invalidation),
    )
    assertWritten(rows[0] ?? {}, 1, 'an invalidation')
  }

  /**
   * Deletes rows that were committed more than `olderThanMs` ago, save the last of each company, and moves
   * `trimmedTo` in the same transaction. Age counts from the first call that remembered a moment after the commit:
   * call it regularly, for example every hour with a horizon of a day. Safe to run from several processes.
   *
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable; rows may have been deleted, rightly.
   */
  async trim(options: { readonly olderThanMs: number }): Promise<OutboxTrim> {
    const { olderThanMs } = checkFields('options', options)
    if (!Number.isInteger(olderThanMs) || olderThanMs < 0) {
      throw new InvalidInputError('olderThanMs', 'a whole number of milliseconds from 0 up', olderThanMs)
    }
    return trimOutbox(this.#database, this.#statements, this.#schema, olderThanMs)
  }

  async #invalidate(invalidation: Invalidation): Promise<void> {
    const values = this.#valuesOf(invalidation)
    await this.#database.transact('invalidating registers', this.#deadlineMs, async (client) => {
      const { rows } = await client.query({ text: this.#statements.invalidate, values })
      assertWritten(rows[0] ?? {}, 1, 'an invalidation')
    })
  }

  #valuesOf(invalidation: Invalidation): (string | null)[] {
    const channel = wakeChannel(this.#schema)
    checkFields('invalidation', invalidation)
    if ('companyId' in invalidation) {
      const company = checkCompanyId(invalidation.companyId, InvalidInputError)
      return [company, 'invalidateAll', null, null, null, channel]
    }
    const { companyId, family, parts } = checkRef(checkFields('ref', invalidation.ref))
    return [companyId, 'invalidate', family, ...parts, channel]
  }

  /**
   * A backlog of many millions of rows may take longer than the deadline, and would never be read: each time that
   * happens the next read gets twice the time, up to a minute, until one succeeds.
   */
  async #read(statement: keyof OutboxStatements, values: (string | null)[]): Promise<readonly Row[]> {
    const text = this.#statements[statement]
    try {
      let rows = await this.#database.read('reading the outbox', this.#patienceMs, { text, values })
      if (isForeign(rows[0])) {
        await adoptDatabase(this.#database, this.#schema)
        rows = await this.#database.read('reading the outbox', this.#patienceMs, { text, values })
      }
      this.#patienceMs = this.#deadlineMs
      return rows
    } catch (error) {
      const isLate = error instanceof DatabaseUnavailableError && isTimeout(error.cause)
      if (isLate)
        this.#patienceMs = Math.max(this.#deadlineMs, Math.min(2 * this.#patienceMs, PATIENCE_MS_MAX))
      throw error
    }
  }
}

/** Whether the database came from elsewhere; a replica, which has no epoch, cannot tell. */
function isForeign(row: Row = {}): boolean {
  return textOrUndefined(row, 'is_own') === 'false' && textOrUndefined(row, 'epoch') !== undefined
}

/** None for the one line of facts that an answer without rows consists of. */
function outboxRowOf(row: Row): readonly OutboxRow[] {
  const id = textOrUndefined(row, 'id')
  if (id === undefined) return []
  const companyId = textOf(row, 'company')
  return [{ id, companyId, change: changeOf(companyId, row) }]
}

function changeOf(companyId: string, row: Row): OutboxChange {
  const kind = textOf(row, 'kind')
  if (kind === 'invalidateAll') return { kind }
  const ref: RegisterRef = {
    companyId,
    family: familyOf(textOf(row, 'family')),
    parts: [textOf(row, 'part1'), textOf(row, 'part2')],
  }
  if (kind === 'invalidate') return { kind, ref }
  if (kind !== 'image') throw new DatabaseUnsuitableError('The outbox has a row of a kind that is not known.')
  return {
    kind,
    image: { ref, version: versionOf(row), fields: [textOf(row, 'field1'), textOf(row, 'field2')] },
  }
}
