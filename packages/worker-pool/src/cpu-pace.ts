/** How many jobs go into one message: as many as take a few milliseconds, and fewer near the end. */

import { LANE_ITEMS, LANES } from './cpu-thread.js'

/** How much work a message should be, in ms. */
const MESSAGE_MS = 4
/** How much one message changes what was known of the time of a job. */
const WEIGHT = 0.3

/** Learns from what messages took. */
export class CpuPace {
  #jobMs: number | undefined

  learn({ jobs, elapsedMs }: { readonly jobs: number; readonly elapsedMs: number }): void {
    if (jobs === 0) return
    const jobMs = elapsedMs / jobs
    this.#jobMs = this.#jobMs === undefined ? jobMs : this.#jobMs * (1 - WEIGHT) + jobMs * WEIGHT
  }

  /** The size of the next message, with so many jobs waiting: no thread may be idle while another has plenty. */
  messageOf(waiting: number, threads: number): number {
    const fair = Math.ceil(waiting / (threads * LANES))
    const known = this.#jobMs === undefined ? 1 : MESSAGE_MS / Math.max(this.#jobMs, 0.0001)
    return Math.max(1, Math.min(LANE_ITEMS, fair, Math.round(known)))
  }
}
