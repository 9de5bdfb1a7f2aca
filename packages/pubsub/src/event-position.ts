/**
 * Where a reader stands in a company's stream, and what scripts write beside it.
 *
 * A position is a pair: the id that Redis gave and the id of the event. Both must match, for a Redis that lost its
 * stream may give an id a second time, but not to the same event.
 */

/** A place in a company's stream: after this entry. */
export interface EventPosition {
  readonly streamId: string
  readonly eventId: string
}

/** Before the first entry of a stream. */
export const ORIGIN: EventPosition = Object.freeze({ streamId: '0-0', eventId: '' })

/** How far a company's events are, as it stands in Redis. */
export interface EventWatermark {
  /** The database history that `position` belongs to; empty where no relay writes. */
  readonly epoch: string
  readonly position: string
  readonly tail: EventPosition
}

const WATERMARK = /^e1\|([^|]*)\|([^|]*)\|(\d+-\d+)\|([^|]*)$/

/** The watermark in a text, or undefined for anything that no script wrote. */
export function parseEventWatermark(text: unknown): EventWatermark | undefined {
  const found = typeof text === 'string' ? WATERMARK.exec(text) : null
  if (found === null) return undefined
  const [, epoch = '', position = '', streamId = '', eventId = ''] = found
  return { epoch, position, tail: { streamId, eventId } }
}

/** Whether two positions are the same place of the same history. */
export function isSamePosition(left: EventPosition, right: EventPosition): boolean {
  return left.streamId === right.streamId && left.eventId === right.eventId
}

/** Below, at or above 0 as the left id is before, at or behind the right one. */
export function compareStreamIds(left: string, right: string): number {
  const [leftMs = '', leftSequence = ''] = left.split('-')
  const [rightMs = '', rightSequence = ''] = right.split('-')
  return compareDigits(leftMs, rightMs) || compareDigits(leftSequence, rightSequence)
}

/** Whether a position of the log is before another; both are decimal texts without leading zeros. */
export function isBefore(left: string, right: string): boolean {
  return compareDigits(left, right) < 0
}

// Digits without leading zeros: the longer is the larger, and of equal length texts compare as numbers do.
function compareDigits(left: string, right: string): number {
  if (left.length !== right.length) return left.length - right.length
  return left < right ? -1 : Number(left > right)
}
