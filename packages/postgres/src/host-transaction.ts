/**
 * Work inside the host's own transaction, on anything that runs parameterised SQL.
 *
 * Rules for the host, as its COMMIT is its own: hand the images on only after a COMMIT that was answered with
 * `COMMIT`; after any error roll back, or roll back to a savepoint set before the call. A caught error followed by
 * COMMIT is answered with ROLLBACK by the server, and many drivers report that as success.
 */

import type { Observer, RandomSource } from '@kerp/core'
import type { RunStatement } from './batch-run.js'
import { KnownRows } from './known-rows.js'
import { checkQueryable, type Queryable } from './queryable.js'
import { textOf } from './row-text.js'
import type { WithinStatements } from './transaction-statements.js'

/** The statements that begin and end the work. */
type Frame = keyof WithinStatements

/** What work in a host's transaction shares with the queue of its ledger; `S` are the names of its statements. */
export interface HostContext<S extends string> {
  readonly statements: Readonly<Record<S | Frame, string>>
  readonly observer: Observer
  readonly random: RandomSource
  /** For the wait for a row, where the host's transaction has no limit of its own. In ms. */
  readonly lockTimeoutMs: number
}

/** What the work gets. */
export interface HostTransaction<S extends string> {
  readonly run: RunStatement<S | Frame>
  /** Rows that this transaction makes may be rolled back: nothing is remembered of them. */
  readonly knownRows: KnownRows
  readonly observer: Observer
  /** The mark by which statements find out that the transaction is still the same one. */
  readonly within: string
}

/** The driver's own errors pass through as they are: the transaction is the host's, and so is what to do then. */
export async function inHostTransaction<S extends string, R>(
  { statements, observer, random, lockTimeoutMs }: HostContext<S>,
  queryable: Queryable,
  work: (transaction: HostTransaction<S>) => Promise<R>,
): Promise<R> {
  const run = async (
    statement: S | Frame,
    values: (string | null)[],
  ): Promise<readonly Record<string, unknown>[]> =>
    (await queryable.query(statements[statement], values)).rows
  checkQueryable(queryable)
  const within = random.hex(8)
  const [settings] = await run('beginWithin', [within, String(lockTimeoutMs)])
  const lockTimeout = textOf(settings ?? {}, 'lock_timeout')
  const result = await work({ run, knownRows: new KnownRows(), observer, within })
  if (lockTimeout === '0') await run('endWithin', [lockTimeout])
  return result
}
