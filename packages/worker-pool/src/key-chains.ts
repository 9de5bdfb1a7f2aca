/** One after the other: jobs of one key stand in a chain, and only its first one may begin. */

import type { PoolJob } from './pool-job.js'

/** The chains of all keys in use. A job that ended before its turn stays in its chain until that comes to it. */
export class KeyChains {
  readonly #last = new Map<string, PoolJob>()

  /** Joins the chain of its key; true if nobody is before it. */
  enter(job: PoolJob): boolean {
    const { key } = job.terms
    if (key === undefined) return true
    const name = scoped(job.companyId, key)
    const last = this.#last.get(name)
    if (last !== undefined) last.rare.behind = job
    this.#last.set(name, job)
    return last === undefined
  }

  /** Whether another job of the same key is before it, were it to join. */
  isBusy(job: PoolJob): boolean {
    const { key } = job.terms
    return key !== undefined && this.#last.has(scoped(job.companyId, key))
  }

  /** The first of a chain leaves it; answers with the one behind, or undefined. */
  leave(job: PoolJob): PoolJob | undefined {
    const { key } = job.terms
    if (key === undefined) return undefined
    const name = scoped(job.companyId, key)
    const { behind } = job
    if (behind !== undefined) job.rare.behind = undefined
    if (behind === undefined) this.#last.delete(name)
    return behind
  }
}

/** A name that no other pair of company and text has: neither keys nor ids meet across companies. */
export function scoped(companyId: string | undefined, text: string): string {
  return companyId === undefined ? `-${text}` : `${companyId.length}:${companyId}${text}`
}
