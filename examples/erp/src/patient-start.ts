/** A start that waits for its database, while the app answers that it is not ready. */

import { type Closable, closeOnce, KerpError, sleep, systemClock } from '@kerp/core'
import { DatabaseUnavailableError } from '@kerp/postgres'

const RETRY_MS = 500

/** Does something that needs the database: at once if it is there, else as soon as it is back. */
export class PatientStart implements Closable {
  readonly #work: () => Promise<void>
  readonly #onUnfit: (error: unknown) => void
  readonly #stopping = new AbortController()
  #done = false
  #background: Promise<void> = Promise.resolve()

  readonly close = closeOnce(async () => {
    this.#stopping.abort()
    await this.#background
  })

  /** `onUnfit` hears of a database that came and cannot be used: waiting any longer would not help. */
  constructor(work: () => Promise<void>, onUnfit: (error: unknown) => void) {
    this.#work = work
    this.#onUnfit = onUnfit
  }

  get isDone(): boolean {
    return this.#done
  }

  /** @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable, as long as the work is not done. */
  require(): void {
    if (!this.#done) throw new DatabaseUnavailableError('this request')
  }

  /**
   * Resolves after the first attempt; when the database was not there, further ones follow in the background.
   *
   * @throws whatever the work throws and says that it cannot be repeated.
   */
  async begin(): Promise<void> {
    if (await this.#attempt()) return
    this.#background = this.#goOn()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #goOn(): Promise<void> {
    try {
      do await sleep(systemClock, RETRY_MS, this.#stopping.signal)
      while (!(await this.#attempt()))
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#onUnfit(error)
    }
  }

  async #attempt(): Promise<boolean> {
    try {
      await this.#work()
      this.#done = true
      return true
    } catch (error) {
      if (error instanceof KerpError && error.retryable) return false
      throw error
    }
  }
}
