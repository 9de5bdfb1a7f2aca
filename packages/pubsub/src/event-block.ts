/**
 * Reads what the publish script tells: `b2|id|event|first` with the entry before and the id of the first one, then a
 * line for each entry. Those that one call writes have ids that differ by one in the sequence.
 */

import { idOfEncoded } from './envelope.js'
import type { EventPosition } from './event-position.js'

/** One entry of a company's stream. A mark has an id that begins with `@`, and no event. */
export interface StreamEntry extends EventPosition {
  /** An encoded event, its id included. */
  readonly text: string
}

/** Entries that follow each other, and the one before them. */
export interface EventBlock {
  readonly prev: EventPosition
  readonly entries: readonly StreamEntry[]
}

const HEAD = /^b2\|(\d+-\d+)\|([^|]*)\|(\d+)-(\d{1,15})$/

/** The block in a message, or undefined for a message that no script published. */
export function parseBlock(message: string): EventBlock | undefined {
  let end = message.indexOf('\n')
  const head = end < 0 ? null : HEAD.exec(message.slice(0, end))
  if (head === null) return undefined
  const [, streamId = '', eventId = '', ms = '', firstSequence = ''] = head
  const entries: StreamEntry[] = []
  for (let sequence = Number(firstSequence); end < message.length; sequence += 1) {
    const begin = end + 1
    const next = message.indexOf('\n', begin)
    end = next < 0 ? message.length : next
    const text = message.slice(begin, end)
    const id = idOfEncoded(text)
    if (id === '') return undefined
    entries.push({ streamId: `${ms}-${sequence}`, eventId: id, text })
  }
  return { prev: { streamId, eventId }, entries }
}

/** The entry in a reply of XRANGE; one that another hand wrote has no event. */
export function entryOf(reply: unknown): StreamEntry | undefined {
  if (!Array.isArray(reply)) return undefined
  const streamId: unknown = reply[0]
  const fields: unknown = reply[1]
  if (typeof streamId !== 'string') return undefined
  const text: unknown = Array.isArray(fields) && fields.length === 2 && fields[0] === 'e' ? fields[1] : ''
  return typeof text === 'string' ? { streamId, eventId: idOfEncoded(text), text } : undefined
}

/** What a mark of a relay says: events go on behind this position of this history of the database. */
export interface RelayMark {
  readonly epoch: string
  readonly position: string
}

/** What a mark says of the database's log; undefined for an event, and for a mark that says nothing of it. */
export function relayMarkOf(entry: StreamEntry): RelayMark | undefined {
  if (!entry.eventId.startsWith('@')) return undefined
  const [, , epoch = '', position = ''] = entry.text.split('|')
  return epoch !== '' && /^\d+$/.test(position) ? { epoch, position } : undefined
}

/** Whether an entry is a mark of a script, or of another hand, and no event. */
export function isMark({ eventId }: EventPosition): boolean {
  return eventId === '' || eventId.startsWith('@')
}
