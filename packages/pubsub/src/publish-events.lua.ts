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
 * `tell` PUBLISH or SPUBLISH; `channel`; `count` of the events; then the ids of all events, which differ, then all
 * events.
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

local idsEnd = firstArg + tonumber(count) - 1
local ids = {spread(ARGV, firstArg, idsEnd)}
-- The place in front of the events is for the first line.
local lines = {spread(ARGV, idsEnd, #ARGV)}
lines[1] = ''
local reply = {isFirst and 'started' or 'published', 0}

local function leaveOut(recent, older)
  local freshIds, freshLines = {}, {''}
  for index, id in ipairs(ids) do
    if recent[index] == 1 or older[index] == 1 then
      reply[#reply + 1] = index
    else
      freshIds[#freshIds + 1] = id
      freshLines[#freshLines + 1] = lines[index + 1]
    end
  end
  ids, lines = freshIds, freshLines
end

if seenMax ~= '' then
  local recent = call('SMISMEMBER', seen, spread(ids))
  local older = call('SMISMEMBER', seenBefore, spread(ids))
  for index = 1, #ids do
    if recent[index] == 1 or older[index] == 1 then
      leaveOut(recent, older)
      break
    end
  end
end

if #ids > 0 then
  if isFirst then
    store('@start|')
    lines[1] = '\\n@start|'
  end
  for index = 2, #lines do store(lines[index]) end
  lastEvent = string.match(lines[#lines], '^([^|]*)|')
  if seenMax ~= '' then
    call('SADD', seen, spread(ids))
    if call('SCARD', seen) >= tonumber(seenMax) then call('RENAME', seen, seenBefore)
    else call('PEXPIRE', seen, seenMs) end
  end
end
if isRelayed then finish(epoch, to, lastEvent, lines)
elseif firstId then finish(epochHere, positionHere, lastEvent, lines) end
reply[2] = call('XLEN', stream)
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
