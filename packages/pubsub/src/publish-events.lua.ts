/** PUBLISH: events into the stream and to those who listen, in one step, chained to the event before them. */

import { defineScript } from '@kerp/redis'
import type { OutgoingEvent } from './envelope.js'
import { EVENT_LUA } from './event-lua.js'
import { textList } from './script-reply.js'

/** PUBLISH's reply. */
export type PublishReply =
  | {
      readonly status: 'published'
      /** Whether these are the first events of the stream, or the first after it was lost. */
      readonly isStart: boolean
      /** Entries that the stream holds now. */
      readonly length: number
      /** Which of the events, counted from 1, were published before; they were not published again. */
      readonly duplicates: readonly number[]
    }
  | { readonly status: 'moved'; readonly watermark: string }

/**
 * KEYS: watermark, stream, seen, seenBefore. ARGV: `epoch`, `from` and `to` of relayed events, all empty for others;
 * `seenMax` how many ids of events are remembered at least, empty for relayed ones, `seenMs` for how long;
 * `tell` PUBLISH or SPUBLISH; `channel`; `count` of the events; then the ids of all events, then all events.
 *
 * Replies:
 * - `['published', length, n, …]` stored, the watermark moved to `to`, and published; `n` for each event that was there
 *   before, which is not published again.
 * - `['started', length]` the same for the first events of a stream, or the first after it was lost.
 * - `['moved', watermark]` the watermark stands elsewhere than at `from`, or is missing (empty); nothing changed.
 *
 * A company's first entry ever, and the first after Redis lost all of it, is a mark with the id `@start`.
 */
export const publishEvents = defineScript({
  name: 'publish-events',
  keys: ['watermark', 'stream', 'seen', 'seenBefore'],
  args: ['epoch', 'from', 'to', 'seenMax', 'seenMs', 'tell', 'channel', 'count'],
  lua: `${EVENT_LUA}
local isRelayed = epoch ~= ''
if isRelayed and (epochHere ~= epoch or positionHere ~= from) then return {'moved', held} end

local events = tonumber(count)
local textAt = firstArg + events - 1
local reply, known, fresh = {isFirst and 'started' or 'published', 0}, {}, {}
if seenMax ~= '' then
  local recent = redis.call('SMISMEMBER', seen, spread(ARGV, firstArg, textAt))
  local older = redis.call('SMISMEMBER', seenBefore, spread(ARGV, firstArg, textAt))
  for index = 1, events do
    if recent[index] == 1 or older[index] == 1 then known[ARGV[firstArg + index - 1]] = true end
  end
end

for index = 1, events do
  local id = ARGV[firstArg + index - 1]
  if known[id] then
    reply[#reply + 1] = index
  else
    if isFirst then
      append('@start|')
      isFirst = false
    end
    append(ARGV[textAt + index])
    lastEvent = id
    if seenMax ~= '' then
      known[id] = true
      fresh[#fresh + 1] = id
    end
  end
end
if #fresh > 0 then
  redis.call('SADD', seen, spread(fresh))
  if redis.call('SCARD', seen) >= tonumber(seenMax) then redis.call('RENAME', seen, seenBefore)
  else redis.call('PEXPIRE', seen, seenMs) end
end
if isRelayed then finish(epoch, to, lastEvent)
elseif sameMs then finish(epochHere, positionHere, lastEvent) end
reply[2] = redis.call('XLEN', stream)
return reply
`,
  parse(reply): PublishReply {
    const [status, second = '', ...duplicates] = textList('publish-events', reply)
    if (status === 'moved') return { status, watermark: second }
    return {
      status: 'published',
      isStart: status === 'started',
      length: Number(second),
      duplicates: duplicates.map(Number),
    }
  },
})

/** What comes after the fixed arguments: the ids of all events, then all events. */
export function eventArgs(events: readonly OutgoingEvent[]): readonly string[] {
  const args = new Array<string>(events.length * 2)
  for (const [index, { id, text }] of events.entries()) {
    args[index] = id
    args[events.length + index] = text
  }
  return args
}
