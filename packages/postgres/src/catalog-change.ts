/** What goes into the same transaction as a change of accounts or warehouses. */

import type { DatabaseClient } from './database-pool.js'
import { type Queryable, queryableOf } from './queryable.js'

/** How master data is defined. */
export interface DefineOptions {
  /**
   * Called in the transaction if anything is added or changed: for the event that tells it, with
   * `EventLog.appendWithin`. May be called again when the transaction is repeated; what it throws undoes the change.
   */
  readonly whenChanged?: ((queryable: Queryable) => Promise<unknown>) | undefined
}

/** Calls `whenChanged` if a statement with RETURNING says that it changed a row. */
export async function tellChange(
  client: DatabaseClient,
  changed: readonly unknown[],
  { whenChanged }: DefineOptions,
): Promise<void> {
  if (changed.length > 0) await whenChanged?.(queryableOf(client))
}
