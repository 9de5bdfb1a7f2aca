/** The jobs of a pool by the signal that ends them, so that an abort ends them in bulk. */

import { onAbort } from '@kerp/core'
import { isEnded, type PoolJob } from './pool-job.js'

interface Group {
  jobs: PoolJob[]
  live: number
  readonly unlisten: () => void
}

/** Below this many a list is not worth tidying. */
const TIDY_MIN = 64

/** Jobs by the signal that ends them. */
export class SignalGroups {
  readonly #groups = new Map<AbortSignal, Group>()
  readonly #onAbort: (jobs: readonly PoolJob[], reason: unknown) => void

  constructor(onAbort: (jobs: readonly PoolJob[], reason: unknown) => void) {
    this.#onAbort = onAbort
  }

  add(signal: AbortSignal, job: PoolJob): void {
    const group = this.#groups.get(signal) ?? this.#listen(signal)
    group.jobs.push(job)
    group.live += 1
  }

  /** One job of this signal needs it no longer. */
  ended(signal: AbortSignal): void {
    const group = this.#groups.get(signal)
    if (group === undefined) return
    group.live -= 1
    if (group.live === 0) this.#drop(signal, group)
    else if (group.jobs.length >= TIDY_MIN && group.jobs.length > 2 * group.live) {
      group.jobs = group.jobs.filter((job) => !isEnded(job.state))
    }
  }

  #listen(signal: AbortSignal): Group {
    const listener = (): void => {
      this.#drop(signal, group)
      this.#onAbort(
        group.jobs.filter((job) => !isEnded(job.state)),
        signal.reason,
      )
    }
    const group: Group = { jobs: [], live: 0, unlisten: onAbort(signal, listener) }
    this.#groups.set(signal, group)
    return group
  }

  #drop(signal: AbortSignal, group: Group): void {
    group.unlisten()
    this.#groups.delete(signal)
  }
}
