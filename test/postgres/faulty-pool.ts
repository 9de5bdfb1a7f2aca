/** A pool whose statements can be intercepted, so that faults happen at one exact place. */

import type { DatabaseClient, DatabasePool, Statement, StatementResult } from '@kerp/postgres'

/** Runs instead of the statement; calls `run` to let it through. */
export type Intercept = (
  statement: Statement,
  run: (instead?: Statement) => Promise<StatementResult>,
) => Promise<StatementResult>

/** Wraps a pool; without `intercept` everything passes through. */
export class FaultyPool implements DatabasePool {
  intercept: Intercept | undefined

  constructor(private readonly pool: DatabasePool) {}

  async connect(): Promise<DatabaseClient> {
    const client = await this.pool.connect()
    return new Proxy(client, {
      get: (target, property) => {
        if (property === 'query') return (statement: Statement) => this.#query(target, statement)
        const value: unknown = Reflect.get(target, property, target)
        return typeof value === 'function'
          ? (...args: unknown[]) => Reflect.apply(value, target, args) as unknown
          : value
      },
    })
  }

  #query(client: DatabaseClient, statement: Statement): Promise<StatementResult> {
    const run = (instead: Statement = statement): Promise<StatementResult> => client.query(instead)
    return this.intercept === undefined ? run() : this.intercept(statement, run)
  }
}

/** An error as the server sends it. */
export function serverError(sqlState: string): Error {
  return Object.assign(new Error(`injected ${sqlState}`), { code: sqlState, severity: 'ERROR' })
}
