/** VOID: single registers are removed, and with them the leases of loads that may carry what they held. */

import { defineScript } from '@kerp/redis'
import { REGISTER_LUA } from './register-lua.js'
import { countAt } from './script-reply.js'

/**
 * KEYS: watermark, then registers. ARGV: `channel`.
 *
 * Replies: `[removed]` how many keys were there; publishes the removals when there is a watermark.
 */
export const voidRegisters = defineScript({
  name: 'void-registers',
  keys: ['watermark'],
  args: ['channel'],
  lua: `${REGISTER_LUA}
local generation, epoch, _, asOf = readWatermark(redis.call('MGET', watermark)[1])
local removed = 0
local push = {}
for index = firstKey, #KEYS do
  removed = removed + redis.call('DEL', KEYS[index])
  push[#push + 1] = KEYS[index] .. '|'
end
if generation ~= nil then
  local head = pushHead(generation, epoch, '', '', asOf)
  redis.call('PUBLISH', channel, head .. '\\n' .. table.concat(push, '\\n'))
end
return {removed}
`,
  parse: (reply) => countAt('void-registers', reply, 0),
})
