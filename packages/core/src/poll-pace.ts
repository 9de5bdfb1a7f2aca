/** The pace of a background loop that polls, may be woken before its time, and backs off after failures. */

import { type Clock, type Timer } from './clock.js'
import { type Closable, closeOnce } from './closable.js'
import type { RandomSource } from './ids.js'
import type { Observer } from './observer.js'
import { jitteredBackoffMs } from './retry.js'
import { tellFailure } from './tell-failure.js'

/** What a pace is made of. */
export interface PollPaceOptions {
  /** Who reports: the source of `backgroundError`. */
  readonly source: string
  /** Calls `wake` when there may be something to do. Only a hint, which saves time: without it the loop polls. */
  readonly onWake: (wake: () => void) => Promise<{ close(): Promise<void> }>
  /** The longest pause after failures, in ms; the first one is a fortieth of it. */
  readonly backoffMsMax: number
  readonly clock: Clock
  readonly random: RandomSource
  readonly observer: Observer
}

const BACKOFF_STEPS = 40
const LISTEN_RETRY_MS = 1_000

/** The waiting of one loop, which is in one pause at a time. */
export class PollPace implements Closable {
  /** Ends the pause and all later ones, and the listening. */
  readonly close = closeOnce(async () => {
    this.stop()
    await this.#listening?.close()
  })
  readonly #options: PollPaceOptions
  #wakes = 0
  #isStopped = false
  #isWakeable = false
  #end: (() => void) | undefined
  #listening: { close(): Promise<void> } | undefined
  #triedMs = Number.NEGATIVE_INFINITY

  /** No I/O happens here. */
  constructor(options: PollPaceOptions) {
    this.#options = options
  }

  /** How often it was woken so far. */
  get wakes(): number {
    return this.#wakes
  }

  /** Listens for wake-ups from the first call on that succeeds; tries at most once a second. Never throws. */
  async listen(): Promise<void> {
    const { source, onWake, clock, observer } = this.#options
    const nowMs = clock.monotonicMs()
    if (this.#listening !== undefined || nowMs - this.#triedMs < LISTEN_RETRY_MS) return
    this.#triedMs = nowMs
    try {
      this.#listening = await onWake(() => this.#wake())
    } catch (error) {
      tellFailure(observer, source, error)
    }
  }

  /** Until `delayMs` have passed, or somebody wakes it. */
  pause(delayMs: number): Promise<void> {
    return this.#wait(delayMs, true)
  }

  /** Until `delayMs` have passed, whoever wakes it: after a failure. */
  rest(delayMs: number): Promise<void> {
    return this.#wait(delayMs, false)
  }

  /** How long to rest after so many failures in a row, in ms, with jitter. */
  backoffMs(failures: number): number {
    const { backoffMsMax, random } = this.#options
    const backoffMs = Math.max(1, backoffMsMax / BACKOFF_STEPS)
    return Math.max(1, jitteredBackoffMs(failures, { backoffMs, backoffMsMax, random }))
  }

  /** Ends the pause that there is; later ones end at once. */
  stop(): void {
    this.#isStopped = true
    this.#end?.()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #wake(): void {
    this.#wakes += 1
    if (this.#isWakeable) this.#end?.()
  }

  #wait(delayMs: number, isWakeable: boolean): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    this.#isWakeable = isWakeable
    return new Promise((resolve) => {
      const timer: Timer = this.#options.clock.setTimer(delayMs, () => this.#end?.())
      this.#end = () => {
        timer.cancel()
        this.#end = undefined
        resolve()
      }
    })
  }
}
