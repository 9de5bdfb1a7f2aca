/** INSTALL: a new generation at a position, in place of a watermark that cannot be continued. */

import { defineScript } from '@kerp/redis'
import { REGISTER_LUA } from './register-lua.js'
import { textAt } from './script-reply.js'

/**
 * KEYS: watermark. ARGV: `expected` the text that stands there, empty for none; the new `generation`, never
 * used before, `epoch`, `position` and `asOf`; `channel`.
 *
 * Replies:
 * - `['installed']` and publishes: every register and lease of before is void.
 * - `['moved']` another text stands there; nothing changed.
 */
export const installWatermark = defineScript({
  name: 'install-watermark',
  keys: ['watermark'],
  args: ['expected', 'generation', 'epoch', 'position', 'asOf', 'channel'],
  lua: `${REGISTER_LUA}
local held = redis.call('MGET', watermark)[1]
if type(held) ~= 'string' then held = '' end
if held ~= expected then return {'moved'} end
local _, _, from = readWatermark(held)
writeWatermark(watermark, generation, epoch, position, asOf)
redis.call('PUBLISH', channel, pushHead(generation, epoch, from or '', position, asOf))
return {'installed'}
`,
  parse: (reply) => textAt('install-watermark', reply, 0) === 'installed',
})
