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
  /**
   * As a `pg.Pool` has it: tells of each new connection before anybody is given it, and of one that was lost while nobody
   * used it.
   */
  readonly on?:
    | {
        (event: 'connect', listener: (client: Pick<DatabaseClient, 'on'>) => void): unknown
        (event: 'error', listener: (error: Error) => void): unknown
      }
    | undefined
}

/** A pool that a caller gave, told apart from what is often given instead of it. */
export function checkPool<P extends DatabasePool>(
  pool: P,
  refuse: (expected: string, got: unknown) => Error,
): P {
  const given: unknown = pool
  if (typeof given === 'object' && given !== null && typeof Reflect.get(given, 'connect') === 'function') {
    return pool
  }
  throw refuse('a `pg.Pool`, as of `new pg.Pool({ connectionString })`', given)
}

/** How many connections a pool may open, if it tells. */
export function poolMax(pool: DatabasePool): number | undefined {
  const max = optionOf(pool, 'max')
  return typeof max === 'number' ? max : undefined
}

/** Where a pool leads: role, database and host, as far as it tells; never a password. */
export function poolTarget(pool: DatabasePool): readonly string[] {
  const url = urlOf(optionOf(pool, 'connectionString'))
  const facts = {
    role: url?.username || optionOf(pool, 'user') || process.env['PGUSER'],
    database: url?.pathname.slice(1) || optionOf(pool, 'database') || process.env['PGDATABASE'],
    host: url?.searchParams.get('host') || url?.hostname || optionOf(pool, 'host') || process.env['PGHOST'],
  }
  return Object.entries(facts).flatMap(([name, fact]) =>
    typeof fact === 'string' && fact !== '' ? [`${name} ${fact}`] : [],
  )
}

function optionOf(pool: DatabasePool, option: string): unknown {
  const options: unknown = Reflect.get(pool, 'options')
  return typeof options === 'object' && options !== null ? Reflect.get(options, option) : undefined
}

function urlOf(text: unknown): URL | undefined {
  return typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
}
