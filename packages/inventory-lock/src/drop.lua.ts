/** The short script for giving back locks for which nobody waits. */

import { defineScript } from '@kerp/redis'
import { UnexpectedReplyError } from './errors.js'

/** 1: given back. 0: it was gone. -1: another owner has it. 2: others wait, nothing was done: hand it over. */
export type DropReply = 1 | 0 | -1 | 2

/** More keys per lock: lock, queue. More arguments: a grant (`OWNER|FENCE`) per lock. Replies: a list of `DropReply`. */
export const dropLocks = defineScript({
  name: 'drop-locks',
  keys: [],
  args: [],
  lua: `
local replies = {}
for entry = 1, #ARGV do
  local lock = KEYS[2 * entry - 1]
  local value = redis.call('GET', lock)
  if value ~= ARGV[entry] then
    replies[entry] = value and -1 or 0
  elseif redis.call('EXISTS', KEYS[2 * entry]) == 1 then
    replies[entry] = 2
  else
    redis.call('DEL', lock)
    replies[entry] = 1
  end
end
return #ARGV == 1 and replies[1] or replies
`,
  parse: (reply): readonly DropReply[] => {
    if (isDropReply(reply)) return [reply]
    if (Array.isArray(reply) && reply.every(isDropReply)) return reply
    throw new UnexpectedReplyError('drop-locks')
  },
})

function isDropReply(value: unknown): value is DropReply {
  return value === 1 || value === 0 || value === -1 || value === 2
}
