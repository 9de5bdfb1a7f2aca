/** RENEW: a new generation at the same position, which voids all registers of a company at once. */

import { defineScript } from '@kerp/redis'
import { REGISTER_LUA } from './register-lua.js'
import { textAt } from './script-reply.js'

/**
 * KEYS: watermark. ARGV: the new `generation`, never used before; `channel`.
 *
 * Replies:
 * - `['renewed']` and publishes.
 * - `['absent']` no watermark: no register is valid anyway; nothing changed.
 */
export const renewGeneration = defineScript({
  name: 'renew-generation',
  keys: ['watermark'],
  args: ['generation', 'channel'],
  lua: `${REGISTER_LUA}
local before, epoch, position, asOf = readWatermark(redis.call('MGET', watermark)[1])
if before == nil then return {'absent'} end
writeWatermark(watermark, generation, epoch, position, asOf)
redis.call('PUBLISH', channel, pushHead(generation, epoch, '', '', asOf))
return {'renewed'}
`,
  parse: (reply) => textAt('renew-generation', reply, 0) === 'renewed',
})
