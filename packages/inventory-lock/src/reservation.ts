/** Frees the goods of reservations whose time is up, in the background. */

import {
  type Clock,
  type Closable,
  type Observer,
  Repeater,
  wholeNumberOption,
  objectOptions,
  partOption,
} from '@kerp/core'
import type { Stock } from './stock.js'

/** What a sweeper is made of, with its bounds. */
export interface ReservationSweeperOptions {
  /** Whose reservations are ended. */
  readonly stock: Pick<Stock, 'expire'>
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** From the end of one sweep to the next: goods are free at most so long after their time. In ms. @defaultValue 1_000 */
  readonly everyMs?: number | undefined
  /** Reservations that one call ends. From 1 to 1,000. @defaultValue 200 */
  readonly limit?: number | undefined
  /** Calls of one sweep; what is left is done by the next one. @defaultValue 20 */
  readonly callsMax?: number | undefined
}

/**
 * Sweeps. Any number of processes may: each reservation ends once, by the database's clock, whoever finds it.
 *
 * A sweep that fails is observed as `backgroundError` and done again; no goods are lost meanwhile, they are free
 * later. A confirmation that comes too late is refused whether or not a sweep has passed.
 */
export class ReservationSweeper implements Closable {
  readonly #stock: ReservationSweeperOptions['stock']
  readonly #limit: number
  readonly #callsMax: number
  readonly #repeater: Repeater

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: ReservationSweeperOptions) {
    objectOptions('ReservationSweeper', options)
    const whole = (
      option: keyof ReservationSweeperOptions,
      bounds: { readonly min: number; readonly max: number; readonly fallback: number },
    ): number => wholeNumberOption('ReservationSweeper', option, options[option], bounds)
    this.#stock = partOption('ReservationSweeper', 'stock', options.stock, {
      methods: ['expire'],
      words: 'a Stock',
    })
    this.#limit = whole('limit', { min: 1, max: 1_000, fallback: 200 })
    this.#callsMax = whole('callsMax', { min: 1, max: 1_000, fallback: 20 })
    this.#repeater = new Repeater({
      source: 'ReservationSweeper',
      pass: () => this.sweep(),
      everyMs: whole('everyMs', { min: 10, max: 3_600_000, fallback: 1_000 }),
      observer: options.observer,
      clock: options.clock,
    })
  }

  /** Begins to sweep, once; returns at once. */
  start(): void {
    this.#repeater.start()
  }

  /**
   * One sweep, at most `callsMax` calls of `limit`.
   *
   * @returns how many reservations it ended.
   * @throws what the store throws.
   */
  async sweep(): Promise<number> {
    let ended = 0
    for (let call = 0; call < this.#callsMax && !this.#repeater.isClosed; call += 1) {
      const { expired, isMore } = await this.#stock.expire({ limit: this.#limit })
      ended += expired
      if (!isMore) break
    }
    return ended
  }

  /** Ends the sweep that runs after its present call. */
  close(): Promise<void> {
    return this.#repeater.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
