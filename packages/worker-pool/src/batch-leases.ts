/** Renews the leases of the chunks that this process works on, all in one statement. */

import type { BatchChunk, BatchChunkRef, Clock, Timer } from '@kerp/core'

/** Keeps the leases of chunks that are in work. */
export class BatchLeases {
  readonly #held = new Set<BatchChunk>()
  readonly #extend: (chunks: readonly BatchChunkRef[]) => Promise<unknown>
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #onError: (error: unknown) => void
  #timer: Timer | undefined

  constructor(options: {
    readonly extend: (chunks: readonly BatchChunkRef[]) => Promise<unknown>
    readonly clock: Clock
    readonly everyMs: number
    readonly onError: (error: unknown) => void
  }) {
    this.#extend = options.extend
    this.#clock = options.clock
    this.#everyMs = options.everyMs
    this.#onError = options.onError
  }

  get held(): readonly BatchChunk[] {
    return [...this.#held]
  }

  /** Runs `work` and renews the lease meanwhile. A lease that was lost all the same stops nothing: see the ledger. */
  async during<T>(chunk: BatchChunk, work: () => Promise<T>): Promise<T> {
    this.#held.add(chunk)
    this.#arm()
    try {
      return await work()
    } finally {
      this.#held.delete(chunk)
    }
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#held.size === 0) return
    this.#timer = this.#clock.setTimer(this.#everyMs, () => void this.#renew())
  }

  async #renew(): Promise<void> {
    try {
      if (this.#held.size > 0) await this.#extend(this.held)
    } catch (error) {
      this.#onError(error)
    }
    this.#timer = undefined
    this.#arm()
  }
}
