/** Deletes what is older than its horizon, in the background, for as long as it runs. */

import { type Clock, type Closable, closeOnce, type Observer, Repeater, wholeNumberOption } from '@kerp/core'
import type { EventLog } from './event-log.js'
import type { Outbox } from './outbox.js'

/** What retention is made of. */
export interface RetentionOptions {
  /** Whose rows are deleted. */
  readonly outbox: Pick<Outbox, 'trim'>
  /** Left out where no events are told. */
  readonly eventLog?: Pick<EventLog, 'trim'> | undefined
  readonly observer?: Observer | undefined
  readonly clock?: Clock | undefined
  /** What is older may go, in ms. @defaultValue 604_800_000, which is 7 days */
  readonly olderThanMs?: number | undefined
  /** From the end of one pass to the next, in ms. @defaultValue 3_600_000 */
  readonly everyMs?: number | undefined
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
  readonly #repeaters: readonly Repeater[]

  /** @throws {InvalidOptionError} `INVALID_OPTION` */
  constructor({ outbox, eventLog, observer, clock, ...bounds }: RetentionOptions) {
    const whole = (option: keyof typeof bounds, fallback: number): number =>
      wholeNumberOption('Retention', option, bounds[option], {
        min: 1_000,
        max: 10 * 365 * 86_400_000,
        fallback,
      })
    const retention = { olderThanMs: whole('olderThanMs', WEEK_MS) }
    const common = { source: 'Retention', everyMs: whole('everyMs', HOUR_MS), observer, clock }
    this.#repeaters = [outbox, ...(eventLog === undefined ? [] : [eventLog])].map(
      (log) => new Repeater({ ...common, pass: () => log.trim(retention) }),
    )
    this.close = closeOnce(async () => {
      await Promise.all(this.#repeaters.map((repeater) => repeater.close()))
    })
  }

  /** Begins, once; returns at once. */
  start(): void {
    for (const repeater of this.#repeaters) repeater.start()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
