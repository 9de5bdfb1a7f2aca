/** The short script for giving back locks for which nobody waits. */

import { defineScript } from '@kerp/redis'
import { UnexpectedReplyError } from './errors.js'

/** 1: given back. 0: it was gone. -1: another owner has it. 2: others wait, nothing was done: hand it over. */
export type DropReply = 1 | 0 | -1 | 2

/**
 * More keys: one per lock. More arguments: a grant (`OWNER|FENCE`) per lock. Replies: a list of `DropReply`, a single
 * one alone. Whoever lines up marks the lock with a `+` behind the fence, so that the queue need not be looked at.
 */
export const dropLocks = defineScript({
  name: 'drop-locks',
  keys: [],
  args: [],
  lua: `
local replies = {}
for entry = 1, #ARGV do
  local lock, grant = KEYS[entry], ARGV[entry]
  local value = redis.call('GET', lock)
  if value == grant then
    replies[entry] = redis.call('DEL', lock)
  elseif value == grant .. '+' then
    replies[entry] = 2
  else
    replies[entry] = value and -1 or 0
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
