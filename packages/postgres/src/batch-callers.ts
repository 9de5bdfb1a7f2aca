/** Everybody who waits for works: callers of the same work share one entry, and each is answered once. */

import type { Clock, KerpError } from '@kerp/core'
import type { Entry } from './batch-group.js'

/** What can share a transaction with others of its kind. */
export interface BatchWork {
  /** Names the work by its id; one of a name is at work at a time. */
  readonly name: string
  /** Equal for the same work under the same name. */
  readonly hash: string
  /** How many rows it writes. */
  readonly size: number
  /** Names of rows that it locks, as far as they are known before. */
  readonly rows: readonly string[]
  /** Whether it may only be in a transaction of its own. */
  readonly isAlone?: boolean | undefined
}

/** One call. */
export interface Caller<A> {
  readonly resolve: (answer: A) => void
  readonly reject: (error: KerpError) => void
}

/** A work with its callers: the first one, and those who asked for the same meanwhile. */
export interface Waiting<W, A> extends Entry<W> {
  readonly callers: Caller<A>[]
}

/** Who waits for what. `size` counts callers, not works. */
export class BatchCallers<W extends BatchWork, A> {
  readonly #byName = new Map<string, Waiting<W, A>>()
  readonly #clock: Clock
  readonly #deadlineMs: number
  #size = 0

  constructor(clock: Clock, deadlineMs: number) {
    this.#clock = clock
    this.#deadlineMs = deadlineMs
  }

  get size(): number {
    return this.#size
  }

  /** The new entry, or undefined when the caller joined one of the same work. */
  add(work: W, caller: Caller<A>): Waiting<W, A> | undefined {
    this.#size += 1
    const same = this.#byName.get(work.name)
    if (same?.work.hash === work.hash) {
      same.callers.push(caller)
      return undefined
    }
    const startMs = this.#clock.monotonicMs()
    const waiting = { work, startMs, endMs: startMs + this.#deadlineMs, callers: [caller] }
    if (same === undefined) this.#byName.set(work.name, waiting)
    return waiting
  }

  /**
   * Whether this entry is the first of its name. Another work under the same name waits until the first one is
   * settled, and is then judged by the database: so the later caller is the one who hears of the conflict.
   */
  leads(waiting: Waiting<W, A>): boolean {
    const first = this.#byName.get(waiting.work.name)
    if (first === undefined) this.#byName.set(waiting.work.name, waiting)
    return first === undefined || first === waiting
  }

  /** Takes the entry away; each of its callers is to be told. `tell` also gets the caller's place: 0 is the first. */
  settle(waiting: Waiting<W, A>, tell: (caller: Caller<A>, place: number, elapsedMs: number) => void): void {
    if (this.#byName.get(waiting.work.name) === waiting) this.#byName.delete(waiting.work.name)
    this.#size -= waiting.callers.length
    const elapsedMs = this.#clock.monotonicMs() - waiting.startMs
    waiting.callers.forEach((caller, place) => tell(caller, place, elapsedMs))
  }
}
