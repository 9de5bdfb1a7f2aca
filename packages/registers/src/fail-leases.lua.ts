/** FAIL: leases whose loads failed keep everybody from loading again, for a moment that ends by itself; or are given back. */

import { defineScript } from '@kerp/redis'
import { REGISTER_LUA } from './register-lua.js'
import { countAt } from './script-reply.js'

/**
 * KEYS: watermark, then registers, no key twice. ARGV: `token` of the leases, `failure` the token that takes its
 * place, or empty to give them back, `backoffMs` how long it stands.
 *
 * Only the caller's own leases change, and keys at which nothing is left: a register, and the lease of another, stay.
 * What waited beside the lease goes, for nobody will fill it.
 *
 * Replies `[count]`, of the leases that were marked or given back; 0 without a watermark.
 */
export const failLeases = defineScript({
  name: 'fail-leases',
  keys: ['watermark'],
  args: ['token', 'failure', 'backoffMs'],
  lua: `${REGISTER_LUA}
local held = redis.call('MGET', spread(KEYS))
local generation = readWatermark(held[1])
if generation == nil then return {0} end
local marked = 0
for index = firstKey, #KEYS do
  local holder = readLease(held[index], generation)
  if failure == '' then
    if holder == token then marked = marked + redis.call('DEL', KEYS[index]) end
  elseif holder == token or type(held[index]) ~= 'string' then
    redis.call('SET', KEYS[index], 'L|' .. generation .. '|' .. failure .. '|', 'PX', backoffMs)
    marked = marked + 1
  end
end
return {marked}
`,
  parse: (reply) => countAt('fail-leases', reply, 0),
})
