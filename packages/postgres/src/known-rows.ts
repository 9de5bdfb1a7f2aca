/** Which balance rows are known to exist, so that posting need not try to make them every time. */

import type { RunStatement } from './batch-run.js'

const ROWS_MAX = 200_000

/** The rows of a batch, before they are locked. */
export interface RowsToLock {
  readonly all: readonly unknown[]
  readonly names: Iterable<string>
  /** Of the statements `insertRows` and `lockRows`. */
  parameters(): string[]
}

/** A bounded memory; forgetting costs one needless statement, remembering a lost row is noticed and repaired. */
export class KnownRows {
  readonly #names = new Set<string>()

  hasAll(names: Iterable<string>): boolean {
    for (const name of names) if (!this.#names.has(name)) return false
    return true
  }

  /** Only for rows whose transaction has committed. */
  add(names: Iterable<string>): void {
    if (this.#names.size > ROWS_MAX) this.#names.clear()
    for (const name of names) this.#names.add(name)
  }

  clear(): void {
    this.#names.clear()
  }
}

/** Locks rows and answers them as they stand. Those that are not known to exist are made first. */
export async function lockRows(
  run: RunStatement<'insertRows' | 'lockRows'>,
  knownRows: KnownRows,
  rows: RowsToLock,
): Promise<readonly Record<string, unknown>[]> {
  const parameters = rows.parameters()
  if (!knownRows.hasAll(rows.names)) await run('insertRows', parameters)
  const locked = await run('lockRows', parameters)
  if (locked.length === rows.all.length) return locked
  // The memory of known rows is older than the database, which was restored.
  knownRows.clear()
  await run('insertRows', parameters)
  return run('lockRows', parameters)
}
