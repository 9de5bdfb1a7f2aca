/**
 * One listener for each AbortSignal, whatever the number of jobs that share it.
 *
 * A listener per job is quadratic in Node: with 100,000 jobs on one signal it takes tens of seconds to add them,
 * and as long to abort.
 */

import { isEnded, type PoolJob } from './pool-job.js'

interface Group {
  jobs: PoolJob[]
  live: number
  readonly listener: () => void
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
    const group: Group = { jobs: [], live: 0, listener }
    this.#groups.set(signal, group)
    signal.addEventListener('abort', listener)
    return group
  }

  #drop(signal: AbortSignal, group: Group): void {
    signal.removeEventListener('abort', group.listener)
    this.#groups.delete(signal)
  }
}
