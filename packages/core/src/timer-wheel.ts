/**
 * Many deadlines, one timer: tasks are kept in slots of `tickMs`, and one machine timer visits them.
 *
 * A task is never called early, and at most one tick late. Setting and cancelling link and unlink one entry,
 * a tenth of a microsecond, where a map or a machine timer per deadline costs about one.
 */

import { type Clock, systemClock, type Timer } from './clock.js'

/** So many slots are stepped through one by one, also the empty ones; after a longer pause those in use are looked up. */
const STEPS_MAX = 100

/** One timer for many deadlines. It holds no machine timer while nothing is scheduled. */
export class TimerWheel {
  readonly #slots = new Map<number, Slot>()
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #onTaskError: (error: unknown) => void
  readonly #count = { waiting: 0 }
  /** The last slot that was visited: what comes for it now must go to the next one. */
  #turned = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined

  /** `tickMs` is the resolution; `onTaskError` hears what a task threw, and must not throw itself. */
  constructor(
    clock: Clock = systemClock,
    tickMs = 10,
    onTaskError: (error: unknown) => void = () => undefined,
  ) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#onTaskError = onTaskError
  }

  /** How many tasks wait. */
  get size(): number {
    return this.#count.waiting
  }

  /**
   * Calls `task` once when `delayMs` have passed since `fromMs` of the clock. A task that throws stops no other one.
   *
   * `fromMs` is for callers that have just read the clock.
   */
  schedule(delayMs: number, task: () => void, fromMs = this.#clock.monotonicMs()): Timer {
    const slotNumber = Math.max(this.#turned + 1, Math.ceil((fromMs + delayMs) / this.#tickMs))
    let slot = this.#slots.get(slotNumber)
    if (slot === undefined) {
      slot = new Slot(this.#count)
      this.#slots.set(slotNumber, slot)
    }
    const entry = new Entry(task, slot)
    this.#arm()
    return entry
  }

  // The slots are visited where they begin: a visit in the middle of one would find its tasks a tick later.
  #arm(): void {
    if (this.#timer !== undefined || this.#slots.size === 0) return
    const nowMs = this.#clock.monotonicMs()
    const nextSlotMs = (Math.floor(nowMs / this.#tickMs) + 1) * this.#tickMs
    this.#timer = this.#clock.setTimer(nextSlotMs - nowMs, () => {
      this.#timer = undefined
      this.#turn()
      this.#arm()
    })
  }

  #turn(): void {
    const reached = Math.floor(this.#clock.monotonicMs() / this.#tickMs)
    const before = this.#turned
    this.#turned = reached
    if (reached - before > STEPS_MAX) this.#leap(reached)
    else for (let slotNumber = before + 1; slotNumber <= reached; slotNumber += 1) this.#fire(slotNumber)
    // Cancelling leaves the slot, which is likely to be used again at once; when nothing waits, all go.
    if (this.#count.waiting === 0) this.#slots.clear()
  }

  #leap(reached: number): void {
    const due = [...this.#slots.keys()].filter((slotNumber) => slotNumber <= reached)
    for (const slotNumber of due.sort((a, b) => a - b)) this.#fire(slotNumber)
  }

  #fire(slotNumber: number): void {
    const slot = this.#slots.get(slotNumber)
    this.#slots.delete(slotNumber)
    for (let entry = slot?.first; entry !== undefined; entry = slot?.first) {
      entry.cancel()
      try {
        entry.task()
      } catch (error) {
        this.#onTaskError(error)
      }
    }
  }
}

/** The tasks of one tick, in the order in which they were scheduled. */
class Slot {
  first: Entry | undefined
  last: Entry | undefined

  /** How many tasks wait in all slots. */
  constructor(readonly count: { waiting: number }) {}
}

class Entry implements Timer {
  readonly task: () => void
  #slot: Slot | undefined
  #before: Entry | undefined
  #after: Entry | undefined

  constructor(task: () => void, slot: Slot) {
    this.task = task
    this.#slot = slot
    this.#before = slot.last
    if (slot.last === undefined) slot.first = this
    else slot.last.#after = this
    slot.last = this
    slot.count.waiting += 1
  }

  cancel(): void {
    const slot = this.#slot
    if (slot === undefined) return
    if (this.#before === undefined) slot.first = this.#after
    else this.#before.#after = this.#after
    if (this.#after === undefined) slot.last = this.#before
    else this.#after.#before = this.#before
    slot.count.waiting -= 1
    this.#slot = undefined
    this.#before = undefined
    this.#after = undefined
  }
}
