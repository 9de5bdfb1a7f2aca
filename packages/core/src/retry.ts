/** Repeats what may be repeated, with full jitter, inside one deadline; and ends any wait by a deadline. */

import { type Clock, sleep, systemClock } from './clock.js'
import { DeadlineExceededError, KerpError } from './errors.js'
import { type RandomSource, systemRandom } from './ids.js'

/** How a call is repeated. */
export interface RetryOptions {
  /** Name of the operation in errors. */
  readonly operation: string
  /**
   * From the first attempt's start to the last one's end, in ms. No attempt starts after it; one that still
   * runs is given up with `DEADLINE_EXCEEDED`, outcome `unknown`.
   */
  readonly deadlineMs: number
  /** Attempts in all, the first one included. @defaultValue 5 */
  readonly attemptsMax?: number | undefined
  /** The wait before attempt n is random between 0 and `backoffMs · 2^(n−2)`, at most `backoffMsMax`. @defaultValue 20 */
  readonly backoffMs?: number | undefined
  /** The longest wait between two attempts, in ms. @defaultValue 1_000 */
  readonly backoffMsMax?: number | undefined
  /** Whether an error may be repeated. @defaultValue `retryable` of a `KerpError` */
  readonly isRetryable?: ((error: unknown) => boolean) | undefined
  readonly clock?: Clock | undefined
  readonly random?: RandomSource | undefined
  /** Ends the wait for the next attempt; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Calls `attempt` until it succeeds, fails for good, or the deadline or `attemptsMax` is reached; then the
 * last error is thrown as it was. Only for calls that carry an id or have no effect.
 *
 * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable, when an attempt outlasts the deadline; else
 * what the last attempt threw, or the reason of `signal`.
 */
export async function retry<T>(
  attempt: (attemptNumber: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const clock = options.clock ?? systemClock
  const attemptsMax = options.attemptsMax ?? 5
  const endMs = clock.monotonicMs() + options.deadlineMs
  const isRetryable = options.isRetryable ?? isRetryableError
  for (let number = 1; ; number += 1) {
    try {
      return await attemptInTime(attempt(number), endMs, options)
    } catch (error) {
      const waitMs = jitteredBackoffMs(number, options)
      const late = clock.monotonicMs() + waitMs >= endMs
      if (number >= attemptsMax || late || !isRetryable(error)) throw error
      await sleep(clock, waitMs, options.signal)
      if (clock.monotonicMs() >= endMs) throw error
    }
  }
}

function attemptInTime<T>(work: Promise<T>, endMs: number, options: RetryOptions): Promise<T> {
  const { operation, deadlineMs, clock = systemClock } = options
  const timerMs = Math.max(0, endMs - clock.monotonicMs())
  return settleWithin(timerMs, work, clock, () => new DeadlineExceededError(operation, deadlineMs, 'unknown'))
}

/** The wait after failed attempt `number` (from 1): exponential, capped, with full jitter. In ms. */
export function jitteredBackoffMs(
  number: number,
  options: Pick<RetryOptions, 'backoffMs' | 'backoffMsMax' | 'random'>,
): number {
  const ceiling = Math.min(options.backoffMsMax ?? 1_000, (options.backoffMs ?? 20) * 2 ** (number - 1))
  return ceiling * (options.random ?? systemRandom).fraction()
}

/** Whether an error says of itself that the call may be repeated. */
export function isRetryableError(error: unknown): boolean {
  try {
    return error instanceof KerpError && error.retryable
  } catch {
    return false
  }
}

/** What `withDeadline` says when it gives up. */
export interface DeadlineOptions {
  readonly operation: string
  readonly deadlineMs: number
  /** What is known of the effect when the deadline passes. */
  readonly outcome: 'notDone' | 'unknown'
  readonly clock?: Clock | undefined
}

/**
 * Settles with `work`, or rejects when the deadline passes. The work itself is not stopped; what it does after
 * the deadline is ignored.
 *
 * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable.
 */
export function withDeadline<T>(work: Promise<T>, options: DeadlineOptions): Promise<T> {
  const { operation, deadlineMs, outcome, clock = systemClock } = options
  return settleWithin(
    deadlineMs,
    work,
    clock,
    () => new DeadlineExceededError(operation, deadlineMs, outcome),
  )
}

function settleWithin<T>(timerMs: number, work: Promise<T>, clock: Clock, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(timerMs, () => reject(late()))
    void work.then(resolve, reject).finally(() => timer.cancel())
  })
}
