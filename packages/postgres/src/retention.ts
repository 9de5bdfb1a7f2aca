/** Deletes what is older than its horizon, in the background, for as long as it runs. */

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
import type { EventLog } from './event-log.js'
import type { Outbox } from './outbox.js'

/** What retention is made of. */
export interface RetentionOptions {
  readonly outbox: Pick<Outbox, 'trim'>
  /** Left out where no events are told. */
  readonly eventLog?: Pick<EventLog, 'trim'>
  readonly observer?: Observer
  readonly clock?: Clock
  /** What is older may go, in ms. @defaultValue 604_800_000, which is 7 days */
  readonly olderThanMs?: number
  /** From the end of one pass to the next, in ms. @defaultValue 3_600_000 */
  readonly everyMs?: number
}

const WEEK_MS = 604_800_000
const HOUR_MS = 3_600_000

/**
 * Trims the outbox and the log of events. Any number of processes may do so.
 *
 * Nothing that a reader still has to read is deleted in silence: a relay that was behind the outbox's mark starts its
 * registers anew, and events that a sink has not read are kept, or observed as `eventTrim` with `lost`. A pass that
 * fails is observed as `backgroundError` and done again.
 */
export class Retention implements Closable {
  readonly close: () => Promise<void>
  readonly #options: RetentionOptions
  readonly #observer: Observer
  readonly #clock: Clock
  readonly #olderThanMs: number
  readonly #everyMs: number
  #timer: Timer | undefined
  #pass: Promise<void> = Promise.resolve()
  #isStarted = false
  #isClosed = false

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor(options: RetentionOptions) {
    const whole = (option: 'olderThanMs' | 'everyMs', fallback: number): number =>
      wholeNumberOption('Retention', option, options[option], {
        min: 1_000,
        max: 10 * 365 * 86_400_000,
        fallback,
      })
    this.#options = options
    this.#observer = combineObservers(options.observer)
    this.#clock = options.clock ?? systemClock
    this.#olderThanMs = whole('olderThanMs', WEEK_MS)
    this.#everyMs = whole('everyMs', HOUR_MS)
    this.close = closeOnce(async () => {
      this.#isClosed = true
      this.#timer?.cancel()
      await this.#pass
    })
  }

  /** Begins, once; returns at once. */
  start(): void {
    if (this.#isStarted || this.#isClosed) return
    this.#isStarted = true
    this.#goOn()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #goOn(): void {
    if (this.#isClosed) return
    this.#pass = this.#trim()
    void this.#pass.then(() => {
      if (!this.#isClosed) this.#timer = this.#clock.setTimer(this.#everyMs, () => this.#goOn())
    })
  }

  async #trim(): Promise<void> {
    const { outbox, eventLog } = this.#options
    const retention = { olderThanMs: this.#olderThanMs }
    const ends = await Promise.allSettled([outbox.trim(retention), eventLog?.trim(retention)])
    for (const end of ends) {
      if (end.status === 'fulfilled') continue
      const code = end.reason instanceof KerpError ? end.reason.code : 'UNEXPECTED'
      this.#observer.backgroundError?.({ source: 'Retention', code })
    }
  }
}
