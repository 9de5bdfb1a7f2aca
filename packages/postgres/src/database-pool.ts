/** What the library uses of a `pg.Pool`: small enough to be wrapped, and free of pg's own types. */

/** One statement; with a `name` it is prepared once per connection. */
export interface Statement {
  readonly name?: string | undefined
  readonly text: string
  readonly values?: (string | null)[] | undefined
}

/** What came back: `command` is the server's command tag, such as `COMMIT` or `ROLLBACK`. */
export interface StatementResult {
  readonly command: string
  readonly rows: readonly Record<string, unknown>[]
}

/** A connection that was taken from the pool; `release(true)` also closes it. */
export interface DatabaseClient {
  query(statement: Statement): Promise<StatementResult>
  release(destroy?: boolean): void
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: (notification: { readonly channel: string }) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
}

/** Where connections come from. The library never ends a pool that it was given. */
export interface DatabasePool {
  connect(): Promise<DatabaseClient>
  /** As a `pg.Pool` has it: tells of each new connection before anybody is given it. */
  readonly on?:
    | ((event: 'connect', listener: (client: Pick<DatabaseClient, 'on'>) => void) => unknown)
    | undefined
}
