/** Reads entries of a stream of events, or of the list of companies. */

import { redisCommand } from '@kerp/redis'
import { entryOf, type StreamEntry } from './event-block.js'
import { type EventPosition, isSamePosition, ORIGIN } from './event-position.js'
import type { SubscriberParts } from './subscriber-options.js'

/** The entries from a place on, that itself included, at most `count`; from the first one for `ORIGIN`. Throws what Redis throws. */
export async function readEntries(
  { redis, observer, deadlineMs }: SubscriberParts,
  stream: string,
  from: EventPosition,
  count: number,
): Promise<readonly StreamEntry[]> {
  const begin = isSamePosition(from, ORIGIN) ? '-' : from.streamId
  const args = [stream, begin, '+', 'COUNT', count]
  const reply = await redisCommand(redis, 'xrange', args, { observer, deadlineMs, effect: 'none' })
  const rows: readonly unknown[] = Array.isArray(reply) ? reply : []
  return rows.map(entryOf).filter((entry) => entry !== undefined)
}
