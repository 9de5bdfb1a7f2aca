/**
 * Posting inside the host's own transaction, on anything that runs parameterised SQL.
 *
 * Rules for the host, as its COMMIT is its own: hand the images on only after a COMMIT that was answered with
 * `COMMIT`; after any error roll back, or roll back to a savepoint set before the call. A caught error followed by
 * COMMIT is answered with ROLLBACK by the server, and many drivers report that as success.
 */

import { type Observer, type RandomSource, readTokenOf } from '@kerp/core'
import { VoucherConflictError } from './errors.js'
import { KnownRows } from './known-rows.js'
import type { PostingStatements } from './posting-statements.js'
import { postVouchers } from './posting-transaction.js'
import type { Queryable } from './queryable.js'
import { textOf } from './row-text.js'
import type { PostedVoucher } from './voucher.js'
import type { CheckedVoucher } from './checked-voucher.js'

/** What posting within shares with the ledger. */
export interface WithinContext {
  readonly statements: PostingStatements
  readonly observer: Observer
  readonly random: RandomSource
  /** For the wait for a row, where the host's transaction has no limit of its own. In ms. */
  readonly lockTimeoutMs: number
}

/** The driver's own errors pass through as they are: the transaction is the host's, and so is what to do then. */
export async function postWithin(
  context: WithinContext,
  queryable: Queryable,
  voucher: CheckedVoucher,
): Promise<PostedVoucher> {
  const { statements, observer } = context
  const run = async (
    statement: keyof PostingStatements,
    values: (string | null)[],
  ): Promise<readonly Record<string, unknown>[]> =>
    (await queryable.query(statements[statement], values)).rows
  const within = context.random.hex(8)
  const [settings] = await run('beginWithin', [within, String(context.lockTimeoutMs)])
  const lockTimeout = textOf(settings ?? {}, 'lock_timeout')
  // Rows that this transaction makes may be rolled back: nothing is remembered of them.
  const result = await postVouchers({ run, knownRows: new KnownRows(), observer, within }, [voucher])
  if (lockTimeout === '0') await run('endWithin', [lockTimeout])
  const [outcome] = result.outcomes
  const { companyId, id } = voucher
  if (outcome === undefined || outcome.kind === 'conflict') throw new VoucherConflictError(companyId, id)
  const { images } = outcome
  const { epoch } = result
  const token = readTokenOf({ epoch, images })
  return { companyId, voucherId: id, replayed: outcome.kind === 'replayed', epoch, images, token }
}
