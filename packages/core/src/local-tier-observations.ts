/** What the tier inside a process reports of itself; the other half of the list is observer.ts. */

/** Whether this process may answer what is cached, as it was a moment ago. */
export interface CacheTrust {
  readonly trusted: boolean
  /** Since the newest probe was sent that a relay has echoed; what is answered from a cache is at most this old. */
  readonly ageMs: number
}

/** What the memory of this process holds. */
export interface LocalTierSize {
  readonly companies: number
  readonly entries: number
  /** Estimated. */
  readonly bytes: number
}

/** All that this process held of one company, or of all, was dropped. */
export interface LocalTierDrop {
  /**
   * `gap` a push is missing · `reconnect` the subscription was interrupted · `generation` all is void in Redis
   * too · `fork` one version with two values · `idle` nobody read it · `bounds` there was no room.
   */
  readonly reason: 'gap' | 'reconnect' | 'generation' | 'fork' | 'idle' | 'bounds'
}
