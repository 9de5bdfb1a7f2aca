/** When to send: at once after a silence, and then no more often than the tick. One flush at a time. */

import type { Clock, Timer } from '@kerp/core'

/** Calls `flush` for what was marked, until it is closed. */
export class Ticker<T> {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #flush: (marked: readonly T[]) => Promise<void>
  #marked = new Set<T>()
  #timer: Timer | undefined
  #flushing: Promise<void> | undefined
  #lastMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(clock: Clock, tickMs: number, flush: (marked: readonly T[]) => Promise<void>) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#flush = flush
  }

  /** There is something to send for `what`. */
  mark(what: T): void {
    this.#marked.add(what)
    this.#schedule()
  }

  /** Sends what is marked now, and no more afterwards. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    await this.#flushing
    await this.#run()
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#flushing !== undefined || this.#isClosed) return
    const waitMs = Math.max(0, this.#lastMs + this.#tickMs - this.#clock.monotonicMs())
    this.#timer = this.#clock.setTimer(waitMs, () => {
      this.#timer = undefined
      void this.#run()
    })
  }

  async #run(): Promise<void> {
    const marked = [...this.#marked]
    this.#marked = new Set()
    this.#lastMs = this.#clock.monotonicMs()
    if (marked.length === 0) return
    this.#flushing = this.#flush(marked).finally(() => (this.#flushing = undefined))
    await this.#flushing
    if (this.#marked.size > 0) this.#schedule()
  }
}
