/**
 * What this process committed lately, so that none of its readers is answered anything older.
 *
 * Every cache may be behind its own writer: the push is on its way, a fill that began before the commit is in flight,
 * Redis did not hear of it. A write is kept for as long as a cache may be trusted on evidence from before it; whatever is
 * trusted on later evidence has it.
 */

import type { Clock } from '@kerp/core'
import { splitImageText } from './register.js'

/** Rows that are kept; of more, the one written longest ago is forgotten. */
const ROWS_MAX = 10_000

/** How long a write is kept where nothing bounds the age of what a cache answers, in ms. */
const KEEP_MS = 60_000

/** The newest state of a row that this process brought about. */
export interface OwnWrite {
  /** Undefined: the row was voided, and no cache knows its state. */
  readonly image: string | undefined
  readonly epoch: string
  readonly writtenMs: number
}

/** The writes of one process, by register key. */
export class OwnWrites {
  readonly #clock: Clock
  readonly #keepMs: number
  /** In the order in which they were written. */
  readonly #writes = new Map<string, OwnWrite>()

  constructor(clock: Clock, keepMs: number = KEEP_MS) {
    this.#clock = clock
    this.#keepMs = keepMs
  }

  /** Whether there are none, so that nobody has to look. */
  get isEmpty(): boolean {
    return this.#writes.size === 0
  }

  /**
   * Keeps the newest image of each row. Returns when the newest write that had to be forgotten for want of room was
   * written, by the monotonic clock: evidence from before then no longer suffices.
   */
  add(
    epoch: string,
    entries: readonly { readonly key: string; readonly image: string }[],
  ): number | undefined {
    const writtenMs = this.#clock.monotonicMs()
    for (const { key, image } of entries) {
      const held = this.#writes.get(key)
      this.#put(key, { epoch, image: newerOf(held, epoch, image), writtenMs })
    }
    return this.#makeRoom(writtenMs)
  }

  /** No cache may answer this row; Redis has not heard that it is void. Returns like `add`. */
  addVoid(key: string): number | undefined {
    const writtenMs = this.#clock.monotonicMs()
    this.#put(key, { epoch: '', image: undefined, writtenMs })
    return this.#makeRoom(writtenMs)
  }

  /** The write that a cached state lacks: to be answered in its place, or by the database where it has no image. */
  missingIn(key: string, epoch: string, version: number): OwnWrite | undefined {
    const write = this.#writes.get(key)
    if (write === undefined) return undefined
    if (this.#clock.monotonicMs() - write.writtenMs > this.#keepMs) {
      this.#writes.delete(key)
      return undefined
    }
    if (write.image === undefined || write.epoch !== epoch) return { ...write, image: undefined }
    return version < splitImageText(write.image).version ? write : undefined
  }

  #put(key: string, write: OwnWrite): void {
    this.#writes.delete(key)
    this.#writes.set(key, write)
  }

  #makeRoom(nowMs: number): number | undefined {
    let forgottenMs: number | undefined
    for (const [key, { writtenMs }] of this.#writes) {
      const isOver = nowMs - writtenMs > this.#keepMs
      if (!isOver && this.#writes.size <= ROWS_MAX) break
      this.#writes.delete(key)
      if (!isOver) forgottenMs = writtenMs
    }
    return forgottenMs
  }
}

// A late image says nothing of a row that was voided after it.
function newerOf(held: OwnWrite | undefined, epoch: string, image: string): string | undefined {
  if (held === undefined) return image
  if (held.image === undefined) return undefined
  return held.epoch === epoch && held.image > image ? held.image : image
}
