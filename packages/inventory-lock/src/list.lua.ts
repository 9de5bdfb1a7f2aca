/** The script that lists which locks of a company are held, without SCAN. */

import { defineScript } from '@kerp/redis'
import { UnexpectedReplyError } from './errors.js'

/** One entry of the list: `LOCK|OWNER|FENCE` and the rest of its lease in ms. */
export type ListedLock = readonly [string, number]

/** Replies with the entries of `held` whose lease has not ended, longest rest first, at most `limit`. */
export const listLocks = defineScript({
  name: 'list-locks',
  keys: ['held'],
  args: ['limit'],
  lua: `
local time = redis.call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local entries = redis.call('ZREVRANGEBYSCORE', held, '+inf', nowMs, 'WITHSCORES', 'LIMIT', 0, 2 * limit)
local replies = {}
for at = 1, #entries, 2 do
  local mark = string.sub(entries[at], 1, 1)
  if mark ~= '@' and mark ~= '~' and #replies < tonumber(limit) then
    replies[#replies + 1] = { entries[at], math.floor(tonumber(entries[at + 1]) - nowMs) }
  end
end
return replies
`,
  parse: (reply): readonly ListedLock[] => {
    if (Array.isArray(reply)) return reply.map(listedLockOf)
    throw new UnexpectedReplyError('list-locks')
  },
})

function listedLockOf(value: unknown): ListedLock {
  const [text, rest] = Array.isArray(value) ? (value as readonly unknown[]) : []
  const restMs = Number(rest)
  if (typeof text === 'string' && Number.isSafeInteger(restMs)) return [text, restMs]
  throw new UnexpectedReplyError('list-locks')
}
