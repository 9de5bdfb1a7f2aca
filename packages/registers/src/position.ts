/**
 * A watermark's position: a position of the outbox, or a place inside a long backlog.
 *
 * `base>target#lastId` says that of the rows between `base` and `target` those up to `lastId` were relayed.
 * Whoever finds it goes on inside the same target, for a page of another target would cut other rows.
 */

import type { OutboxPosition } from '@kerp/core'

/** A place inside a backlog. */
export interface BacklogPlace {
  readonly target: OutboxPosition
  readonly lastId: string
}

/** What a watermark says of the outbox. */
export interface StoredPosition {
  readonly base: OutboxPosition
  /** Undefined when everything up to `base`, and nothing after it, was relayed. */
  readonly inside: BacklogPlace | undefined
}

const INSIDE = /^([^>#]+)>([^>#]+)#(\d+)$/

/** Reads a watermark's position. */
export function parsePosition(text: string): StoredPosition {
  const [, base, target, lastId] = INSIDE.exec(text) ?? []
  if (base === undefined || target === undefined || lastId === undefined) {
    return { base: text, inside: undefined }
  }
  return { base, inside: { target, lastId } }
}

/** Writes a place inside a backlog. */
export function formatInside(base: OutboxPosition, place: BacklogPlace): string {
  return `${base}>${place.target}#${place.lastId}`
}

/** The outbox's own order of positions, as `OutboxSource` has it. */
export interface PositionOrder {
  covers(later: OutboxPosition, earlier: OutboxPosition): boolean
}

/**
 * Whether a watermark at `later` has certainly reached `earlier`. A place inside a backlog has reached its base, and
 * may stand anywhere before its target. Texts that are no positions have reached nothing.
 */
export function hasReached(order: PositionOrder, later: string, earlier: string): boolean {
  if (later === earlier) return true
  const [end, start] = [parsePosition(later), parsePosition(earlier)]
  if (end.inside !== undefined && start.inside !== undefined) {
    if (end.base === start.base && end.inside.target === start.inside.target) {
      return BigInt(end.inside.lastId) >= BigInt(start.inside.lastId)
    }
  }
  try {
    return order.covers(end.base, start.inside?.target ?? start.base)
  } catch {
    return false
  }
}

/** Whether a position is a moment of the database, and not a place between two. */
export function isMoment(position: string): boolean {
  return !position.includes('#')
}
