/** HOLD: an operation begins to mark rows that it may change, or goes on. */

import { defineScript } from '@kerp/redis'
import { GUARDED_LUA } from './guarded-lua.js'

/**
 * KEYS: for each row its value and its operations. ARGV: the id of the `operation`, `forMs` until it counts as dead,
 * `begins` not empty when it is new: otherwise a mark that was lost is not made again.
 *
 * Replies how many rows are marked. Values and leases of these are gone.
 */
export const holdOperation = defineScript({
  name: 'hold-operation',
  keys: [],
  args: ['operation', 'forMs', 'begins'],
  lua: `${GUARDED_LUA}
local nowMs = clockMs()
local held = 0
for index = firstKey, #KEYS, 2 do
  local marks = KEYS[index + 1]
  if begins ~= '' then
    local all = redis.call('HGETALL', marks)
    for at = 1, #all, 2 do
      if not isLive(all[at + 1], nowMs) then redis.call('HDEL', marks, all[at]) end
    end
  end
  if begins ~= '' or isLive(redis.call('HGET', marks, operation), nowMs) then
    local leftMs = redis.call('PTTL', marks)
    redis.call('HSET', marks, operation, string.format('%.0f', nowMs + tonumber(forMs)))
    if leftMs < tonumber(forMs) then redis.call('PEXPIRE', marks, forMs) end
    redis.call('DEL', KEYS[index])
    held = held + 1
  end
end
return held
`,
  parse: Number,
})
