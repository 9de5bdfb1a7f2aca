/** KEEP: leases whose loads still run go on, so that a slow load is still one load, and a dead process blocks nobody. */

import { defineScript } from '@kerp/redis'
import { REGISTER_LUA } from './register-lua.js'
import { countAt } from './script-reply.js'

/**
 * KEYS: watermark, then registers, no key twice. ARGV: `token` of the leases, `leaseMs` how long they last from now.
 *
 * Replies `[count]`, of the leases that are still the caller's and of the current generation; only these go on, with
 * what waits beside them.
 */
export const keepLeases = defineScript({
  name: 'keep-leases',
  keys: ['watermark'],
  args: ['token', 'leaseMs'],
  lua: `${REGISTER_LUA}
local held = redis.call('MGET', spread(KEYS))
local generation = readWatermark(held[1])
if generation == nil then return {0} end
local kept = 0
for index = firstKey, #KEYS do
  if readLease(held[index], generation) == token then
    redis.call('PEXPIRE', KEYS[index], leaseMs)
    kept = kept + 1
  end
end
return {kept}
`,
  parse: (reply) => countAt('keep-leases', reply, 0),
})
