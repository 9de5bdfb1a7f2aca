/** Frees the goods of reservations whose time is up, in the background. */

import {
  type Clock,
  type Closable,
  closeOnce,
  combineObservers,
  KerpError,
  type Observer,
  systemClock,
  type Timer,
  wholeNumberOption,
} from '@kerp/core'
import type { Stock } from './stock.js'

/** What a sweeper is made of, with its bounds. */
export interface ReservationSweeperOptions {
  readonly stock: Pick<Stock, 'expire'>
  readonly observer?: Observer
  readonly clock?: Clock
  /** From the end of one sweep to the next: goods are free at most so long after their time. In ms. @defaultValue 1_000 */
  readonly everyMs?: number
  /** Reservations that one call ends. From 1 to 1,000. @defaultValue 200 */
  readonly limit?: number
  /** Calls of one sweep; what is left is done by the next one. @defaultValue 20 */
  readonly callsMax?: number
}

/**
 * Sweeps. Any number of processes may: each reservation ends once, by the database's clock, whoever finds it.
 *
 * A sweep that fails is observed as `backgroundError` and done again; no goods are lost meanwhile, they are free
 * later. A confirmation that comes too late is refused whether or not a sweep has passed.
 */
export class ReservationSweeper implements Closable {
  readonly close: () => Promise<void>
  readonly #stock: ReservationSweeperOptions['stock']
  readonly #observer: Observer
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #limit: number
  readonly #callsMax: number
  #timer: Timer | undefined
  #sweeping: Promise<void> = Promise.resolve()
  #isStarted = false
  #isClosed = false

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: ReservationSweeperOptions) {
    const whole = (
      option: keyof ReservationSweeperOptions,
      bounds: { readonly min: number; readonly max: number; readonly fallback: number },
    ): number => wholeNumberOption('ReservationSweeper', option, options[option], bounds)
    this.#stock = options.stock
    this.#observer = combineObservers(options.observer)
    this.#clock = options.clock ?? systemClock
    this.#everyMs = whole('everyMs', { min: 10, max: 3_600_000, fallback: 1_000 })
    this.#limit = whole('limit', { min: 1, max: 1_000, fallback: 200 })
    this.#callsMax = whole('callsMax', { min: 1, max: 1_000, fallback: 20 })
    this.close = closeOnce(async () => {
      this.#isClosed = true
      this.#timer?.cancel()
      await this.#sweeping
    })
  }

  /** Begins to sweep, once; returns at once. */
  start(): void {
    if (this.#isStarted || this.#isClosed) return
    this.#isStarted = true
    this.#goOn()
  }

  /**
   * One sweep, at most `callsMax` calls of `limit`.
   *
   * @returns how many reservations it ended.
   * @throws what the store throws.
   */
  async sweep(): Promise<number> {
    let ended = 0
    for (let call = 0; call < this.#callsMax && !this.#isClosed; call += 1) {
      const { expired, isMore } = await this.#stock.expire({ limit: this.#limit })
      ended += expired
      if (!isMore) break
    }
    return ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #goOn(): void {
    if (this.#isClosed) return
    this.#sweeping = this.#sweepQuietly()
    void this.#sweeping.then(() => {
      if (!this.#isClosed) this.#timer = this.#clock.setTimer(this.#everyMs, () => this.#goOn())
    })
  }

  async #sweepQuietly(): Promise<void> {
    try {
      await this.sweep()
    } catch (error) {
      const code = error instanceof KerpError ? error.code : 'UNEXPECTED'
      this.#observer.backgroundError?.({ source: 'ReservationSweeper', code })
    }
  }
}
