/** Reads what the publish script tells: `b1|id|event` of the entry before, then `id|event|text` for each entry. */

import type { EventPosition } from './event-position.js'

/** One entry of a company's stream. A mark has an id that begins with `@`, and no event. */
export interface StreamEntry extends EventPosition {
  /** An encoded event. */
  readonly text: string
}

/** Entries that follow each other, and the one before them. */
export interface EventBlock {
  readonly prev: EventPosition
  readonly entries: readonly StreamEntry[]
}

/** The block in a message, or undefined for a message that no script published. */
export function parseBlock(message: string): EventBlock | undefined {
  const [head = '', ...lines] = message.split('\n')
  const [format, streamId, eventId] = head.split('|')
  if (format !== 'b1' || streamId === undefined || eventId === undefined || lines.length === 0)
    return undefined
  const entries: StreamEntry[] = []
  for (const line of lines) {
    const first = line.indexOf('|')
    const second = line.indexOf('|', first + 1)
    if (first < 1 || second < 0) return undefined
    entries.push({
      streamId: line.slice(0, first),
      eventId: line.slice(first + 1, second),
      text: line.slice(second + 1),
    })
  }
  return { prev: { streamId, eventId }, entries }
}

/** The entry in a reply of XRANGE; one that another hand wrote has no event. */
export function entryOf(reply: unknown): StreamEntry | undefined {
  if (!Array.isArray(reply)) return undefined
  const streamId: unknown = reply[0]
  const fields: unknown = reply[1]
  if (typeof streamId !== 'string') return undefined
  const list: readonly unknown[] = Array.isArray(fields) ? fields : []
  return { streamId, eventId: fieldOf(list, 'i'), text: fieldOf(list, 'e') }
}

/** Whether an entry is a mark of a script, or of another hand, and no event. */
export function isMark({ eventId }: EventPosition): boolean {
  return eventId === '' || eventId.startsWith('@')
}

function fieldOf(fields: readonly unknown[], name: string): string {
  const at = fields.indexOf(name)
  const value: unknown = at < 0 || at % 2 === 1 ? undefined : fields[at + 1]
  return typeof value === 'string' ? value : ''
}
