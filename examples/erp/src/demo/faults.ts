/** Breaks servers while the job runs, one after the other, and measures when everything is in use again. */

import type { Erp } from '../main.js'
import { isServedFromCache } from '../served.js'
import { pause } from './patience.js'
import type { Screen } from './screen.js'

/** Something that goes wrong at a certain part of the job. */
export interface Fault {
  /** Begins its figure, `killRecoveredMs`. */
  readonly kind: string
  readonly words: string
  /** At which share of the job. */
  readonly share: number
  /** Settles at the end of the fault; a server that is replaced by others ends it at once. */
  run(): Promise<void>
  /** What must hold again beside Redis and the database. */
  readonly isOver?: () => Promise<boolean>
}

/** One fault that was done. */
export interface FaultReport {
  readonly kind: string
  readonly words: string
  readonly lastedMs: number
  /** From the fault's end until the relay is through and Redis answers reads. */
  readonly recoveredMs: number
}

const RECOVERY_MS_MAX = 30_000
const LOOK_EVERY_MS = 5

/** Does each fault once. */
export class Faults {
  readonly #erp: Erp
  readonly #screen: Screen
  readonly #due: Fault[]
  readonly #reports: FaultReport[] = []
  #running: Promise<void> = Promise.resolve()

  constructor(erp: Erp, screen: Screen, faults: readonly Fault[]) {
    this.#erp = erp
    this.#screen = screen
    this.#due = [...faults].sort((one, other) => one.share - other.share)
  }

  /** Hears how far the job is. */
  readonly onProgress = (share: number): void => {
    const [next] = this.#due
    if (next === undefined || share < next.share) return
    this.#due.shift()
    void this.do(next)
  }

  /** Does one more, after those that were begun. */
  do(fault: Fault): Promise<void> {
    this.#running = this.#running.then(() => this.#do(fault))
    return this.#running
  }

  /** Waits for the faults that were begun; all of them, once the job has reached its end. */
  finish(): Promise<void> {
    return this.#running
  }

  get reports(): readonly FaultReport[] {
    return this.#reports
  }

  async #do(fault: Fault): Promise<void> {
    const { kind, words } = fault
    this.#screen.line(`✗ ${words}`)
    const begunMs = performance.now()
    await fault.run()
    const backMs = performance.now()
    await this.#recovered(fault)
    const recoveredMs = performance.now() - backMs
    this.#reports.push({ kind, words, lastedMs: backMs - begunMs, recoveredMs })
    this.#screen.line(`✓ all in use again after ${Math.round(recoveredMs)} ms`)
  }

  async #recovered({ isOver }: Fault): Promise<void> {
    const endMs = performance.now() + RECOVERY_MS_MAX
    while (performance.now() < endMs) {
      const isUsed = await isServedFromCache(this.#erp).catch(() => false)
      if (isUsed && (isOver === undefined || (await isOver()))) return
      await pause(LOOK_EVERY_MS)
    }
  }
}
