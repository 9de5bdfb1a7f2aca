/** Whether an entry is answered as it is, and whether it is loaded anew beside that. */

/** What freshness is judged by. */
export interface Age {
  /** How much longer Redis keeps the entry, in ms. */
  readonly leftMs: number
  /** How long its load took, in ms. */
  readonly loadMs: number
  /** How much of `leftMs` is after its time. */
  readonly staleMs: number
  readonly earlyRefresh: boolean
}

/**
 * `fresh`: nothing is to be done. `due`: its time is nearly over, so somebody loads it now. `stale`: its time is
 * over.
 *
 * Early refresh is the XFetch of Vattani, Chierichetti and Lowenstein (VLDB 2015): each reader decides for itself,
 * with a chance that grows as the end comes near and with what a load costs, so that one of many goes first.
 */
export function freshnessOf(age: Age, fraction: () => number): 'fresh' | 'due' | 'stale' {
  const freshMs = age.leftMs - age.staleMs
  if (freshMs <= 0) return age.staleMs > 0 ? 'stale' : 'due'
  if (!age.earlyRefresh) return 'fresh'
  // 1 - fraction lies above 0, so that its logarithm is finite.
  return freshMs <= -age.loadMs * Math.log(1 - fraction()) ? 'due' : 'fresh'
}
