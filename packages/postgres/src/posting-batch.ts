/**
 * One transaction of coalesced vouchers: from a free connection to a COMMIT whose command tag was read.
 *
 * What came of it is one of three things, and never a guess: committed, certainly not done, or unknown.
 */

import { KerpError, type Observer } from '@kerp/core'
import { type Database, isTimeout } from './database.js'
import type { DatabaseClient } from './database-pool.js'
import type { KnownRows } from './known-rows.js'
import { beginBatch, type PostingStatements } from './posting-statements.js'
import { type PostingResult, postVouchers, type RunStatement } from './posting-transaction.js'
import { type FailureKind, failureKindOf, sqlStateOf } from './sql-state.js'
import type { CheckedVoucher } from './checked-voucher.js'

/** How a batch ended. */
export type BatchEnd =
  | { readonly kind: 'committed'; readonly result: PostingResult }
  /** Nothing was done. */
  | BatchFailure
  /** COMMIT was sent and its answer never came. */
  | { readonly kind: 'unknown'; readonly error: unknown }

/** A transaction that certainly left nothing behind. */
export interface BatchFailure {
  readonly kind: 'failed'
  readonly failure: FailureKind | 'deadline' | 'rolledBack' | 'refused'
  /** What was being done: keys, balance rows, or the vouchers' own rows, of which one may be at fault. */
  readonly stage: 'claiming' | 'locking' | 'writing'
  readonly error: unknown
}

/** What every batch of a ledger shares. */
export interface BatchContext {
  readonly database: Database
  readonly statements: PostingStatements
  /** Prefix of the names of prepared statements; undefined prepares none. */
  readonly preparedPrefix: string | undefined
  readonly knownRows: KnownRows
  readonly observer: Observer
}

/** The limits of one batch, in ms. */
export interface BatchLimits {
  readonly deadlineMs: number
  readonly lockTimeoutMs: number
}

/** Where the transaction is, as far as this side knows. */
interface Progress {
  stage: BatchFailure['stage']
  end: 'open' | 'committing' | 'answered' | 'abandoned'
}

/** COMMIT was answered with another command tag: the server rolled back without an error. */
class RolledBack extends KerpError {
  static override readonly errorName = 'RolledBack'

  constructor(command: string) {
    super(`COMMIT was answered with ${command}.`, { code: 'DATABASE_UNAVAILABLE', retryable: true })
  }
}

/** Posts `vouchers` in one transaction. Never rejects. */
export async function runBatch(
  context: BatchContext,
  vouchers: readonly CheckedVoucher[],
  limits: BatchLimits,
): Promise<BatchEnd> {
  const progress: Progress = { stage: 'claiming', end: 'open' }
  try {
    const result = await context.database.use(
      'posting',
      limits.deadlineMs,
      (client) => transaction(context, client, vouchers, limits, progress),
      () => {
        const sent = progress.end === 'committing'
        // From here on the transaction must not get to its COMMIT: its callers are told that nothing was done.
        if (!sent) progress.end = 'abandoned'
        return sent ? 'unknown' : 'notDone'
      },
    )
    context.knownRows.add(result.rowNames)
    return { kind: 'committed', result }
  } catch (error) {
    return endOf(error, progress)
  }
}

async function transaction(
  context: BatchContext,
  client: DatabaseClient,
  vouchers: readonly CheckedVoucher[],
  limits: BatchLimits,
  progress: Progress,
): Promise<PostingResult> {
  const { observer } = context
  await client.query({ text: beginBatch(limits.lockTimeoutMs, Math.ceil(limits.deadlineMs)) })
  observer.step?.({ name: 'posting.begun' })
  const run: RunStatement = async (statement, values) => {
    if (statement === 'write') progress.stage = 'writing'
    else if (statement === 'insertRows' || statement === 'lockRows') progress.stage = 'locking'
    const text = context.statements[statement]
    const name = context.preparedPrefix === undefined ? {} : { name: `${context.preparedPrefix}${statement}` }
    return (await client.query({ ...name, text, values })).rows
  }
  const result = await postVouchers({ run, knownRows: context.knownRows, observer }, vouchers)
  observer.step?.({ name: 'posting.committing' })
  if (progress.end === 'abandoned') throw new RolledBack('nothing: it was too late to send it')
  progress.end = 'committing'
  const { command } = await client.query({ text: 'COMMIT' })
  progress.end = 'answered'
  if (command !== 'COMMIT') throw new RolledBack(command)
  observer.step?.({ name: 'posting.committed' })
  return result
}

function endOf(error: unknown, { stage, end }: Progress): BatchEnd {
  const failure = failureKindOf(error)
  if (end === 'committing') {
    // An error of the server in answer to COMMIT means that it rolled back, unless it says that it is going away:
    // it may do so after the commit, while it waits for a standby.
    const answered = sqlStateOf(error) !== undefined && failure !== 'lost' && failure !== 'cancelled'
    return answered ? { kind: 'failed', failure, stage: 'writing', error } : { kind: 'unknown', error }
  }
  if (isTimeout(error)) return { kind: 'failed', failure: 'deadline', stage, error }
  if (error instanceof RolledBack) return { kind: 'failed', failure: 'rolledBack', stage, error }
  const refused = error instanceof KerpError && error.code !== 'DATABASE_UNAVAILABLE'
  return { kind: 'failed', failure: refused ? 'refused' : failure, stage, error }
}
