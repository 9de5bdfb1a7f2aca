/** The words of one job: what is asked for, what its function is given, and the handle that its submitter holds. */

/** Where a job is; the last five are ends, and each job has exactly one. */
export type JobState =
  | 'waiting'
  | 'queued'
  | 'running'
  | 'done'
  | 'failed'
  | 'cancelled'
  | 'returned'
  | 'abandoned'

/** `high` jobs begin before `normal` and `low` ones, which are late but never starved. */
export type JobPriority = 'high' | 'normal' | 'low'

/** How often a failed job is repeated. The waits between are random, below a limit that doubles. */
export interface JobRetry {
  /** Attempts in all, the first included. */
  readonly attemptsMax: number
  /** @defaultValue 20 */
  readonly backoffMs?: number | undefined
  /** @defaultValue 1_000 */
  readonly backoffMsMax?: number | undefined
  /** Whether an error may be repeated. A timeout never is: the function may still run. @defaultValue `retryable` of a `KerpError` */
  readonly isRetryable?: ((error: unknown) => boolean) | undefined
}

/** What one call asks for; all may be left out. */
export interface JobOptions {
  /**
   * While a job of this id and company is in the pool, submitting it again joins it: same handle, same result. Up
   * to 256 characters. @defaultValue a new id
   */
  readonly id?: string | undefined
  /** Jobs of one key and company run one after the other, in the order of their submission. */
  readonly key?: string | undefined
  /** Companies take turns, whatever the length of their queues; ids and keys never join across companies. */
  readonly companyId?: string | undefined
  /** `high`, `normal` or `low`; lower ones are late and never starved. @defaultValue 'normal' */
  readonly priority?: JobPriority | undefined
  /** From the start of one attempt to its end, in ms. @defaultValue that of the pool */
  readonly timeoutMs?: number | undefined
  /** The longest that the job waits for its start, in ms; then it is cancelled with `DEADLINE_EXCEEDED`. @defaultValue no limit */
  readonly waitMs?: number | undefined
  /** How often it is tried again when it fails, and after what waits. @defaultValue that of the pool */
  readonly retry?: JobRetry | undefined
  /** Ends the job when it aborts. Any number of jobs may share one signal; the pool listens to it once. */
  readonly signal?: AbortSignal | undefined
}

/** How far a job has come, in its own units. */
export interface JobProgress {
  readonly done: number
  readonly total: number | undefined
}

/** What the function of a job is given. */
export interface JobContext {
  readonly id: string
  readonly companyId: string | undefined
  /** 1 at the first attempt. */
  readonly attempt: number
  /** Aborts when the job is cancelled, times out, or its pool stops. It is made when it is first read. */
  readonly signal: AbortSignal
  /** Tells the handle, and the pool's `jobProgressed` notice, how far the job has come. */
  readonly report: (done: number, total?: number) => void
}

/** The work of a job. It runs in the async context of its submitter. */
export type JobFunction<T> = (context: JobContext) => T | PromiseLike<T>

/**
 * The handle of a job. It is no promise itself: `await pool.submit(…)` waits for admission, `await job.result` for
 * the end.
 */
export interface Job<T> {
  readonly id: string
  readonly companyId: string | undefined
  readonly state: JobState
  /** Attempts that were begun. */
  readonly attempt: number
  /** What the function reported last. */
  readonly progress: JobProgress | undefined
  /**
   * Settles once, with what the function returned, or as the job ended otherwise. It is made when it is first read,
   * so a failure that nobody asks for is counted, but is no unhandled rejection.
   */
  readonly result: Promise<T>
  /**
   * Before the start the job ends at once. While it runs its signal aborts, and it ends when its function does, or
   * after the pool's `graceMs`; a function that still returns a value is done.
   *
   * @returns whether there was anything left to cancel.
   */
  cancel(reason?: unknown): boolean
}
