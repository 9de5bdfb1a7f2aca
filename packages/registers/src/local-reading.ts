/** An answer from the memory of the process. */

import type { RegisterFamily, RegisterImage, RegisterRef } from '@kerp/core'
import type { AnswerMaker, RegisterReading } from './register-reading.js'
import type { Watermark } from './register.js'

/** What rows have in common that differ in their first part alone. */
export interface LocalPlace {
  readonly companyId: string
  readonly family: RegisterFamily
  readonly second: string
}

/** A row as this process holds it. Replaced in place by newer states; answers keep what they were made of. */
export interface LocalEntry {
  readonly place: LocalPlace
  readonly first: string
  version: number
  /** The fields, with a bar between them. */
  text: string
  /** Whether it was read since the last search for room. */
  isUsed: boolean
  /**
   * The newest probe that was sent before this state was heard of; `RELAYED` when the relay brought it. Once a later
   * probe is echoed the state is part of what the company's position covers.
   */
  heardAfterProbe: number
  /** The last answer in its readers' words, with what it was made by and of; flat, since every peek compares it. */
  answer: unknown
  answerMaker: unknown
  answerVersion: number
  answerMark: Watermark | undefined
}

/** Stands for a state that the relay brought: the company's position covers it. */
export const RELAYED = -1

/** A row's state and the mark that vouched for it when it was answered. Name and fields are made when they are asked for. */
export class LocalReading implements RegisterReading, RegisterImage {
  readonly version: number
  readonly #entry: LocalEntry
  readonly #text: string
  readonly #mark: Watermark

  constructor(entry: LocalEntry, mark: Watermark) {
    this.version = entry.version
    this.#entry = entry
    this.#text = entry.text
    this.#mark = mark
  }

  get ref(): RegisterRef {
    const { place, first } = this.#entry
    return { companyId: place.companyId, family: place.family, parts: [first, place.second] }
  }

  get image(): RegisterImage {
    return this
  }

  get fields(): readonly [string, string] {
    const bar = this.#text.indexOf('|')
    return [this.#text.slice(0, bar), this.#text.slice(bar + 1)]
  }

  get epoch(): string {
    return this.#mark.epoch
  }

  get asOfMs(): number {
    return this.#mark.asOfMs
  }

  get source(): 'l1' {
    return 'l1'
  }

  answer<V>(make: AnswerMaker<V>): V {
    const entry = this.#entry
    // What a maker made before is of its own type, and a version names one state.
    const isSameState = entry.answerMaker === make && entry.answerVersion === this.version
    const before = isSameState ? (entry.answer as V) : undefined
    if (before !== undefined && entry.answerMark === this.#mark) return before
    const value = make(this, before)
    entry.answer = value
    entry.answerMaker = make
    entry.answerVersion = this.version
    entry.answerMark = this.#mark
    return value
  }
}

/** The reading in the words of whoever asks: for a row that this process holds, one value for all who ask. */
export function answerOf<V>(reading: RegisterReading, make: AnswerMaker<V>): V {
  return reading instanceof LocalReading ? reading.answer(make) : make(reading, undefined)
}

/** What `make` writes of a row in the state that it is held in: what it wrote before, if that is still it. */
export function answerOfEntry<V>(entry: LocalEntry, mark: Watermark, make: AnswerMaker<V>): V {
  const isKnown =
    entry.answerMaker === make && entry.answerVersion === entry.version && entry.answerMark === mark
  // What a maker made before is of its own type.
  return isKnown ? (entry.answer as V) : new LocalReading(entry, mark).answer(make)
}
