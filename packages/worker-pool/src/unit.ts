/** What a place of the pool works on: a job, or one item of a map. */

import type { JobCancelledError } from './errors.js'

/** How a unit of work ended, in the words of the report. */
export type Verdict = 'done' | 'failed' | 'cancelled' | 'returned' | 'abandoned'

/** One accepted piece of work. The pool decides when; the unit knows what, and whom to tell. */
export interface Unit {
  readonly id: string
  readonly companyId: string | undefined
  readonly timeoutMs: number
  /** When it was accepted; 0 where nobody measures. */
  readonly acceptedMs: number
  /** Set while it is told to stop; if its function then throws, it ends as cancelled, with this. */
  cancellation: JobCancelledError | undefined
  /** Set once its caller was answered although the function still runs. */
  givenUp: 'failed' | 'cancelled' | undefined
  /** Calls the function in the submitter's context; may throw. */
  call(): unknown
  /** Aborts the signal, if the function ever reads it. */
  abort(reason: Error): void
  /** Answers the caller. */
  settle(verdict: Verdict, outcome: unknown): void
  /** The wait before another attempt after this failure, in ms; undefined if it was the last. May throw. */
  retryDelayMs(error: unknown): number | undefined
  /** Waits again for a place, in front of others. */
  requeue(): void
  /** Its function has ended, or lost its place: key and id are free. */
  release(): void
}
