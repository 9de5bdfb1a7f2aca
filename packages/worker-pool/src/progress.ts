/** How far a piece of work is, how fast it goes, and when it will be done. */

import type { Clock } from '@kerp/core'

/** For a progress bar. */
export interface Progress {
  /** Ended well. */
  readonly done: number
  /** Ended otherwise. */
  readonly failed: number
  readonly total: number | undefined
  /** Ends per second, lately; undefined before the first two moments that differ. */
  readonly perSecond: number | undefined
  /** Until the total is reached at this rate; undefined while either is unknown. In ms. */
  readonly remainingMs: number | undefined
}

/** Ends further back count for less: by half after 3.5 s. */
const MEMORY_MS = 5_000

/** Two looks closer than this are one moment. */
const SAMPLE_MS_MIN = 50

/** Keeps the rate. It looks at the clock only when it is asked. */
export class ProgressMeter {
  done = 0
  failed = 0
  total: number | undefined
  readonly #clock: Clock
  #sampledMs: number
  #sampledEnds = 0
  #perSecond: number | undefined

  constructor(clock: Clock, total: number | undefined) {
    this.#clock = clock
    this.total = total
    this.#sampledMs = clock.monotonicMs()
  }

  read(): Progress {
    this.#sample()
    const { done, failed, total } = this
    const perSecond = this.#perSecond
    const left = total === undefined ? undefined : Math.max(0, total - done - failed)
    return { done, failed, total, perSecond, remainingMs: remainingMs(left, perSecond) }
  }

  #sample(): void {
    const nowMs = this.#clock.monotonicMs()
    const elapsedMs = nowMs - this.#sampledMs
    if (elapsedMs < SAMPLE_MS_MIN) return
    const ends = this.done + this.failed
    const lately = ((ends - this.#sampledEnds) / elapsedMs) * 1_000
    const weight = 1 - Math.exp(-elapsedMs / MEMORY_MS)
    this.#perSecond =
      this.#perSecond === undefined ? lately : this.#perSecond + (lately - this.#perSecond) * weight
    this.#sampledMs = nowMs
    this.#sampledEnds = ends
  }
}

function remainingMs(left: number | undefined, perSecond: number | undefined): number | undefined {
  if (left === 0) return 0
  if (left === undefined || perSecond === undefined || perSecond <= 0) return undefined
  return (left / perSecond) * 1_000
}
