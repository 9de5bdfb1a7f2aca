/**
 * Positions in the outbox: the text of a `pg_snapshot`, `xmin:xmax:xip,…`. It names a set of transactions: all
 * below `xmax` but those listed. Inside a long backlog a reader's position is `previous>target#id`.
 */

import { InvalidInputError, type OutboxPosition } from '@kerp/core'

/** A set of transactions that were over. */
export interface Snapshot {
  readonly xmin: bigint
  /** The first transaction that was not yet known. */
  readonly xmax: bigint
  /** Those below `xmax` that were still open. */
  readonly open: ReadonlySet<bigint>
}

const SNAPSHOT = /^\d{1,20}:\d{1,20}:(?:\d{1,20}(?:,\d{1,20})*)?$/
const BETWEEN = /^([^>#]+)>([^>#]+)#\d+$/
const LENGTH_MAX = 1_000_000

/** @throws {InvalidInputError} `INVALID_INPUT` for a text that PostgreSQL would not take either. */
export function parseSnapshot(position: unknown, field = 'position'): Snapshot {
  if (typeof position === 'string' && position.length <= LENGTH_MAX && SNAPSHOT.test(position)) {
    const [xmin, xmax, ...open] = position
      .split(/[:,]/)
      .filter((text) => text !== '')
      .map(BigInt)
    if (xmin !== undefined && xmax !== undefined && isOrdered(xmin, xmax, open)) {
      return { xmin, xmax, open: new Set(open) }
    }
  }
  throw new InvalidInputError(field, 'a position that this outbox has given out', position)
}

/**
 * Whether every transaction that `earlier` covers is covered by `later`. Between two pages a reader has certainly
 * covered what it started from, and may have covered all of its target.
 */
export function covers(later: OutboxPosition, earlier: OutboxPosition): boolean {
  if (later === earlier) return true
  const certain = parseSnapshot(BETWEEN.exec(later)?.[1] ?? later)
  const possible = parseSnapshot(BETWEEN.exec(earlier)?.[2] ?? earlier)
  return coversSnapshot(certain, possible)
}

function coversSnapshot(later: Snapshot, earlier: Snapshot): boolean {
  for (const xid of later.open) {
    if (xid < earlier.xmax && !earlier.open.has(xid)) return false
  }
  // What lies at or above later's end must have been open for earlier, one by one.
  const beyond = earlier.xmax - later.xmax
  if (beyond <= 0n) return true
  if (beyond > BigInt(earlier.open.size)) return false
  return [...earlier.open].filter((xid) => xid >= later.xmax).length === Number(beyond)
}

function isOrdered(xmin: bigint, xmax: bigint, open: readonly bigint[]): boolean {
  if (xmin < 1n || xmax < xmin) return false
  return open.every((xid, index) => xid >= (open[index - 1] ?? xmin) && xid < xmax)
}
