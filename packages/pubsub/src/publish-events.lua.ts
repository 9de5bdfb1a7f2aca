/** PUBLISH: events into the stream and to those who listen, in one step, chained to the event before them. */

import { defineScript } from '@kerp/redis'
import { EVENT_LUA } from './event-lua.js'
import { textList } from './script-reply.js'

/** PUBLISH's reply. */
export type PublishReply =
  | {
      readonly status: 'published'
      /** Entries that the stream holds now. */
      readonly length: number
      /** The stream id of each event; of one that was published before, that of then. */
      readonly streamIds: readonly string[]
      readonly isDuplicate: readonly boolean[]
    }
  | { readonly status: 'moved'; readonly watermark: string }

/**
 * KEYS: watermark, stream, seen, seenBefore. ARGV: `epoch`, `from` and `to` of relayed events, all empty for others;
 * `seenMax` how many ids of events are remembered at least, empty for relayed ones, `seenMs` for how long;
 * `channel`; then for each event its id and its text.
 *
 * Replies:
 * - `['published', length, id, …]` stored, the watermark moved to `to`, and published; `=id` for an event that was
 *   there before, which is not published again.
 * - `['moved', watermark]` the watermark stands elsewhere than at `from`, or is missing (empty); nothing changed.
 *
 * A company's first entry ever, and the first after Redis lost all of it, is a mark with the id `@start`.
 */
export const publishEvents = defineScript({
  name: 'publish-events',
  keys: ['watermark', 'stream', 'seen', 'seenBefore'],
  args: ['epoch', 'from', 'to', 'seenMax', 'seenMs', 'channel'],
  lua: `${EVENT_LUA}
local isRelayed = epoch ~= ''
if isRelayed and (epochHere ~= epoch or positionHere ~= from) then return {'moved', held} end

local ids, known = {}, {}
for index = firstArg, #ARGV, 2 do ids[#ids + 1] = ARGV[index] end
if seenMax ~= '' then
  local recent = redis.call('HMGET', seen, spread(ids))
  local older = redis.call('HMGET', seenBefore, spread(ids))
  for index, id in ipairs(ids) do known[id] = recent[index] or older[index] or nil end
end

local reply, fresh = {'published', 0}, {}
for index, id in ipairs(ids) do
  if known[id] then
    reply[#reply + 1] = '=' .. known[id]
  else
    if isFirst then
      append('@start', '')
      isFirst = false
    end
    local streamId = append(id, ARGV[firstArg + 2 * index - 1])
    reply[#reply + 1] = streamId
    if seenMax ~= '' then
      known[id] = streamId
      fresh[#fresh + 1] = id
      fresh[#fresh + 1] = streamId
    end
  end
end
if #fresh > 0 then
  redis.call('HSET', seen, spread(fresh))
  if redis.call('HLEN', seen) >= tonumber(seenMax) then redis.call('RENAME', seen, seenBefore)
  else redis.call('PEXPIRE', seen, seenMs) end
end
if isRelayed then finish(epoch, to)
elseif #block > 0 then finish(epochHere, positionHere) end
reply[2] = redis.call('XLEN', stream)
return reply
`,
  parse(reply): PublishReply {
    const [status, second = '', ...ids] = textList('publish-events', reply)
    if (status === 'moved') return { status, watermark: second }
    return {
      status: 'published',
      length: Number(second),
      streamIds: ids.map((id) => (id.startsWith('=') ? id.slice(1) : id)),
      isDuplicate: ids.map((id) => id.startsWith('=')),
    }
  },
})
