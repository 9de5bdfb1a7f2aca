/**
 * Time as a port: the only place of the library that asks the machine for the time or sets a timer.
 *
 * Durations come from `monotonicMs`; `nowMs` is for showing a moment to people and never decides an order.
 */

import { onAbort } from './on-abort.js'
import { isError } from './thrown.js'

/** A timer that was set and can be cancelled; cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void
}

/** Where time comes from. Tests pass `manualClock()` from `@kerp/core/testing`. */
export interface Clock {
  /** Milliseconds since 1970, UTC. May jump; never used for an order or a duration. */
  nowMs(): number
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number
  /** Calls `task` once, not before `delayMs` have passed. The timer does not keep the process alive. */
  setTimer(delayMs: number, task: () => void): Timer
}

/** The longest delay that `setTimeout` keeps; it turns a longer one into a millisecond. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1

/** The machine's own clocks. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, task) => new MachineTimer(delayMs, task),
}

/** Timers of Node count whole milliseconds from a rounded start and so may fire a little early: then it waits on. */
class MachineTimer implements Timer {
  readonly #dueMs: number
  readonly #task: () => void
  #handle: NodeJS.Timeout

  constructor(delayMs: number, task: () => void) {
    this.#dueMs = performance.now() + delayMs
    this.#task = task
    this.#handle = this.#arm(delayMs)
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }

  #arm(leftMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#fire(), Math.min(TIMEOUT_MS_MAX, Math.ceil(leftMs))).unref()
  }

  #fire(): void {
    const leftMs = this.#dueMs - performance.now()
    if (leftMs > 0) this.#handle = this.#arm(leftMs)
    else this.#task()
  }
}

/**
 * Waits for `delayMs`, or until `signal` aborts; then it rejects with the signal's reason.
 *
 * While it waits it keeps no process alive.
 */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(reasonOf(signal))
      return
    }
    const abort = (): void => {
      timer.cancel()
      reject(reasonOf(signal))
    }
    const timer = clock.setTimer(delayMs, () => {
      unlisten?.()
      resolve()
    })
    const unlisten = signal === undefined ? undefined : onAbort(signal, abort)
  })
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  return isError(reason) ? reason : new DOMException('The wait was aborted.', 'AbortError')
}
