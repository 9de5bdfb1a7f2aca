/** The script that asks for locks: grants what is free, and lines up for the rest. */

import { defineScript } from '@kerp/redis'
import { MINT_LUA, WAITERS_LUA } from './hand-over.lua.js'
import { UnexpectedReplyError } from './errors.js'

/**
 * What one question is answered with: a fence, granted by this call; `again` and a fence, this owner
 * has it already and its lease begins anew; or `wait`, the rest of the holder's lease in ms (-1: without
 * end, -2: it has just ended), the place in the queue (-1: none), and a mark: later grants have fences above it.
 */
export type AskReply = string | readonly ['again', string] | readonly ['wait', number, number, string]

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
    if (isFence(reply)) return [reply]
    if (Array.isArray(reply)) return reply.map((each) => askReplyOf('acquire-locks', each))
    throw new UnexpectedReplyError('acquire-locks')
  },
})

/**
 * One answer. A word says what it is, never the type of a value: a client may answer integers as text.
 *
 * @throws {UnexpectedReplyError} `LOCK_PROTOCOL`
 */
export function askReplyOf(script: string, value: unknown): AskReply {
  if (isFence(value)) return value
  const [word, first, second, mark] = Array.isArray(value) ? (value as readonly unknown[]) : []
  if (word === 'again' && isFence(first)) return [word, first]
  const [restMs, place] = [Number(first), Number(second)]
  if (word === 'wait' && Number.isSafeInteger(restMs) && Number.isSafeInteger(place) && isFence(mark)) {
    return [word, restMs, place, mark]
  }
  throw new UnexpectedReplyError(script)
}

/** Whether a part of a reply is a fence: the only text of digits. */
export function isFence(value: unknown): value is string {
  return typeof value === 'string' && FENCE.test(value)
}

const FENCE = /^\d{1,17}$/
