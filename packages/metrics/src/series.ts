/** The series of one metric: a cell of plain numbers for each combination of label words. */

import type { LabelDefinition } from './metric-definition.js'

/** The most series of one metric; what comes later is counted under the word `other`. */
const SERIES_MAX = 256

/** Stands for every word that came too late, or that is no plain name. */
const OTHER = 'other'

/** Names from the code: of scripts, types of events, sources, codes. */
const PLAIN_NAME = /^[A-Za-z][\w.:-]{0,63}$/

/** Cells by the words of at most two labels; those of the catalogue exist from the start. */
export class Series<C> {
  readonly #cells = new Map<string, Map<string, C>>()
  /** The cells of series with one label or none. */
  readonly #short = new Map<string, C>()
  readonly #labels: readonly LabelDefinition[]
  readonly #makeCell: () => C
  #size = 0

  constructor(labels: readonly LabelDefinition[], makeCell: () => C) {
    this.#labels = labels
    this.#makeCell = makeCell
    for (const first of labels[0]?.words ?? ['']) {
      for (const second of labels[1]?.words ?? ['']) this.#add(first, second)
    }
  }

  /** The cell of these words; one map lookup for each label when it exists. */
  cell(first = '', second?: string): C {
    const cell = second === undefined ? this.#short.get(first) : this.#cells.get(first)?.get(second)
    return cell ?? this.#admit(first, second ?? '')
  }

  /** All cells with their labels, in the order in which they came to be. */
  *entries(): Generator<{ readonly labels: Record<string, string>; readonly cell: C }> {
    for (const [first, row] of this.#cells) {
      for (const [second, cell] of row) yield { labels: this.#labelsOf([first, second]), cell }
    }
  }

  #admit(first: string, second: string): C {
    const one = this.#admittedWord(first, 0)
    const two = this.#admittedWord(second, 1)
    // The other words of a closed label begin at 0 beside it, so that a first error is seen as an increase.
    for (const word of this.#labels[1]?.words ?? []) {
      if (this.#cells.get(one)?.has(word) !== true) this.#add(one, word)
    }
    return this.#cells.get(one)?.get(two) ?? this.#add(one, two)
  }

  // Whoever passes a key, or a new word for each call, must not fill the memory of Prometheus and ours.
  #admittedWord(word: string, index: number): string {
    const label = this.#labels[index]
    if (label === undefined) return ''
    if (label.words.includes(word)) return word
    return this.#size < SERIES_MAX && PLAIN_NAME.test(word) ? word : OTHER
  }

  #add(first: string, second: string): C {
    const row = this.#cells.get(first) ?? new Map<string, C>()
    const cell = this.#makeCell()
    this.#cells.set(first, row.set(second, cell))
    if (second === '') this.#short.set(first, cell)
    this.#size += 1
    return cell
  }

  #labelsOf(found: readonly string[]): Record<string, string> {
    return Object.fromEntries(this.#labels.map(({ name }, index) => [name, found[index] ?? '']))
  }
}
