/** Lists as PostgreSQL's array text, so that one parameter carries a column of many rows through any driver. */

const SPECIAL = /["\\]/
const SPECIALS = /["\\]/g

/** One quoted element; quoted always, as the bare word NULL would be no text. */
export function textElement(value: string | undefined): string {
  if (value === undefined) return 'NULL'
  return SPECIAL.test(value) ? `"${value.replace(SPECIALS, '\\$&')}"` : `"${value}"`
}

/** A list of texts. */
export function textArray(values: readonly (string | undefined)[]): string {
  return `{${values.map(textElement).join(',')}}`
}

/** One unquoted element for each context; none at all, which `unnest` reads as NULL for each, when nobody traces. */
export function traceparentArray(traceparents: readonly (string | undefined)[]): string {
  return traceparents.every((each) => each === undefined)
    ? '{}'
    : arrayOf(traceparents.map((each) => each ?? 'NULL'))
}

/** Columns of rows that are to be written, as elements of array texts. */
export function emptyColumns(count: number): readonly string[][] {
  return Array.from({ length: count }, () => [])
}

/** Adds a row to columns; what it has no value for is NULL. */
export function appendRow(columns: readonly string[][], values: readonly string[]): void {
  columns.forEach((column, index) => column.push(values[index] ?? 'NULL'))
}

/** A list of elements that are quoted already, or are plain numbers or dates. */
export function arrayOf(elements: readonly (string | number | bigint)[]): string {
  return `{${elements.join(',')}}`
}
