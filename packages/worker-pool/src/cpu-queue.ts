/** Jobs that wait for a thread, in order; taking is as cheap as adding, however many there are. */

import type { CpuJob } from './cpu-job.js'

const COMPACT_AT = 10_000

/** The queue. */
export class CpuQueue {
  #jobs: CpuJob[] = []
  #head = 0

  get size(): number {
    return this.#jobs.length - this.#head
  }

  push(job: CpuJob): void {
    this.#jobs.push(job)
  }

  /** Before all others, in their order. */
  putBack(jobs: readonly CpuJob[]): void {
    if (jobs.length === 0) return
    this.#jobs = [...jobs, ...this.#jobs.slice(this.#head)]
    this.#head = 0
  }

  /** Forgets jobs at the front that ended while they waited. */
  skipEnded(): void {
    while (this.#jobs[this.#head]?.isEnded === true) this.#head += 1
  }

  /** The next jobs that have not ended. */
  take(count: number): CpuJob[] {
    const taken: CpuJob[] = []
    while (taken.length < count && this.#head < this.#jobs.length) {
      const job = this.#jobs[this.#head]
      this.#head += 1
      if (job !== undefined && !job.isEnded) taken.push(job)
    }
    if (this.#head === this.#jobs.length || this.#head > COMPACT_AT) {
      this.#jobs = this.#jobs.slice(this.#head)
      this.#head = 0
    }
    return taken
  }
}
