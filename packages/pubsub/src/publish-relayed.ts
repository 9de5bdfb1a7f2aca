/** Publishing from the database's log: events with their positions, and the watermark that says how far they go. */

import type { CommittedEvent, Observer } from '@kerp/core'
import type { Keys } from '@kerp/keys'
import { type RedisClient, redisCommand } from '@kerp/redis'
import { encodeCommitted, type OutgoingEvent } from './envelope.js'
import { type EventWatermark, parseEventWatermark } from './event-position.js'
import type { CompanyRegistry } from './company-registry.js'
import { installEvents } from './install-events.lua.js'
import { eventArgs, publishEvents } from './publish-events.lua.js'
import { type ShardedOption, tellCommand } from './sharded.js'
import { type StreamLengths, trimWhenLong } from './trim-stream.js'

/** What relayed publishing is made of. */
export interface RelayedParts extends StreamLengths, ShardedOption {
  readonly redis: RedisClient
  readonly keys: Keys
  readonly observer?: Observer | undefined
  /** Of one call to Redis, in ms. @defaultValue 1_000 */
  readonly deadlineMs?: number | undefined
  /** Told of companies that have events, for those who follow all of them. */
  readonly registry?: CompanyRegistry | undefined
}

/** Events of one company that follow each other, from the position before the first to that of the last. */
export interface RelayedEvents {
  readonly companyId: string
  readonly epoch: string
  readonly from: string
  readonly to: string
  readonly events: readonly CommittedEvent[]
}

/** Where the watermark stands after publishing. */
export type RelayedResult =
  | { readonly status: 'published' }
  /** It stood elsewhere. `text` is what `installWatermark` expects; `watermark` is undefined for none. */
  | { readonly status: 'moved'; readonly text: string; readonly watermark: EventWatermark | undefined }

/** The most events of one run of the script, which holds Redis up for a few microseconds each. */
export const EVENTS_PER_CALL_MAX = 128

/** The most characters of one run of the script; one event may exceed it. */
export const CALL_LENGTH_MAX = 262_144

/**
 * Publishes events if the watermark stands at `from`, and moves it to `to`. Many events are sent in several calls;
 * after a failure the watermark tells how far they went. Publishing the same events again has no effect.
 *
 * @throws {EventInvalidError} `EVENT_INVALID` for an event that is too large; nothing was sent.
 * @throws {RedisNotDoneError} `REDIS_NOT_DONE`, {RedisUnknownError} `REDIS_UNKNOWN`: retryable.
 */
export async function publishRelayed(parts: RelayedParts, batch: RelayedEvents): Promise<RelayedResult> {
  const { companyId, epoch, to } = batch
  const { keys, redis, observer, deadlineMs, registry, sharded = false } = parts
  registry?.note(companyId)
  const calls = inCalls(batch.events.map(encodeCommitted))
  let { from } = batch
  for (const [index, events] of calls.entries()) {
    const next = index === calls.length - 1 ? to : (events.at(-1)?.id ?? to)
    const reply = await publishEvents.run(
      redis,
      eventKeys(keys, companyId),
      {
        epoch,
        from,
        to: next,
        seenMax: '',
        seenMs: '',
        tell: tellCommand(sharded),
        channel: keys.eventsChannel(companyId),
        count: String(events.length),
      },
      { moreArgs: eventArgs(events), observer, deadlineMs },
    )
    if (reply.status === 'moved') return moved(reply.watermark)
    from = next
    for (const { type } of events) observer?.eventPublish?.({ type, result: 'published', count: 1 })
    observer?.companyWork?.({ companyId, work: 'event', count: events.length })
    void trimWhenLong(parts, companyId, reply.length, events.length)
  }
  return { status: 'published' }
}

/** How far a company's events are in Redis. `text` is what `installWatermark` expects. */
export async function readEventWatermark(
  parts: RelayedParts,
  companyId: string,
): Promise<{ readonly text: string; readonly watermark: EventWatermark | undefined }> {
  const { redis, keys, observer, deadlineMs } = parts
  const key = keys.eventsWatermark(companyId)
  const reply = await redisCommand(redis, 'mget', [key], { observer, deadlineMs, effect: 'none' })
  const value: unknown = Array.isArray(reply) ? reply[0] : undefined
  const text = typeof value === 'string' ? value : ''
  return { text, watermark: parseEventWatermark(text) }
}

/**
 * Puts the watermark to a position of the database's log, if it still is `expected`; every subscriber of the company
 * is reset, and durable consumers continue from the log.
 */
export async function installWatermark(
  parts: RelayedParts,
  at: {
    readonly companyId: string
    /** What stands there, empty for none. */
    readonly expected: string
    readonly epoch: string
    readonly position: string
    readonly reason: 'absent' | 'epoch' | 'trimmed'
  },
): Promise<RelayedResult | { readonly status: 'installed' }> {
  const { redis, keys, observer, deadlineMs, registry, sharded = false } = parts
  const { companyId, expected, epoch, position, reason } = at
  const { watermark, stream } = eventKeys(keys, companyId)
  const channel = keys.eventsChannel(companyId)
  const args = { expected, epoch, position, reason, tell: tellCommand(sharded), channel }
  const reply = await installEvents.run(redis, { watermark, stream }, args, { observer, deadlineMs })
  if (reply.status === 'moved') return moved(reply.watermark)
  registry?.again(companyId)
  return reply
}

/** The keys that publishing touches; all lie in the company's slot. */
export function eventKeys(keys: Keys, companyId: string) {
  return {
    watermark: keys.eventsWatermark(companyId),
    stream: keys.eventsStream(companyId),
    seen: keys.eventsSeen(companyId),
    seenBefore: keys.eventsSeenBefore(companyId),
  }
}

function moved(text: string): RelayedResult {
  return { status: 'moved', text, watermark: parseEventWatermark(text) }
}

/** At least one call, which moves the watermark even when there are no events. */
function inCalls(events: readonly OutgoingEvent[]): readonly (readonly OutgoingEvent[])[] {
  const calls: OutgoingEvent[][] = [[]]
  let length = 0
  for (const event of events) {
    const last = calls.at(-1) ?? []
    if (
      last.length > 0 &&
      (last.length >= EVENTS_PER_CALL_MAX || length + event.text.length > CALL_LENGTH_MAX)
    ) {
      calls.push([event])
      length = event.text.length
    } else {
      last.push(event)
      length += event.text.length
    }
  }
  return calls
}
