/** The script that asks for locks: grants what is free, and lines up for the rest. */

import { defineScript } from '@kerp/redis'
import { MINT_LUA, WAITERS_LUA } from './hand-over.lua.js'
import { UnexpectedReplyError } from './errors.js'

/**
 * What one question is answered with: a fence as text, granted by this call; a list of one fence, this owner
 * has it already and its lease begins anew; or *wait*: the rest of the holder's lease in ms (-1: without
 * end, -2: it has just ended), the place in the queue (-1: none), and a mark: later grants have fences above it.
 */
export type AskReply = string | readonly [string] | readonly [number, number, string]

/**
 * Asks for several locks of one company, each for itself; the same owner may ask again and gets the same grant.
 *
 * More keys per lock: lock, queue. More arguments per lock: owner, ttlMs, block, wait. Replies: a list of
 * `AskReply`, in order; a single new fence stands alone. The first loop is the fast way: locks that are free and for which nobody waits.
 */
export const acquireLocks = defineScript({
  name: 'acquire-locks',
  keys: ['fence', 'held'],
  args: [],
  lua: `${MINT_LUA}
local replies = {}
local slow = false
for entry = 1, (#KEYS - firstKey + 1) / 2 do
  local lock = KEYS[firstKey + 2 * entry - 2]
  local at = firstArg + 4 * entry - 4
  if redis.call('EXISTS', lock, KEYS[firstKey + 2 * entry - 1]) == 0 then
    local first = mint(ARGV[at + 2])
    redis.call('SET', lock, ARGV[at] .. '|' .. first, 'PX', ARGV[at + 1])
    replies[entry] = first
  else
    replies[entry] = false
    slow = true
  end
end
if not slow then return #replies == 1 and replies[1] or replies end
${WAITERS_LUA}
readNow()
for entry = 1, #replies do
  if not replies[entry] then
    local at = firstArg + 4 * entry - 4
    replies[entry] = ask(KEYS[firstKey + 2 * entry - 2], KEYS[firstKey + 2 * entry - 1],
      ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
  end
end
return replies
`,
  parse: (reply): readonly AskReply[] => {
    if (typeof reply === 'string') return [reply]
    if (Array.isArray(reply) && reply.every(isAskReply)) return reply
    throw new UnexpectedReplyError('acquire-locks')
  },
})

/** Whether a reply has one of the three shapes. */
export function isAskReply(value: unknown): value is AskReply {
  if (typeof value === 'string') return true
  if (!Array.isArray(value)) return false
  const [first, second, third] = value as readonly unknown[]
  if (value.length === 1) return typeof first === 'string'
  return typeof first === 'number' && typeof second === 'number' && typeof third === 'string'
}
