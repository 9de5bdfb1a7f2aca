/** Who of this process asks, or waits for another process, on behalf of all its readers of a row. */

/** What ends a lead. */
export interface Lead {
  /** Lets those who wait go on; may be called again. */
  end(): void
}

/** Leads by key: at most as many as rows that are being asked for. */
export class Leads {
  readonly #leads = new Map<string, Promise<void>>()

  /** Whether somebody leads for this key. */
  has(key: string): boolean {
    return this.#leads.has(key)
  }

  /** Leads for these keys until it is ended, instead of who did before. */
  begin(keys: readonly string[]): Lead {
    let resolve: () => void = () => undefined
    const ended = new Promise<void>((settle) => {
      resolve = settle
    })
    for (const key of keys) this.#leads.set(key, ended)
    return {
      end: () => {
        for (const key of keys) if (this.#leads.get(key) === ended) this.#leads.delete(key)
        resolve()
      },
    }
  }

  /** Resolves when who leads for this key has asked, and waited for another process if need be. */
  async ended(key: string): Promise<void> {
    await this.#leads.get(key)
    // Whoever has asked and must wait leads on: that lead begins before the first one ends.
    await this.#leads.get(key)
  }
}
