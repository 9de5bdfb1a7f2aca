/** The short script for locks that nobody holds, which are nearly all: it knows no queue. */

import { defineScript } from '@kerp/redis'
import { isFence } from './acquire.lua.js'
import { UnexpectedReplyError } from './errors.js'

/** A fence, or `held`: just another question must be asked. */
export type TakeReply = string

/**
 * Takes several locks of one company, each for itself, if they are free.
 *
 * More keys: one per lock. More arguments per lock: owner, ttlMs. Replies: a `TakeReply` for one lock, else a list
 * of them. The fence is minted in the same step: `max(last + 1, TIME in µs)`. Nobody who waits is passed, because a
 * lock for which others wait is handed on without being free; only after a lease that ended can a newcomer be first.
 */
export const takeLocks = defineScript({
  name: 'take-locks',
  keys: ['fence'],
  args: [],
  lua: `
local time = redis.call('TIME')
local now = time[2]
if #now < 6 then now = string.format('%06d', now) end
now = time[1] .. now
if #KEYS == 2 then
  if not redis.call('SET', KEYS[2], ARGV[1] .. '|' .. now, 'NX', 'PX', ARGV[2]) then return 'held' end
  local last = redis.call('GETSET', fence, now)
  if last and #last == #now and last < now then return now end
  local first = tonumber(now)
  last = last and tonumber(last)
  if not last then
    first = first + 128
  elseif last >= first then
    first = last + 1
  end
  local text = string.format('%.0f', first)
  redis.call('SET', fence, text)
  redis.call('SET', KEYS[2], ARGV[1] .. '|' .. text, 'PX', ARGV[2])
  return text
end
local last = tonumber(redis.call('GET', fence) or '')
local first = tonumber(now)
local next = not last and first + 128 or math.max(last + 1, first)
local replies = {}
for entry = 1, #KEYS - 1 do
  local text = string.format('%.0f', next)
  if redis.call('SET', KEYS[entry + 1], ARGV[2 * entry - 1] .. '|' .. text, 'NX', 'PX', ARGV[2 * entry]) then
    replies[entry] = text
    next = next + 1
  else
    replies[entry] = 'held'
  end
end
redis.call('SET', fence, string.format('%.0f', next - 1))
return replies
`,
  parse: (reply): readonly TakeReply[] => {
    if (isTakeReply(reply)) return [reply]
    if (Array.isArray(reply) && reply.every(isTakeReply)) return reply
    throw new UnexpectedReplyError('take-locks')
  },
})

function isTakeReply(value: unknown): value is TakeReply {
  return value === 'held' || isFence(value)
}
