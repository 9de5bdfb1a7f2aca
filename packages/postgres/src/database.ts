/** Connections with deadlines: every use of the pool ends in time, and an abandoned connection is closed. */

import {
  type Clock,
  DeadlineExceededError,
  InvalidInputError,
  InvalidOptionError,
  KerpError,
  retry,
  systemClock,
  withDeadline,
} from '@kerp/core'
import {
  checkPool,
  type DatabaseClient,
  type DatabasePool,
  poolMax,
  poolTarget,
  type Statement,
  type StatementResult,
} from './database-pool.js'
import { DatabaseUnavailableError, DatabaseUnsuitableError } from './errors.js'
import { type FailureKind, failureKindOf, isOfConnection, isRaised, sqlStateOf } from './sql-state.js'
import { beginBatch } from './transaction-statements.js'

type Rows = readonly Record<string, unknown>[]

/** The operation of `migrate`, which is not to be asked whether it was run. */
export const MIGRATING = 'migrate()'

/** A table, column, function or schema that is missing. */
const NOT_MIGRATED = new Set(['42P01', '42703', '42883', '3F000'])

const MIGRATE_HINTS: ReadonlyMap<string, string> = new Map([
  ...['42P07', '42710', '42723'].map(
    (state) => [state, 'something of that name is there already: give migrate() another `schema`.'] as const,
  ),
  ['42501', 'run it as a role that may create and change the schema.'],
])

/** Pools whose connections have a listener from their first moment, and how many of each are kept by listeners. */
const attended = new WeakMap<DatabasePool, { kept: number }>()

/** Wraps a pool; holds nothing open itself. */
export class Database {
  readonly #kept: { kept: number }

