/** READ: guarded balances, and a lease for each that is missing and that nobody is about to change. */

import { InvalidInputError } from '@kerp/core'
import { defineScript } from '@kerp/redis'
import { GUARDED_LUA } from './guarded-lua.js'

/** What READ found for one row. `busy`: it is about to change, or loaded by somebody else. */
export type GuardedOutcome = { readonly value: string } | 'granted' | 'busy'

/**
 * KEYS: for each row its value and its operations. ARGV: `token`, never used before, and `leaseMs`.
 *
 * Replies, for each row: its value · `L` it was missing and is leased to the token · `B` it is leased to another, or an
 * operation on it is open. A value is answered without a look at operations: each removes it when it begins.
 */
export const readGuarded = defineScript({
  name: 'read-guarded',
  keys: [],
  args: ['token', 'leaseMs'],
  lua: `${GUARDED_LUA}
local nowMs = clockMs()
local reply = {}
for index = firstKey, #KEYS, 2 do
  local held = redis.call('MGET', KEYS[index])[1]
  local kind = type(held) == 'string' and string.sub(held, 1, 2) or ''
  local answer = 'L'
  if kind == 'v|' then
    answer = held
  elseif kind == 'l|' then
    answer = 'B'
  else
    for _, untilText in ipairs(redis.call('HVALS', KEYS[index + 1])) do
      if isLive(untilText, nowMs) then answer = 'B' end
    end
    if answer == 'L' then redis.call('SET', KEYS[index], 'l|' .. token, 'PX', leaseMs) end
  end
  reply[#reply + 1] = answer
end
return reply
`,
  parse(reply): readonly GuardedOutcome[] {
    if (!Array.isArray(reply))
      throw new InvalidInputError('reply of read-guarded', 'as its script writes it', reply)
    return reply.map((each) => {
      const text = String(each)
      return text === 'L' ? 'granted' : text === 'B' ? 'busy' : { value: text }
    })
  },
})
