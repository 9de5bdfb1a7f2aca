/** What a host does with its driver, in words that all drivers can be asked in. */

import type { Queryable } from '@kerp/postgres'

/** One driver with its own pool of connections. */
export interface HostDriver {
  readonly name: string
  /** The driver's own way to run a transaction: commits when `work` resolves, rolls back when it throws. */
  transaction<T>(work: (queryable: Queryable) => Promise<T>): Promise<T>
  /** Where the driver keeps the SQLSTATE of an error of the server. */
  sqlStateOf(error: unknown): unknown
  close(): Promise<unknown>
}

/** A property by its path; undefined where there is none. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, name) =>
      typeof inner === 'object' && inner !== null && name in inner ? Reflect.get(inner, name) : undefined,
    value,
  )
}
