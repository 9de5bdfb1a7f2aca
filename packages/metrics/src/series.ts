/** The series of one metric: a cell of plain numbers for each combination of label words. */

import type { LabelDefinition } from './metric-definition.js'

/** The most series of one metric; what comes later is counted under the word `other`. */
const SERIES_MAX = 256

/** Stands for every word that came too late, or that is no plain name. */
const OTHER = 'other'

/** Names from the code: of scripts, types of events, sources, codes. */
const PLAIN_NAME = /^[A-Za-z][\w.:-]{0,63}$/

/** One combination of label words. */
export interface SeriesEntry<C> {
  readonly first: string
  readonly second: string
  readonly labels: Readonly<Record<string, string>>
  /** The labels as they stand between braces; empty without labels. */
  readonly labelText: string
  readonly cell: C
}

/** Of the table in which a cell is found by the shape of its words: places, a power of two, and entries of one place. */
const PLACES = 64
const PLACE_ENTRIES_MAX = 8

/** Cells by the words of at most two labels; those of the catalogue exist from the start. */
export class Series<C> {
  readonly #entries: SeriesEntry<C>[] = []
  readonly #rows = new Map<string, Map<string, C>>()
  readonly #labels: readonly LabelDefinition[]
  readonly #makeCell: () => C
  readonly #onOther: () => void
  // Comparing with the few whose words have the same shape costs less than a lookup in a map for each label.
  readonly #places: SeriesEntry<C>[][] = Array.from({ length: PLACES }, () => [])

  constructor(labels: readonly LabelDefinition[], makeCell: () => C, onOther: () => void = () => undefined) {
    this.#labels = labels
    this.#makeCell = makeCell
    this.#onOther = onOther
    for (const first of labels[0]?.words ?? ['']) {
      for (const second of labels[1]?.words ?? ['']) this.#add(first, second)
    }
  }

  /** The cell of these words; at most one map lookup for each label when it exists. */
  cell(first = '', second = ''): C {
    const place = this.#places[placeOf(first, second)]
    if (place !== undefined) {
      for (let index = 0; index < place.length; index += 1) {
        const entry = place[index]
        if (entry !== undefined && entry.first === first && entry.second === second) return entry.cell
      }
    }
    return this.#rows.get(first)?.get(second) ?? this.#admit(first, second)
  }

  /** All cells with their labels, in the order in which they came to be. */
  get entries(): readonly SeriesEntry<C>[] {
    return this.#entries
  }

  #admit(first: string, second: string): C {
    const one = this.#admittedWord(first, 0)
    const two = this.#admittedWord(second, 1)
    // The other words of a closed label begin at 0 beside it, so that a first error is seen as an increase.
    for (const word of this.#labels[1]?.words ?? []) {
      if (this.#rows.get(one)?.has(word) !== true) this.#add(one, word)
    }
    return this.#rows.get(one)?.get(two) ?? this.#add(one, two)
  }

  // Whoever passes a key, or a new word for each call, must not fill the memory of Prometheus and ours.
  #admittedWord(word: string, index: number): string {
    const label = this.#labels[index]
    if (label === undefined) return ''
    if (label.words.includes(word)) return word
    if (this.#entries.length < SERIES_MAX && PLAIN_NAME.test(word)) return word
    this.#onOther()
    return OTHER
  }

  #add(first: string, second: string): C {
    const row = this.#rows.get(first) ?? new Map<string, C>()
    const cell = this.#makeCell()
    this.#rows.set(first, row)
    row.set(second, cell)
    const words = [first, second]
    const pairs = this.#labels.map(({ name }, index) => [name, words[index] ?? ''] as const)
    const labelText = pairs.map(([name, word]) => `${name}="${word}"`).join(',')
    const entry = { first, second, labels: Object.fromEntries(pairs), labelText, cell }
    this.#entries.push(entry)
    const place = this.#places[placeOf(first, second)]
    if (place !== undefined && place.length < PLACE_ENTRIES_MAX) place.push(entry)
    return cell
  }
}

function placeOf(first: string, second: string): number {
  return (first.length * 7 + second.length) & (PLACES - 1)
}
