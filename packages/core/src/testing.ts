/** Test doubles for time, chance, ids and observations, for this project's tests and its users'. */

import type { Clock, Timer } from './clock.js'
import type { IdSource, RandomSource } from './ids.js'
import { OBSERVATIONS, type Observer } from './observer.js'

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** How many timers are set and neither fired nor cancelled: 0 when nothing was left behind. */
  readonly timersPending: number
  /** Moves both clocks forward and fires what falls due, in order; promises settle before, in between and after. */
  advance(ms: number): Promise<void>
  /** Moves only the wall clock, as a correction of the machine's time does. */
  jumpWallClock(ms: number): void
}

/** Taken at once, so that a test framework which fakes timers later does not stop it. */
const nextPhase = setImmediate

interface PendingTimer {
  readonly dueMs: number
  readonly order: number
  readonly task: () => void
}

/** A clock for tests: time is moved, not waited for. */
export function manualClock(startMs = 1_767_225_600_000): ManualClock {
  const pending = new Set<PendingTimer>()
  let monotonicMs = 0
  let wallOffsetMs = startMs
  let order = 0

  function nextDue(untilMs: number): PendingTimer | undefined {
    return [...pending]
      .filter((timer) => timer.dueMs <= untilMs)
      .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0]
  }

  return {
    nowMs: () => wallOffsetMs + monotonicMs,
    monotonicMs: () => monotonicMs,
    get timersPending() {
      return pending.size
    },
    setTimer(delayMs, task): Timer {
      order += 1
      const timer = { dueMs: monotonicMs + Math.max(0, delayMs), order, task }
      pending.add(timer)
      return { cancel: () => void pending.delete(timer) }
    },
    async advance(ms) {
      const endMs = monotonicMs + ms
      await settlePromises()
      for (let timer = nextDue(endMs); timer !== undefined; timer = nextDue(endMs)) {
        pending.delete(timer)
        monotonicMs = Math.max(monotonicMs, timer.dueMs)
        timer.task()
        await settlePromises()
      }
      monotonicMs = endMs
      await settlePromises()
    },
    jumpWallClock: (ms) => void (wallOffsetMs += ms),
  }
}

// All promises that can settle have settled before Node turns to the next phase of its loop.
function settlePromises(): Promise<void> {
  return new Promise((resolve) => nextPhase(resolve))
}

/** Ids `prefix-1`, `prefix-2`, … */
export function sequentialIds(prefix = 'id'): IdSource {
  let last = 0
  return {
    next() {
      last += 1
      return `${prefix}-${last}`
    },
  }
}

/** Chance that repeats for the same seed (the generator known as mulberry32). */
export function seededRandom(seed: number): RandomSource {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    fraction: next,
    hex(bytes) {
      let text = ''
      for (let index = 0; index < bytes; index += 1) {
        text += Math.floor(next() * 256)
          .toString(16)
          .padStart(2, '0')
      }
      return text
    },
  }
}

/** The order of UTF-8 bytes, in which PostgreSQL lists names: JavaScript's own puts `𠮷` before `Ａ`. */
export function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}

/** One observation as a `RecordingObserver` keeps it. */
export interface RecordedObservation {
  readonly name: keyof Observer
  readonly fields: Readonly<Record<string, unknown>>
}

/** An observer that keeps what it hears. */
export interface RecordingObserver extends Observer {
  readonly recorded: readonly RecordedObservation[]
  /** The fields of all observations of one name, in order. */
  of(name: keyof Observer): readonly Readonly<Record<string, unknown>>[]
}

/** Records every observation, for asserting what a class reports. */
export function recordingObserver(): RecordingObserver {
  const recorded: RecordedObservation[] = []
  const methods = OBSERVATIONS.map((name) => [
    name,
    (fields: Readonly<Record<string, unknown>>) => void recorded.push({ name, fields }),
  ])
  const observer = Object.fromEntries(methods) as Observer
  return {
    ...observer,
    recorded,
    of: (name) => recorded.filter((entry) => entry.name === name).map((entry) => entry.fields),
  }
}

/** What a fault wrapper does to calls, changed while the test runs. */
export interface FaultPlan {
  /** Rejects every call with this error, before it reaches the target. */
  fail: Error | undefined
  /** Holds every call back until this settles. */
  hold: Promise<void> | undefined
  /** Sends every call twice and answers with the second result. */
  duplicate: boolean
}

/**
 * Wraps the real thing, so that its async methods fail, wait or happen twice as the plan says.
 *
 * The returned plan starts without faults; synchronous properties pass through untouched.
 */
export function faulty<T extends object>(
  target: T,
  methods: readonly (keyof T)[],
): { target: T; plan: FaultPlan } {
  const plan: FaultPlan = { fail: undefined, hold: undefined, duplicate: false }
  const wrapped = new Proxy(target, {
    get(real, property) {
      const value: unknown = Reflect.get(real, property, real)
      if (typeof value !== 'function') return value
      const call = (...args: unknown[]): unknown => Reflect.apply(value, real, args)
      if (!methods.some((method) => method === property)) return call
      return async (...args: unknown[]) => {
        if (plan.hold !== undefined) await plan.hold
        if (plan.fail !== undefined) throw plan.fail
        if (plan.duplicate) await call(...args)
        return call(...args)
      }
    },
  })
  return { target: wrapped, plan }
}

/**
 * Declares a test: `test` or `it` of whatever runner there is. Suites that are exported for adapters of your own are functions of it,
 * and assert with `node:assert`.
 */
export type DeclareTest = (title: string, run: () => Promise<void>) => unknown
