/** The callers of this process that wait for one lock: first come, first served, each with its own deadline. */

import { ClosedError, onAbort, OverloadedError, type Timer, type TimerWheel } from '@kerp/core'
import { LockBusyError, LockUnavailableError } from './errors.js'
import type { Holding } from './holding.js'
import type { LockObservations } from './lock-observations.js'
import type { ResolvedAcquire } from './lock-options.js'

/** What the line reports to. */
export interface WaitersOwner {
  /** The lock as `TYPE:ID`. */
  readonly title: string
  /** A caller gave up; the line may be empty now. */
  left(): void
}

/** What the lines of one provider share. */
export interface WaitersHost {
  /** Names the provider in errors. */
  readonly owner: string
  readonly wheel: TimerWheel
  readonly observations: LockObservations
  readonly waitersMax: number
}

/** One caller that waits. It is settled once: with a hold, with null (a try that found the lock held), or an error. */
export class Waiter {
  readonly options: ResolvedAcquire
  /** A try: it wants one answer and never lines up. */
  readonly isTry: boolean
  /** When it came, by the monotonic clock. */
  readonly begunMs: number
  readonly result: Promise<Holding | null>
  timer: Timer | undefined
  #resolve: (holding: Holding | null) => void = nothing
  #reject: (error: unknown) => void = nothing
  #unwatch: (() => void) | undefined

  constructor(options: ResolvedAcquire, isTry: boolean, begunMs: number) {
    this.options = options
    this.isTry = isTry
    this.begunMs = begunMs
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Calls `leave` when the caller's signal aborts. */
  watch(leave: (reason: unknown) => void): void {
    const { signal } = this.options
    if (signal === undefined) return
    this.#unwatch = onAbort(signal, () => leave(signal.reason))
  }

  settle(holding: Holding | null): void {
    this.#end()
    this.#resolve(holding)
  }

  fail(error: unknown): void {
    this.#end()
    this.#reject(error)
  }

  #end(): void {
    this.timer?.cancel()
    this.#unwatch?.()
  }
}

function nothing(): void {
  // Replaced before anybody can call it.
}

/** The line of one lock in this process. */
export class Waiters {
  readonly #line: Waiter[] = []
  readonly #owner: WaitersOwner
  readonly #host: WaitersHost
  /** Why Redis could not be asked last time; undefined when it could. */
  #trouble: unknown

  constructor(owner: WaitersOwner, host: WaitersHost) {
    this.#owner = owner
    this.#host = host
  }

  get size(): number {
    return this.#line.length
  }

  get head(): Waiter | undefined {
    return this.#line[0]
  }

  /**
   * Joins the end of the line.
   *
   * @throws {OverloadedError} `OVERLOADED`, retryable, when `waitersMax` wait.
   */
  join(waiter: Waiter): void {
    const { owner, waitersMax } = this.#host
    if (this.#line.length >= waitersMax) throw new OverloadedError(owner, 'waitersMax', waitersMax)
    waiter.watch((reason) => this.#remove(waiter, reason))
    this.#line.push(waiter)
  }

  /** The head is being served: takes it out of the line. */
  shift(): Waiter | undefined {
    return this.#line.shift()
  }

  /** From now on the deadlines of all who wait run; a caller served at once never needs a timer. */
  startTimers(nowMs: number): void {
    // Whoever comes later joins behind, so that all without a timer are at the end.
    for (let index = this.#line.length - 1; index >= 0; index -= 1) {
      const waiter = this.#line[index]
      if (waiter === undefined || waiter.timer !== undefined) return
      const leftMs = waiter.begunMs + waiter.options.waitMs - nowMs
      waiter.timer = this.#host.wheel.schedule(Math.max(0, leftMs), () => this.#timeOut(waiter))
    }
  }

  /** Whether Redis could be asked: decides what a caller that gives up is told. */
  noteTrouble(trouble: unknown): void {
    this.#trouble = trouble
  }

  /** The head was a try that found the lock held. */
  turnAwayHead(): void {
    const waiter = this.#line.shift()
    if (waiter === undefined) return
    this.#host.observations.busy(waiter.begunMs)
    waiter.settle(null)
  }

  failHead(error: unknown): void {
    const waiter = this.#line.shift()
    if (waiter !== undefined) this.#fail(waiter, error)
  }

  failAll(error: unknown): void {
    for (const waiter of this.#line.splice(0)) this.#fail(waiter, error)
  }

  close(): void {
    this.failAll(new ClosedError(this.#host.owner))
  }

  #timeOut(waiter: Waiter): void {
    const { title } = this.#owner
    const wasBusy = this.#trouble === undefined
    this.#remove(
      waiter,
      wasBusy
        ? new LockBusyError(title, waiter.options.waitMs)
        : new LockUnavailableError(title, this.#trouble),
    )
  }

  #remove(waiter: Waiter, error: unknown): void {
    const index = this.#line.indexOf(waiter)
    if (index < 0) return
    this.#line.splice(index, 1)
    this.#fail(waiter, error)
    this.#owner.left()
  }

  #fail(waiter: Waiter, error: unknown): void {
    this.#host.observations.refused(error, waiter.begunMs)
    waiter.fail(error)
  }
}
