/** The shape of the catalogue's entries, and how they are written down. */

/** A label. Its `words` exist at 0 from the start; `open` ones may be joined by others, up to a maximum. */
export interface LabelDefinition {
  readonly name: string
  readonly words: readonly string[]
  readonly open: boolean
}

/** One metric of the catalogue; it has at most two labels. */
export interface MetricDefinition<
  Type extends 'counter' | 'gauge' | 'histogram' = 'counter' | 'gauge' | 'histogram',
> {
  readonly name: string
  readonly type: Type
  readonly help: string
  readonly labels: readonly LabelDefinition[]
}

/** A number that only grows. */
export function counter(
  name: string,
  help: string,
  labels: readonly LabelDefinition[],
): MetricDefinition<'counter'> {
  return { name, type: 'counter', help, labels }
}

/** A number that goes up and down. */
export function gauge(
  name: string,
  help: string,
  labels: readonly LabelDefinition[],
): MetricDefinition<'gauge'> {
  return { name, type: 'gauge', help, labels }
}

/** Counts between bounds. */
export function histogram(
  name: string,
  help: string,
  labels: readonly LabelDefinition[],
): MetricDefinition<'histogram'> {
  return { name, type: 'histogram', help, labels }
}

/** A label whose words are all known. */
export function closed(name: string, set: readonly string[]): LabelDefinition {
  return { name, words: set, open: false }
}

/** A label that takes further words. */
export function open(name: string, set: readonly string[] = []): LabelDefinition {
  return { name, words: set, open: true }
}

/** The words of a union; written as an object, so that the compiler refuses one that is missing or unknown. */
export function words<W extends string>(set: Readonly<Record<W, true>>): readonly W[] {
  // The keys of an object literal of this type are its words.
  return Object.keys(set) as W[]
}
