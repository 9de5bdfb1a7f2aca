/**
 * Work that ends at once goes on by microtasks, before which no timer, no socket and no abort has a turn. This says when
 * it has gone on for long enough, and waits for the next turn of the event loop.
 */

import { systemClock } from '@kerp/core'

/** How long work may go on within one turn, in ms. */
const TURN_MS = 4

/** How often the clock is looked at, in ms of work, and the most pieces of work between two looks. */
const LOOK_MS = 1
const PIECES_MAX = 64

/** The pace of those who share it; each asks after a piece of work, and waits when the turn is over. */
export class TurnPace {
  /** Undefined until the first look of a turn. */
  #begunMs: number | undefined
  #lookedMs = 0
  #pieces = 1
  #left = 1
  #next: Promise<void> | undefined

  /** Whether somebody waits for the next turn. */
  get isOver(): boolean {
    return this.#next !== undefined
  }

  /** Counts a piece of work that has ended: the wait for the next turn if this one has lasted long enough. */
  pieceDone(): Promise<void> | undefined {
    if (this.#next !== undefined) return this.#next
    this.#left -= 1
    return this.#left > 0 ? undefined : this.#look()
  }

  /** Settles in the next turn. */
  nextTurn(): Promise<void> {
    return (this.#next ??= new Promise((resolve) =>
      setImmediate(() => {
        this.#next = undefined
        this.#begunMs = undefined
        resolve()
      }),
    ))
  }

  #look(): Promise<void> | undefined {
    const nowMs = systemClock.monotonicMs()
    if (this.#begunMs === undefined) {
      this.#begunMs = nowMs
      // The turn may end by itself.
      setImmediate(() => (this.#begunMs = undefined))
      this.#pieces = 1
    } else {
      const pieceMs = (nowMs - this.#lookedMs) / this.#pieces
      this.#pieces = Math.max(1, Math.min(PIECES_MAX, 2 * this.#pieces, Math.floor(LOOK_MS / pieceMs)))
    }
    this.#lookedMs = nowMs
    this.#left = this.#pieces
    return nowMs - this.#begunMs >= TURN_MS ? this.nextTurn() : undefined
  }
}
