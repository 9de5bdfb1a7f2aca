/** What a worker pool reports: one part of the list in observer.ts. */

/** How full a worker pool is. */
export interface PoolLevel {
  /** The pool's name. */
  readonly pool: string
  /** Jobs that may run at once. */
  readonly size: number
  /** Accepted jobs that wait for their start or for another attempt. */
  readonly pending: number
  readonly running: number
  /** Functions that were told to stop, lost their place, and still run. */
  readonly overdue: number
}

/**
 * How a job of a worker pool ended. `timeout` also for one that waited too long · `dropped` from a full queue ·
 * `returned` by a stop before it began · `abandoned` by a stop while it ran.
 */
export type PoolJobOutcome =
  | 'done'
  | 'failed'
  | 'timeout'
  | 'cancelled'
  | 'dropped'
  | 'returned'
  | 'abandoned'

/** The end of a job of a worker pool, or of one item of a map. */
export interface PoolJobEnd {
  readonly pool: string
  readonly outcome: PoolJobOutcome
  /** From its acceptance to the start of its last attempt, or to its end if it never began. */
  readonly waitMs: number
  /** Of its last attempt; undefined if it never began. */
  readonly runMs: number | undefined
}
