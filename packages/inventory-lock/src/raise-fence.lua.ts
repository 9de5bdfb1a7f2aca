/** The script that lifts the fences of a company above one that a database row has already seen. */

import { defineScript } from '@kerp/redis'
import { isFence } from './acquire.lua.js'
import { MINT_LUA } from './hand-over.lua.js'
import { UnexpectedReplyError } from './errors.js'

/**
 * Makes every later fence greater than `floor`, and gives the holder of `grant` a new one at once.
 *
 * `grant` empty: raises only. Replies the new fence; `''` when nothing was to be given; `gone` when the lock
 * is no longer this holder's (later fences are raised all the same).
 */
export const raiseFence = defineScript({
  name: 'raise-fence',
  keys: ['fence', 'lock', 'held'],
  args: ['grant', 'floor'],
  lua: `${MINT_LUA}
local last = tonumber(redis.call('GET', fence) or '')
if not last or last < tonumber(floor) then redis.call('SET', fence, floor) end
if grant == '' then return '' end
local value = redis.call('GET', lock)
if value ~= grant and value ~= grant .. '+' then return 'gone' end
local leftMs = redis.call('PTTL', lock)
if leftMs < 1 then return 'gone' end
local first = mint('1')
local owner = string.match(grant, '^[^|]+')
redis.call('SET', lock, owner .. '|' .. first .. string.sub(value, #grant + 1), 'PX', leftMs)
local untilMs = redis.call('ZSCORE', held, lock .. '|' .. grant)
if untilMs then
  redis.call('ZREM', held, lock .. '|' .. grant)
  redis.call('ZADD', held, untilMs, lock .. '|' .. owner .. '|' .. first)
end
return first
`,
  parse: (reply): string | undefined => {
    if (reply === '' || isFence(reply)) return reply
    if (reply === 'gone') return undefined
    throw new UnexpectedReplyError('raise-fence')
  },
})
