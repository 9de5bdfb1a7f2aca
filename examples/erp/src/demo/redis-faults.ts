/** `--faults`: kills and pauses the demo's own Redis while the job runs, and measures when it serves again. */

import type { PrivateRedis } from '@kerp/redis/testing'
import { COMPANIES } from '../companies.js'
import type { Erp } from '../main.js'
import type { Screen } from './screen.js'

/** One fault that was done, and how long after its end Redis answered reads again. */
export interface FaultReport {
  readonly kind: 'kill' | 'pause'
  readonly lastedMs: number
  /** From the fault's end to the first read that Redis answered. */
  readonly recoveredMs: number
}

const DOWN_MS = 600
const PAUSED_MS = 1_000
const RECOVERY_MS_MAX = 10_000
const LOOK_EVERY_MS = 5

/** At which share of the job each fault happens. */
const PLAN: readonly { readonly share: number; readonly kind: FaultReport['kind'] }[] = [
  { share: 0.15, kind: 'kill' },
  { share: 0.55, kind: 'pause' },
]

/** Does each fault of the plan once, one after the other. */
export class RedisFaults {
  readonly #erp: Erp
  readonly #server: PrivateRedis
  readonly #screen: Screen
  readonly #reports: FaultReport[] = []
  #next = 0
  #running: Promise<void> = Promise.resolve()

  constructor(options: { readonly erp: Erp; readonly server: PrivateRedis; readonly screen: Screen }) {
    this.#erp = options.erp
    this.#server = options.server
    this.#screen = options.screen
  }

  /** Hears how far the job is. */
  readonly onProgress = (share: number): void => {
    const due = PLAN[this.#next]
    if (due === undefined || share < due.share) return
    this.#next += 1
    this.#running = this.#running.then(() => this.#do(due.kind))
  }

  /** Waits for the faults that were begun; all of them, once the job has reached its end. */
  async finish(): Promise<readonly FaultReport[]> {
    await this.#running
    return this.#reports
  }

  async #do(kind: FaultReport['kind']): Promise<void> {
    const begunMs = performance.now()
    this.#screen.line(kind === 'kill' ? '✗ Redis is killed' : '✗ Redis is paused')
    if (kind === 'kill') {
      await this.#server.kill()
      await wait(DOWN_MS)
      await this.#server.restart()
    } else {
      this.#server.pause()
      await wait(PAUSED_MS)
      this.#server.resume()
    }
    const backMs = performance.now()
    const recoveredMs = (await this.#answeredByRedis()) - backMs
    this.#reports.push({ kind, lastedMs: backMs - begunMs, recoveredMs })
    this.#screen.line(`✓ Redis answers again, ${Math.round(recoveredMs)} ms after it came back`)
  }

  async #answeredByRedis(): Promise<number> {
    const endMs = performance.now() + RECOVERY_MS_MAX
    for (;;) {
      const refs = COMPANIES.map(({ id }) => ({ companyId: id, account: '11210', fiscalYear: 2_026 }))
      const found = await Promise.all(refs.map((ref) => this.#erp.balances.get(ref)))
      if (found.every(({ source }) => source !== 'database') || performance.now() > endMs)
        return performance.now()
      await wait(LOOK_EVERY_MS)
    }
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
