/** Lets a bounded number of loads run at once, whatever happens to Redis; the others wait for their turn. */

import { OverloadedError } from '@kerp/core'

/** A gate for loads. */
export class LoadGate {
  readonly #loadsMax: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(loadsMax: number, waitingMax: number) {
    this.#loadsMax = loadsMax
    this.#waitingMax = waitingMax
  }

  /**
   * Runs `work` when it is its turn, in the order of the calls.
   *
   * @throws {OverloadedError} `OVERLOADED`, retryable, when too many wait.
   * @throws whatever `work` throws.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#loadsMax) {
      if (this.#waiting.length >= this.#waitingMax) {
        throw new OverloadedError('ReadThrough', 'waitingLoadsMax', this.#waitingMax)
      }
      // Who leaves hands its place over, so that nobody who comes later is let in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running += 1
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
