/** The short script for giving back locks for which nobody waits. */

import { defineScript } from '@kerp/redis'
import { UnexpectedReplyError } from './errors.js'

/** `taken`: another owner has it. `awaited`: others wait, nothing was done: hand it over. */
export type DropReply = 'released' | 'gone' | 'taken' | 'awaited'

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
    redis.call('DEL', lock)
    replies[entry] = 'released'
  elseif value == grant .. '+' then
    replies[entry] = 'awaited'
  else
    replies[entry] = value and 'taken' or 'gone'
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
  return value === 'released' || value === 'gone' || value === 'taken' || value === 'awaited'
}
