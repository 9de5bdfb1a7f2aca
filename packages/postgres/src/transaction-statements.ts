/** The statements that begin and end a transaction, whatever is done in it. */

/** The setting that makes a COMMIT wait for the disk, unless the host asks for more. */
const DURABLE = `CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply')
  THEN current_setting('synchronous_commit') ELSE 'on' END`

/** In a statement that writes: lets the COMMIT of its transaction wait for the disk, also where it is the host's. */
export const MAKE_DURABLE = `set_config('synchronous_commit', ${DURABLE}, true)`

/**
 * Opens a transaction with its own limits, whose COMMIT waits for the disk, whatever the server's or the role's
 * defaults are.
 */
export function beginBatch(lockTimeoutMs: number, statementTimeoutMs: number): string {
  return `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = ${lockTimeoutMs};
SET LOCAL statement_timeout = ${statementTimeoutMs};
SET LOCAL idle_in_transaction_session_timeout = ${statementTimeoutMs};
SELECT ${MAKE_DURABLE}`
}

/** The statements around work inside a host's transaction. */
export interface WithinStatements {
  /**
   * Marks the transaction with `$1`, lets its COMMIT wait for the disk, and bounds the wait for a row by `$2` ms where the
   * host has set no bound; answers the bound that it had.
   */
  readonly beginWithin: string
  /** Gives the transaction back the bound that it had, `$1`. */
  readonly endWithin: string
}

/** They name no table, and are the same for every schema. */
export const WITHIN_STATEMENTS: WithinStatements = {
  beginWithin: `
SELECT set_config('kerp.within', $1, true), ${MAKE_DURABLE},
  current_setting('lock_timeout') AS lock_timeout,
  set_config('lock_timeout', CASE WHEN current_setting('lock_timeout') = '0' THEN $2
    ELSE current_setting('lock_timeout') END, true)`,
  endWithin: `SELECT set_config('lock_timeout', $1, true)`,
}
