/** The script that renews leases, many in one call, and lists what is held for those who look. */

import { defineScript } from '@kerp/redis'
import { UnexpectedReplyError } from './errors.js'

/**
 * Renews leases of one company that are still ours; never revives one that ended.
 *
 * More keys: one per lock. More arguments per lock: grant (`OWNER|FENCE`), ttlMs (empty: lists it and leaves the lease as it is). Replies: a list of `renewed`
 * and `gone` (or another owner has it). Whoever is renewed is listed in `held` until the new end of its lease.
 * The fence is compared too: an owner that slept through its turn may have been granted the lock anew, and its first
 * grant must not come to life again.
 */
export const extendLocks = defineScript({
  name: 'extend-locks',
  keys: ['held'],
  args: [],
  lua: `
local time = redis.call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local replies = {}
for entry = 1, #KEYS - firstKey + 1 do
  local lock = KEYS[firstKey + entry - 1]
  local grant, ttlMs = ARGV[firstArg + 2 * entry - 2], ARGV[firstArg + 2 * entry - 1]
  local value = redis.call('GET', lock)
  if value == grant or value == grant .. '+' then
    if ttlMs == '' then ttlMs = redis.call('PTTL', lock) else redis.call('PEXPIRE', lock, ttlMs) end
    redis.call('ZADD', held, nowMs + ttlMs, lock .. '|' .. grant)
    replies[entry] = 'renewed'
  else
    redis.call('ZREM', held, lock .. '|' .. grant)
    replies[entry] = 'gone'
  end
end
redis.call('ZREMRANGEBYSCORE', held, '-inf', nowMs - 1)
redis.call('PEXPIRE', held, 172800000)
return replies
`,
  parse: (reply): readonly boolean[] => {
    if (Array.isArray(reply)) return reply.map((word) => word === 'renewed')
    throw new UnexpectedReplyError('extend-locks')
  },
})