  constructor(
    readonly pool: DatabasePool,
    readonly clock: Clock = systemClock,
  ) {
    const known = attended.get(pool)
    this.#kept = known ?? { kept: 0 }
    if (known !== undefined) return
    attended.set(pool, this.#kept)
    // A server that goes away says so in the packet that says it is ready: before `connect` could answer anybody.
    pool.on?.('connect', (client) => client.on('error', ignore))
    // And to idle connections, which the pool then drops: without a listener that would end the process.
    pool.on?.('error', ignore)
  }

  /** On the pool among a caller's options. @throws {InvalidOptionError} `INVALID_OPTION`. */
  static of(
    owner: string,
    options: { readonly pool: DatabasePool; readonly clock?: Clock | undefined },
  ): Database {
    const given: unknown = options
    if (typeof given !== 'object' || given === null) {
      throw new InvalidInputError('options', `the options of ${owner}, at least { pool }`, given)
    }
    const refuse = (expected: string, got: unknown): Error =>
      new InvalidOptionError(owner, 'pool', expected, got)
    return new Database(checkPool(options.pool, refuse), options.clock)
  }

  /** On a pool that is itself an argument. @throws {InvalidInputError} `INVALID_INPUT`. */
  static on(pool: DatabasePool): Database {
    return new Database(checkPool(pool, (expected, got) => new InvalidInputError('pool', expected, got)))
  }

  /**
   * Counts a connection that is kept for a long time; the result gives it back.
   *
   * @throws {DatabaseUnsuitableError} `DATABASE_UNSUITABLE` when the pool would have none left for anything else.
   */
  keepOne(operation: string): () => void {
    const max = poolMax(this.pool)
    if (max !== undefined && this.#kept.kept + 1 >= max) {
      throw new DatabaseUnsuitableError(
        `The pool has at most ${max} connections, and ${operation} would keep the last one for itself; give it a larger \`max\`.`,
      )
    }
    this.#kept.kept += 1
    return () => void (this.#kept.kept -= 1)
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
      throw this.typed(operation, error)
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
          if (error instanceof KerpError || !isOfConnection(failureKindOf(error))) throw error
          return attempt()
        })
      ).rows
    } catch (error) {
      throw this.typed(operation, error)
    }
  }

  /**
   * A transaction whose effect is the same when it is done twice: it is repeated, after lost connections and
   * deadlocks, until its COMMIT was answered with `COMMIT`. What `work` throws of its own is thrown as it is.
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
            !(error instanceof KerpError || error instanceof ThrownByWork) && mayPass(failureKindOf(error)),
          clock: this.clock,
        },
      )
    } catch (error) {
      if (error instanceof ThrownByWork) throw error.thrown
      throw this.typed(operation, error, 'if in doubt, repeat it')
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
      if (error instanceof ThrownByWork) throw error.thrown
      throw this.typed(operation, error, 'its effect may have happened')
    }
  }

  /** An error that a caller can act on; errors of this library pass through. */
  typed(operation: string, error: unknown, effect?: string): KerpError {
    if (error instanceof KerpError && !isTimeout(error)) return error
    const kind = failureKindOf(error)
    if (kind === 'unsuitable' || kind === 'rejected') {
      return new DatabaseUnsuitableError(this.#unsuitable(operation, error, kind), error)
    }
    if (Reflect.get(this.pool, 'ending') === true) {
      return new DatabaseUnsuitableError(`The pool was ended before ${operation}.`, error)
    }
    return new DatabaseUnavailableError(operation, error, effect)
  }

  #unsuitable(operation: string, error: unknown, kind: FailureKind): string {
    const state = sqlStateOf(error) ?? '?'
    // What a trigger or a constraint says may show what was written; the cause has it.
    const said =
      kind === 'unsuitable' && error instanceof Error && !isRaised(error) ? `: ${error.message}` : ''
    const where = [`SQLSTATE ${state}`, ...poolTarget(this.pool)].join(', ')
    const isMigrating = operation === MIGRATING
    const hint = isMigrating
      ? MIGRATE_HINTS.get(state)
      : NOT_MIGRATED.has(state)
        ? 'was migrate() run?'
        : undefined
    const what = kind === 'rejected' ? 'refuses' : 'cannot serve'
    return `The database ${what} ${operation}${said} (${where})${hint === undefined ? '.' : `; ${hint}`}`
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

/** Whether a deadline of this library passed. */
export function isTimeout(error: unknown): error is DeadlineExceededError {
  return error instanceof DeadlineExceededError
}

/** After an error that left the connection as good as before, once the transaction on it is rolled back. */
function isAnswered(error: unknown): boolean {
  if (error instanceof KerpError) return !isTimeout(error)
  return error instanceof ThrownByWork || !isOfConnection(failureKindOf(error))
}

/** Whether the same may succeed when it is done again. */
function mayPass(kind: FailureKind): boolean {
  return isOfConnection(kind) || kind === 'retry' || kind === 'locked'
}

async function commit<T>(
  client: DatabaseClient,
  leftMs: number,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  await client.query({ text: beginBatch(leftMs, leftMs) })
  const answer = await toldApart(client, work)
  const { command } = await client.query({ text: 'COMMIT' })
  if (command !== 'COMMIT') throw new DatabaseUnavailableError('a COMMIT that answered ROLLBACK')
  return answer
}

/** What the work throws although no statement of it failed is its own, as a bug of a host's callback. */
class ThrownByWork extends Error {
  constructor(readonly thrown: unknown) {
    super('thrown by the work of a transaction')
  }
}

async function toldApart<T>(
  client: DatabaseClient,
  work: (client: DatabaseClient) => Promise<T>,
): Promise<T> {
  const statements = { failed: false }
  const query = async (statement: Statement): Promise<StatementResult> => {
    try {
      return await client.query(statement)
    } catch (error) {
      statements.failed = true
      throw error
    }
  }
  const watched = new Proxy(client, {
    get: (target, name) => (name === 'query' ? query : (Reflect.get(target, name, target) as unknown)),
  })
  try {
    return await work(watched)
  } catch (error) {
    if (statements.failed || error instanceof KerpError) throw error
    throw new ThrownByWork(error)
  }
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
