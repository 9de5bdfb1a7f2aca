/** Connections with deadlines: every use of the pool ends in time, and an abandoned connection is closed. */

import { type Clock, DeadlineExceededError, KerpError, retry, systemClock, withDeadline } from '@kerp/core'
import type { DatabaseClient, DatabasePool, Statement, StatementResult } from './database-pool.js'
import { DatabaseUnavailableError, DatabaseUnsuitableError } from './errors.js'
import { failureKindOf, sqlStateOf } from './sql-state.js'
import { beginBatch } from './transaction-statements.js'

type Rows = readonly Record<string, unknown>[]

/** Pools whose new connections have a listener from their first moment. */
const attended = new WeakSet<DatabasePool>()

/** Wraps a pool; holds nothing open itself. */
export class Database {
  constructor(
    readonly pool: DatabasePool,
    readonly clock: Clock = systemClock,
  ) {
    if (attended.has(pool)) return
    attended.add(pool)
    // A server that goes away says so in the packet that says it is ready: before `connect` could answer anybody.
    pool.on?.('connect', (client) => client.on('error', ignore))
  }

  /**
   * Takes a connection.
   *
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable, when there is none within `deadlineMs`.
   */
  async acquire(operation: string, deadlineMs: number): Promise<DatabaseClient> {
    let late = false
    const connect = async (): Promise<DatabaseClient> => {
      const client = await this.pool.connect()
      // A connection that is lost between two statements must not end the process.
      client.on('error', ignore)
      if (late) giveBack(client, false)
      return client
    }
    try {
      return await withDeadline(connect(), { operation, deadlineMs, outcome: 'notDone', clock: this.clock })
    } catch (error) {
      late = true
      throw typedError(operation, error)
    }
  }

  /**
   * Runs `work` on a connection within `deadlineMs`; then the connection is closed under it.
   *
   * `outcome` tells, at the moment the deadline passes, what is known of the effect.
   */
  async use<T>(
    operation: string,
    deadlineMs: number,
    work: (client: DatabaseClient) => Promise<T>,
    outcome: () => 'notDone' | 'unknown' = () => 'notDone',
  ): Promise<T> {
    const startMs = this.clock.monotonicMs()
    const client = await this.acquire(operation, deadlineMs)
    const leftMs = (): number => Math.max(1, deadlineMs - (this.clock.monotonicMs() - startMs))
    let healthy = false
    try {
      const answer = await this.#limited(operation, leftMs(), work(client), outcome)
      healthy = true
      return answer
    } catch (error) {
      healthy = isAnswered(error) && (await rolledBack(client, leftMs(), this.clock))
      throw error
    } finally {
      giveBack(client, !healthy)
    }
  }

  /**
   * One autocommit statement without effect. A connection that turns out to be dead is replaced once.
   *
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable.
   * @throws {DatabaseUnsuitableError} `DATABASE_UNSUITABLE`, not retryable: a missing schema or privilege.
   */
  async read(operation: string, deadlineMs: number, statement: Statement): Promise<Rows> {
    const endMs = this.clock.monotonicMs() + deadlineMs
    const attempt = async (): Promise<StatementResult> =>
      this.use(operation, Math.max(1, endMs - this.clock.monotonicMs()), (client) => client.query(statement))
    try {
      return (
        await attempt().catch((error: unknown) => {
          if (error instanceof KerpError || failureKindOf(error) !== 'lost') throw error
          return attempt()
        })
      ).rows
    } catch (error) {
      throw typedError(operation, error)
    }
  }

  /**
   * A transaction whose effect is the same when it is done twice: it is repeated, after lost connections and
   * deadlocks, until its COMMIT was answered with `COMMIT`.
   *
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable. The effect may have happened all the same.
   */
  async transact<T>(
    operation: string,
    deadlineMs: number,
    work: (client: DatabaseClient) => Promise<T>,
  ): Promise<T> {
    const endMs = this.clock.monotonicMs() + deadlineMs
    try {
      return await retry(
        () => {
          const leftMs = Math.max(1, Math.ceil(endMs - this.clock.monotonicMs()))
          return this.use(operation, leftMs, (client) => commit(client, leftMs, work))
        },
        {
          operation,
          deadlineMs,
          isRetryable: (error) =>
            !(error instanceof KerpError) && ['lost', 'retry', 'locked'].includes(failureKindOf(error)),
          clock: this.clock,
        },
      )
    } catch (error) {
      throw typedError(operation, error, 'if in doubt, repeat it')
    }
  }

  /** A transaction that is tried once: after an error its effect may have happened. */
  async once<T>(
    operation: string,
    deadlineMs: number,
    work: (client: DatabaseClient) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.use(operation, deadlineMs, (client) => commit(client, deadlineMs, work))
    } catch (error) {
      throw typedError(operation, error, 'its effect may have happened')
    }
  }

  /** Settles with `work`, or rejects when `deadlineMs` pass. */
  within<T>(operation: string, deadlineMs: number, work: Promise<T>): Promise<T> {
    return withDeadline(work, { operation, deadlineMs, outcome: 'notDone', clock: this.clock })
  }

  async #limited<T>(
    operation: string,
    deadlineMs: number,
    work: Promise<T>,
    outcome: () => 'notDone' | 'unknown',
  ): Promise<T> {
    try {
      return await this.within(operation, deadlineMs, work)
    } catch (error) {
      if (!isTimeout(error)) throw error
      throw new DeadlineExceededError(operation, deadlineMs, outcome())
    }
  }
}

/** An error that a caller can act on; errors of this library pass through. */
export function typedError(operation: string, error: unknown, effect?: string): KerpError {
  if (error instanceof KerpError && !isTimeout(error)) return error
  if (failureKindOf(error) === 'unsuitable') {
    return new DatabaseUnsuitableError(
      `The database cannot serve ${operation} (SQLSTATE ${sqlStateOf(error) ?? '?'}); was migrate() run?`,
      error,
    )
  }
  return new DatabaseUnavailableError(operation, error, effect)
}

/** Whether a deadline of this library passed. */
export function isTimeout(error: unknown): error is DeadlineExceededError {
  return error instanceof DeadlineExceededError
}

/** After an error that left the connection as good as before, once the transaction on it is rolled back. */
function isAnswered(error: unknown): boolean {
  if (error instanceof KerpError) return !isTimeout(error)
  return failureKindOf(error) !== 'lost'
}

async function commit<T>(
  client: DatabaseClient,
  leftMs: number,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  await client.query({ text: beginBatch(leftMs, leftMs) })
  const answer = await work(client)
  const { command } = await client.query({ text: 'COMMIT' })
  if (command !== 'COMMIT') throw new DatabaseUnavailableError('a COMMIT that answered ROLLBACK')
  return answer
}

async function rolledBack(client: DatabaseClient, deadlineMs: number, clock: Clock): Promise<boolean> {
  try {
    // Outside a transaction this is a warning, and no round trip is wasted on asking.
    const options = {
      operation: 'ROLLBACK',
      deadlineMs: Math.min(deadlineMs, 1_000),
      outcome: 'notDone',
      clock,
    } as const
    await withDeadline(client.query({ text: 'ROLLBACK' }), options)
    return true
  } catch {
    return false
  }
}

function giveBack(client: DatabaseClient, destroy: boolean): void {
  client.removeListener('error', ignore)
  // An error between now and the end of the socket would otherwise have no listener.
  if (destroy) client.on('error', ignore)
  client.release(destroy)
}

function ignore(): void {
  return undefined
}
