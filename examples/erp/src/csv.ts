/** One line of comma-separated values, with quotes as RFC 4180 has them. */

/** Splits a line into its fields; a quoted field may hold commas and doubled quotes, but no line break. */
export function splitCsvLine(line: string): string[] {
  const fields: string[] = []
  const text = line.endsWith('\r') ? line.slice(0, -1) : line
  let at = 0
  for (;;) {
    const { field, end } = text[at] === '"' ? quotedField(text, at + 1) : plainField(text, at)
    fields.push(field)
    if (end >= text.length) return fields
    at = end + 1
  }
}

interface Field {
  readonly field: string
  /** Where the comma behind the field stands, or the line's length. */
  readonly end: number
}

function plainField(text: string, from: number): Field {
  const comma = text.indexOf(',', from)
  const end = comma < 0 ? text.length : comma
  return { field: text.slice(from, end), end }
}

function quotedField(text: string, from: number): Field {
  let field = ''
  let at = from
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote < 0) return { field: field + text.slice(at), end: text.length }
    field += text.slice(at, quote)
    if (text[quote + 1] !== '"') {
      const rest = plainField(text, quote + 1)
      return { field: field + rest.field, end: rest.end }
    }
    field += '"'
    at = quote + 2
  }
}
