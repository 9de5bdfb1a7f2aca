/** Watches what runs on threads: jobs that take too long are cancelled, threads that do not heed it are ended. */

import type { Clock } from '@kerp/core'
import type { CpuJob } from './cpu-job.js'
import type { CpuThread } from './cpu-thread.js'
import { JobTimeoutError } from './errors.js'

interface Seen {
  readonly job: CpuJob
  readonly sinceMs: number
  /** When it was first seen running although its caller has an answer. */
  unwantedMs: number | undefined
}

const LOOK_MS_MAX = 250
const LOOK_MS_MIN = 5

/** Looks at all threads from time to time. */
export class CpuWatch {
  readonly everyMs: number
  readonly #seen = new WeakMap<CpuThread, Seen>()
  readonly #timeoutMs: number
  readonly #graceMs: number
  readonly #clock: Clock

  constructor(bounds: { readonly timeoutMs: number; readonly graceMs: number }, clock: Clock) {
    this.#timeoutMs = bounds.timeoutMs
    this.#graceMs = bounds.graceMs
    this.#clock = clock
    const shortest = Math.min(bounds.timeoutMs, Math.max(bounds.graceMs, LOOK_MS_MIN * 4))
    this.everyMs = Math.max(LOOK_MS_MIN, Math.min(LOOK_MS_MAX, shortest / 4))
  }

  /** Ends jobs whose time is up; answers the threads to end. */
  overdue(threads: Iterable<CpuThread>): readonly CpuThread[] {
    const nowMs = this.#clock.monotonicMs()
    return [...threads].filter((thread) => {
      const job = thread.running
      if (job === undefined) {
        this.#seen.delete(thread)
        return false
      }
      const before = this.#seen.get(thread)
      const seen = before?.job === job ? before : { job, sinceMs: nowMs, unwantedMs: undefined }
      this.#seen.set(thread, seen)
      if (!job.isEnded && nowMs - seen.sinceMs >= this.#timeoutMs) {
        thread.warn(job)
        job.reject('failed', new JobTimeoutError(job.id, this.#timeoutMs))
      }
      if (job.isEnded) seen.unwantedMs ??= nowMs
      return seen.unwantedMs !== undefined && nowMs - seen.unwantedMs >= this.#graceMs
    })
  }
}
