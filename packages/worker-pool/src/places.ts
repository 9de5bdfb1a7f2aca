/**
 * The places at which work runs: `concurrency` of them, each one loop that takes a unit, waits for its function, and
 * takes the next.
 *
 * A loop costs a unit one `await`, where callbacks cost it three objects. One timer of the wheel watches over all
 * places: it is set for the earliest end, and looks at those that run when it comes.
 */

import { AsyncResource } from 'node:async_hooks'
import { type Clock, type Timer, TimerWheel } from '@kerp/core'
import { JobTimeoutError } from './errors.js'
import { TurnPace } from './turn-pace.js'
import type { Unit } from './unit.js'

/** One unit that holds a place, or lost it and still runs. */
export interface Running {
  unit: Unit
  /** When it began; infinite for one that began within the last tick and was not looked at. */
  startMs: number
  /** When it times out; once it was told to stop, when it loses its place. */
  endMs: number
  hasPlace: boolean
}

/** What places need of their pool. */
export interface PlacesHost {
  /** The next unit, or undefined. */
  take(): Unit | undefined
  /** Whether `take` may find one. */
  readonly hasWork: boolean
  /** The function of a unit has ended, and its caller is to be answered unless it was. */
  unitEnded(running: Running, verdict: 'done' | 'failed', outcome: unknown): void
  /** The caller was answered though the function runs on. */
  unitGivenUp(running: Running): void
  /** A place is free, or a function that had lost its place has ended. */
  placeLeft(): void
}

/** Places that are given out before anybody has seen whether their work ends at once. */
const BURST = 4

/** Turns of the microtask queue in which a unit that waits for nothing has ended. */
const LOOK_TURNS = 4

/** Starts whose moment is looked at exactly, until the next tick. */
const LOOKS_PER_TICK = 64

const UNKNOWN = Number.POSITIVE_INFINITY

const NOW = Promise.resolve()

/** The resolution of timeouts. */
const TICK_MS = 10

/** Runs units, a bounded number at once. */
export class Places {
  concurrency: number
  isPaused = false
  /** Places that are taken. */
  taken = 0
  readonly running = new Set<Running>()
  readonly wheel: TimerWheel
  readonly #host: PlacesHost
  readonly #clock: Clock
  readonly #graceMs: number
  // Loops live longer than the request that began them, so they must not keep its context.
  readonly #home = new AsyncResource('KerpPool')
  #isFilling = false
  readonly #pace = new TurnPace()
  /** Units that began lately. */
  readonly #unstamped: Running[] = []
  readonly #isTiming: boolean
  #looksLeft = LOOKS_PER_TICK
  /** Units that ended, ever. */
  #ended = 0
  #watchTimer: Timer | undefined
  #watchMs = UNKNOWN

  constructor(
    host: PlacesHost,
    options: { concurrency: number; graceMs: number; clock: Clock; isTiming: boolean },
  ) {
    this.#host = host
    this.#clock = options.clock
    this.#graceMs = options.graceMs
    this.#isTiming = options.isTiming
    this.concurrency = options.concurrency
    this.wheel = new TimerWheel(options.clock, TICK_MS)
  }

  get isFree(): boolean {
    return this.taken < this.concurrency && !this.isPaused
  }

  /** Functions that lost their place and still run. */
  get overdue(): number {
    return this.running.size - this.taken
  }

