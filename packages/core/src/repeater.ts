/** Work in the background that is done again and again, one pass after the other, until it is closed. */

import { type Clock, systemClock, type Timer } from './clock.js'
import { type Closable, closeOnce } from './closable.js'
import { observerOfPart } from './logger.js'
import type { Observer } from './observer.js'
import { tellFailure } from './tell-failure.js'

/** What a repeater is made of. */
export interface RepeaterOptions {
  /** Who reports: the source of `backgroundError`. */
  readonly source: string
  /** One pass. What it throws is observed, and the next pass comes all the same. */
  readonly pass: () => Promise<unknown>
  /** From the end of one pass to the beginning of the next, in ms. */
  readonly everyMs: number
  /** Before the first pass, in ms. @defaultValue 0: it begins within `start` */
  readonly firstMs?: number | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
}

/**
 * Repeats a pass. Two passes never run at once, a pass that fails is observed as `backgroundError` and done again, and
 * `close` waits for the pass that runs.
 */
export class Repeater implements Closable {
  readonly close = closeOnce(() => this.#end())
  readonly #options: RepeaterOptions
  readonly #observer: Observer
  readonly #clock: Clock
  #timer: Timer | undefined
  #pass: Promise<void> = Promise.resolve()
  #isStarted = false
  #isClosed = false

  /** Does nothing until `start`. */
  constructor(options: RepeaterOptions) {
    this.#options = options
    this.#observer = observerOfPart(options.observer)
    this.#clock = options.clock ?? systemClock
  }

  /** Begins, once; returns at once. */
  start(): void {
    if (this.#isStarted || this.#isClosed) return
    this.#isStarted = true
    const { firstMs = 0 } = this.#options
    if (firstMs > 0) this.#goOnIn(firstMs)
    else this.#goOn()
  }

  /** Whether no pass begins any more; a long pass may look and end early. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #goOn(): void {
    this.#pass = this.#passQuietly()
    void this.#pass.then(() => {
      if (!this.#isClosed) this.#goOnIn(this.#options.everyMs)
    })
  }

  #goOnIn(delayMs: number): void {
    this.#timer = this.#clock.setTimer(delayMs, () => this.#goOn())
  }

  async #passQuietly(): Promise<void> {
    try {
      await this.#options.pass()
    } catch (error) {
      tellFailure(this.#observer, this.#options.source, error)
    }
  }

  async #end(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#pass
  }
}
