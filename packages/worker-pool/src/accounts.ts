/** The account of a pool: every accepted unit of work is counted once more when it ends, under one of five heads. */

import type { Verdict } from './unit.js'

/** A job or item that was accepted and never begun; submit `fn` elsewhere, or go on behind it. */
export interface ReturnedJob {
  readonly id: string
  readonly companyId: string | undefined
  readonly key: string | undefined
  /** The function of a job; undefined for an item of a map. */
  readonly fn: ((...args: never[]) => unknown) | undefined
  /** The item of a map; undefined for a job. */
  readonly input: unknown
}

/** What still ran when a stop reached its deadline; whether it has its effect is unknown. */
export interface AbandonedJob {
  readonly id: string
  readonly companyId: string | undefined
  /** Since the start of its last attempt, in ms. */
  readonly runningMs: number
}

/** What became of everything that a pool accepted: `accepted` is the sum of the five counts below it. */
export interface StopReport {
  readonly pool: string
  readonly accepted: number
  readonly done: number
  readonly failed: number
  readonly cancelled: number
  readonly returned: number
  readonly abandoned: number
  readonly returnedJobs: readonly ReturnedJob[]
  readonly abandonedJobs: readonly AbandonedJob[]
}

/** Counts ends. */
export class Accounts {
  accepted = 0
  readonly ended: Record<Verdict, number> = { done: 0, failed: 0, cancelled: 0, returned: 0, abandoned: 0 }
  readonly returnedJobs: ReturnedJob[] = []
  readonly abandonedJobs: AbandonedJob[] = []

  /** Puts what was never begun on the list of what its submitter gets back. */
  give(
    unit: { readonly id: string; readonly companyId: string | undefined; readonly input?: unknown },
    key?: string,
    fn?: ReturnedJob['fn'],
  ): void {
    const { id, companyId, input } = unit
    this.returnedJobs.push({ id, companyId, key, fn, input })
  }

  report(pool: string): StopReport {
    const { accepted, ended, returnedJobs, abandonedJobs } = this
    return Object.freeze({
      pool,
      accepted,
      ...ended,
      returnedJobs: Object.freeze([...returnedJobs]),
      abandonedJobs: Object.freeze([...abandonedJobs]),
    })
  }
}
