/** When a stream is shortened, by whoever publishes to it: each time its length passes a step above what is kept. */

import { type Observer, observerOfPart, tellFailure } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import type { RedisClient } from '@kerp/redis'
import { trimEvents } from './trim-events.lua.js'

/** How long streams become. */
export interface StreamLengths {
  /** Entries that stay for subscribers which were away. @defaultValue 10_000 */
  readonly keep?: number | undefined
  /** Entries that stay for durable groups which are behind; above it they are cut, with an alarm. @defaultValue 100_000 */
  readonly keepMax?: number | undefined
}

/** What trimming is made of. */
export interface TrimParts extends StreamLengths {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer?: Observer | undefined
}

/** Entries between two looks at a stream that is long. */
const STEP = 500

const KEEP = 10_000
const KEEP_MAX = 100_000

/** Trims if the last `added` entries made the stream pass a step. Never throws: the next step tries again. */
export async function trimWhenLong(
  parts: TrimParts,
  companyId: string,
  length: number,
  added: number,
): Promise<void> {
  const { redis, keys, observer, keep = KEEP, keepMax = KEEP_MAX } = parts
  if (length <= keep + STEP || Math.floor(length / STEP) === Math.floor((length - added) / STEP)) return
  try {
    const args = { keep: String(keep), max: String(Math.max(keep, keepMax)) }
    const stream = keys.eventsStream(companyId)
    const count = await trimEvents.run(redis, { stream }, args, { observer, effect: 'idempotent' })
    if (count > 0) observer?.eventTrimmedUnread?.({ count })
  } catch (error) {
    tellFailure(observerOfPart(observer), 'events', error)
  }
}