  /** Gives free places to what waits. */
  fill(): void {
    if (this.#isFilling) return
    if (this.#pace.isOver) {
      this.#fillNextTurn()
      return
    }
    for (let begun = 0; begun < BURST; begun += 1) if (!this.#startNext()) return
    this.#isFilling = true
    this.#look(LOOK_TURNS, this.#ended, 2 * BURST)
  }

  /** Places are given out again when timers, sockets and aborts have had their turn. */
  #fillNextTurn(): void {
    this.#isFilling = true
    void this.#pace.nextTurn().then(() => {
      this.#isFilling = false
      this.fill()
    })
  }

  #startNext(): boolean {
    if (!this.isFree || !this.#host.hasWork) return false
    const unit = this.#host.take()
    if (unit !== undefined) this.start(unit)
    return true
  }

  // Work that ends at once needs few places, and each costs as much as several such units; what waits for something
  // gets twice as many at each look.
  #look(turns: number, ended: number, burst: number): void {
    if (this.#pace.isOver) {
      this.#fillNextTurn()
      return
    }
    if (turns > 0) {
      void NOW.then(() => this.#look(turns - 1, ended, burst))
      return
    }
    const isQuick = this.#ended > ended
    for (let begun = 0; !isQuick && begun < burst && this.#startNext(); ) begun += 1
    this.#isFilling = this.isFree && this.#host.hasWork
    if (this.#isFilling) this.#look(LOOK_TURNS, this.#ended, isQuick ? burst : 2 * burst)
  }

  /** Begins a unit at once; the caller has seen that a place is free, or wants one more. */
  start(unit: Unit): void {
    this.taken += 1
    void this.#home.runInAsyncScope(this.#work, this, unit)
  }

  /** Tells running units to stop: their signals abort, and after the grace their places are given to others. */
  cancel(running: Running, reason: NonNullable<Unit['cancellation']>): void {
    const { unit } = running
    if (unit.cancellation !== undefined || unit.givenUp !== undefined) return
    unit.cancellation = reason
    this.#setEnd(running, this.#clock.monotonicMs() + this.#graceMs)
    unit.abort(reason)
  }

  /** Where a unit runs. */
  find(unit: Unit): Running | undefined {
    for (const running of this.running) if (running.unit === unit) return running
    return undefined
  }

  async #work(first: Unit): Promise<void> {
    const running: Running = { unit: first, startMs: 0, endMs: 0, hasPlace: true }
    this.running.add(running)
    for (let unit: Unit | undefined = first; unit !== undefined; unit = this.#next()) {
      running.unit = unit
      this.#stamp(running)
      let verdict: 'done' | 'failed' = 'done'
      let outcome: unknown
      try {
        outcome = await unit.call()
      } catch (thrown) {
        verdict = 'failed'
        outcome = thrown
      }
      this.#ended += 1
      if (!running.hasPlace) this.running.delete(running)
      this.#host.unitEnded(running, verdict, outcome)
      if (!running.hasPlace) {
        this.#host.placeLeft()
        return
      }
      if (this.#pace.pieceDone() !== undefined) break
    }
    this.running.delete(running)
    this.taken -= 1
    if (this.taken === 0) this.#stopWatching()
    this.#host.placeLeft()
    if (this.#pace.isOver) this.fill()
  }

  // The wheel turns while anything is set, so an idle pool sets nothing.
  #stopWatching(): void {
    this.#watchTimer?.cancel()
    this.#watchMs = UNKNOWN
  }

  #next(): Unit | undefined {
    return this.taken > this.concurrency || this.isPaused ? undefined : this.#host.take()
  }

  // Looking at the clock costs as much as everything else that is done for a short unit. Where many begin, the rest of
  // a tick's are stamped at its end, if they still run: their time is up a tick late, and never early.
  #stamp(running: Running): void {
    if (this.#looksLeft > 0 || this.#isTiming) {
      this.#looksLeft -= 1
      running.startMs = this.#clock.monotonicMs()
      this.#setEnd(running, running.startMs + running.unit.timeoutMs)
      return
    }
    const isListed = running.startMs === UNKNOWN
    running.startMs = UNKNOWN
    running.endMs = UNKNOWN
    if (isListed) return
    this.#unstamped.push(running)
    if (this.#unstamped.length === 1) this.wheel.schedule(0, () => this.#stampAll())
  }

  #stampAll(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#looksLeft = LOOKS_PER_TICK
    for (const running of this.#unstamped.splice(0)) {
      running.startMs = nowMs
      // One that was told to stop has its end already.
      if (running.endMs === UNKNOWN && this.running.has(running))
        this.#setEnd(running, nowMs + running.unit.timeoutMs)
    }
  }

  #setEnd(running: Running, endMs: number): void {
    running.endMs = endMs
    if (endMs >= this.#watchMs) return
    this.#watchTimer?.cancel()
    this.#watchMs = endMs
    this.#watchTimer = this.wheel.schedule(endMs - this.#clock.monotonicMs(), () => this.#watch())
  }

  #watch(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#watchMs = UNKNOWN
    for (const running of [...this.running]) {
      if (running.hasPlace && running.endMs <= nowMs) this.#overran(running, nowMs)
    }
    for (const running of this.running) {
      if (running.hasPlace) this.#setEnd(running, running.endMs)
    }
    this.fill()
  }

  #overran(running: Running, nowMs: number): void {
    const { unit } = running
    if (unit.givenUp === undefined && unit.cancellation === undefined) {
      const error = new JobTimeoutError(unit.id, unit.timeoutMs)
      unit.givenUp = 'failed'
      unit.settle('failed', error)
      this.#host.unitGivenUp(running)
      running.endMs = nowMs + this.#graceMs
      unit.abort(error)
      return
    }
    if (unit.givenUp === undefined) {
      unit.givenUp = 'cancelled'
      unit.settle('cancelled', unit.cancellation)
      this.#host.unitGivenUp(running)
    }
    running.hasPlace = false
    this.taken -= 1
    unit.release()
  }
}
