/**
 * Values in this process, for a moment: bounded in number, bytes and time.
 *
 * It keeps texts, not objects, so that no caller can change what the next one gets. It hears of the invalidations
 * of its own process only; for those of others its TTL is how stale it may be.
 */

import { type Clock, wholeNumberOption } from '@kerp/core'
import type { InvalidationMarks } from './invalidation-marks.js'

/** Bounds of the in-process tier. */
export interface LocalTierOptions {
  /** How stale a value may be after another process invalidated it, in ms; 1 to 60,000. */
  readonly ttlMs: number
  /** Values; the one that was used longest ago goes first. @defaultValue 1_000 */
  readonly entriesMax?: number | undefined
  /** Characters of all values together. @defaultValue 4_194_304 */
  readonly charactersMax?: number | undefined
}

/** What the tier keeps: a payload, or that there is nothing. */
export interface LocalValue {
  readonly payload: string | undefined
}

interface Kept extends LocalValue {
  readonly scope: string
  readonly mark: number
  readonly untilMs: number
}

/** Values by key. */
export class LocalTier {
  readonly #clock: Clock
  readonly #marks: InvalidationMarks
  readonly #ttlMs: number
  readonly #entriesMax: number
  readonly #charactersMax: number
  readonly #kept = new Map<string, Kept>()
  #characters = 0

  constructor(clock: Clock, marks: InvalidationMarks, options: LocalTierOptions) {
    const whole = (name: keyof LocalTierOptions, max: number, fallback: number): number =>
      wholeNumberOption('ReadThrough local', name, options[name], { min: 1, max, fallback })
    this.#clock = clock
    this.#marks = marks
    this.#ttlMs = whole('ttlMs', 60_000, 1_000)
    this.#entriesMax = whole('entriesMax', 1_000_000, 1_000)
    this.#charactersMax = whole('charactersMax', 2 ** 30, 4_194_304)
  }

  /** The value, if it may still be shown. */
  get(key: string): LocalValue | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    this.#drop(key)
    if (this.#clock.monotonicMs() >= kept.untilMs || kept.mark < this.#marks.floorOf(kept.scope)) {
      return undefined
    }
    this.#keep(key, kept)
    return kept
  }

  /** Keeps what a read found that began at `mark` and `begunMs`, unless its scope was invalidated since. */
  set(
    key: string,
    payload: string | undefined,
    read: { scope: string; mark: number; begunMs: number },
  ): void {
    const { scope, mark, begunMs } = read
    if (mark < this.#marks.floorOf(scope) || (payload?.length ?? 0) > this.#charactersMax) return
    this.#drop(key)
    this.#keep(key, { payload, scope, mark, untilMs: begunMs + this.#ttlMs })
    while (this.#kept.size > this.#entriesMax || this.#characters > this.#charactersMax) {
      const [oldest] = this.#kept.keys()
      if (oldest === undefined) return
      this.#drop(oldest)
    }
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.set(key, kept)
    this.#characters += kept.payload?.length ?? 0
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    this.#kept.delete(key)
    this.#characters -= kept.payload?.length ?? 0
  }
}
