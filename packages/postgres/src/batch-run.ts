/**
 * One transaction that several callers share: from a free connection to a COMMIT whose command tag was read.
 *
 * What came of it is one of three things, and never a guess: committed, certainly not done, or unknown.
 */

import { KerpError, type Observer, type Step } from '@kerp/core'
import { type Database, isTimeout } from './database.js'
import type { DatabaseClient } from './database-pool.js'
import { type FailureKind, failureKindOf, isOfConnection, sqlStateOf } from './sql-state.js'
import type { PreparedStatements } from './prepared-statements.js'
import { beginBatch } from './transaction-statements.js'

/** How a batch ended. */
export type BatchEnd<R> =
  | { readonly kind: 'committed'; readonly result: R }
  /** Nothing was done. */
  | BatchFailure
  /** COMMIT was sent and its answer never came. */
  | BatchUnknown

/** A transaction of which nobody knows whether it took effect. */
export interface BatchUnknown {
  readonly kind: 'unknown'
  readonly error: unknown
  /** The transaction as it stands in the rows that it wrote, if it took effect. */
  readonly writtenBy?: string | undefined
}

/** What a transaction is at: finding out what is to be done, locking rows, or writing, where one work may be at fault. */
export type BatchStage = 'claiming' | 'locking' | 'writing'

/** A transaction that certainly left nothing behind. */
export interface BatchFailure {
  readonly kind: 'failed'
  readonly failure: FailureKind | 'deadline' | 'rolledBack' | 'refused'
  readonly stage: BatchStage
  readonly error: unknown
}

/** The limits of one batch, in ms. */
export interface BatchLimits {
  readonly deadlineMs: number
  readonly lockTimeoutMs: number
}

/** What a transaction came to. Without a change there is nothing to commit: it ends with ROLLBACK. */
export interface BatchDone<R> {
  readonly result: R
  readonly isChanged: boolean
  /** The transaction as it stands in the rows that it writes. */
  readonly writtenBy?: string | undefined
}

/** One transaction to run. */
export interface BatchJob<R> {
  /** For errors. */
  readonly operation: string
  readonly database: Database
  readonly observer: Observer
  readonly steps: { readonly begun: Step; readonly committing: Step; readonly committed: Step }
  /** A statement that goes with BEGIN. */
  readonly settings?: string | undefined
  /** The statements between BEGIN and COMMIT; tells what it is at. */
  readonly work: (client: DatabaseClient, at: (stage: BatchStage) => void) => Promise<BatchDone<R>>
}

/** Where the transaction is, as far as this side knows. */
interface Progress {
  stage: BatchStage
  end: 'open' | 'committing' | 'answered' | 'abandoned'
  writtenBy?: string | undefined
}

/** COMMIT was answered with another command tag: the server rolled back without an error. */
class RolledBack extends KerpError {
  static override readonly errorName = 'RolledBack'

  constructor(command: string) {
    super(`COMMIT was answered with ${command}.`, { code: 'DATABASE_UNAVAILABLE', retryable: true })
  }
}

/** What was judged has changed before it could be written: thrown by `work`, and the batch is run again. */
export class JudgedTooEarly extends KerpError {
  static override readonly errorName = 'JudgedTooEarly'

  constructor() {
    super('What was judged has changed meanwhile.', { code: 'DATABASE_UNAVAILABLE', retryable: true })
  }
}

/** Runs one of a transaction's statements and answers its rows. */
export type RunStatement<S extends string> = (
  statement: S,
  values: (string | null)[],
) => Promise<readonly Record<string, unknown>[]>

/** The statements of a job on its client; those after which rows are locked, or a work may be at fault, tell what it is at. */
export function stagedStatements<S extends string>(
  client: DatabaseClient,
  statements: Readonly<Record<S, string>>,
  prepared: PreparedStatements,
  at: (stage: BatchStage) => void,
): RunStatement<S> {
  return async (statement, values) => {
    if (statement === 'write') at('writing')
    else if (statement === 'insertRows' || statement === 'lockRows') at('locking')
    return (await prepared.run(client, statement, { text: statements[statement], values })).rows
  }
}

/** Runs `job` in one transaction. Never rejects. */
export async function runBatch<R>(job: BatchJob<R>, limits: BatchLimits): Promise<BatchEnd<R>> {
  const progress: Progress = { stage: 'claiming', end: 'open' }
  try {
    const result = await job.database.use(
      job.operation,
      limits.deadlineMs,
      (client) => transaction(job, client, limits, progress),
      () => {
        const sent = progress.end === 'committing'
        // From here on the transaction must not get to its COMMIT: its callers are told that nothing was done.
        if (!sent) progress.end = 'abandoned'
        return sent ? 'unknown' : 'notDone'
      },
    )
    return { kind: 'committed', result }
  } catch (error) {
    return endOf(error, progress)
  }
}

/**
 * For batches whose every statement looks rows up by their keys. Without this, a plan that was cached while a table was
 * small goes through all of it, and through products of tables, long after it has grown.
 */
export const KEYED_PLANS = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
  set_config('enable_mergejoin', 'off', true)`

async function transaction<R>(
  { observer, steps, settings, work }: BatchJob<R>,
  client: DatabaseClient,
  limits: BatchLimits,
  progress: Progress,
): Promise<R> {
  const begin = beginBatch(limits.lockTimeoutMs, Math.ceil(limits.deadlineMs))
  await client.query({ text: settings === undefined ? begin : `${begin};\n${settings}` })
  observer.step?.({ name: steps.begun })
  const { result, isChanged, writtenBy } = await work(client, (stage) => (progress.stage = stage))
  progress.writtenBy = writtenBy
  if (!isChanged) {
    await client.query({ text: 'ROLLBACK' })
    progress.end = 'answered'
    return result
  }
  observer.step?.({ name: steps.committing })
  if (progress.end === 'abandoned') throw new RolledBack('nothing: it was too late to send it')
  progress.end = 'committing'
  const { command } = await client.query({ text: 'COMMIT' })
  progress.end = 'answered'
  if (command !== 'COMMIT') throw new RolledBack(command)
  observer.step?.({ name: steps.committed })
  return result
}

function endOf(error: unknown, { stage, end, writtenBy }: Progress): BatchUnknown | BatchFailure {
  const failure = failureKindOf(error)
  if (end === 'committing') {
    // An error of the server in answer to COMMIT means that it rolled back, unless it says that it is going away:
    // it may do so after the commit, while it waits for a standby.
    const answered = sqlStateOf(error) !== undefined && !isOfConnection(failure) && failure !== 'cancelled'
    return answered
      ? { kind: 'failed', failure, stage: 'writing', error }
      : { kind: 'unknown', error, writtenBy }
  }
  if (isTimeout(error)) return { kind: 'failed', failure: 'deadline', stage, error }
  if (error instanceof RolledBack) return { kind: 'failed', failure: 'rolledBack', stage, error }
  if (error instanceof JudgedTooEarly) return { kind: 'failed', failure: 'retry', stage, error }
  const refused = error instanceof KerpError && error.code !== 'DATABASE_UNAVAILABLE'
  return { kind: 'failed', failure: refused ? 'refused' : failure, stage, error }
}
