/** Which balance rows are known to exist, so that posting need not try to make them every time. */

const ROWS_MAX = 200_000

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
