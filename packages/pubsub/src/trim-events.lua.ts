/** TRIM: shortens a company's stream, and never below what a durable group has not read, unless it is at its maximum. */

import { defineScript } from '@kerp/redis'
import { textList } from './script-reply.js'

/**
 * KEYS: stream. ARGV: `keep` entries that stay for subscribers, `max` that stay for durable groups at the most.
 *
 * Replies `[unread]`: how many entries that a group has not handled may have been cut; 0 as long as all is well.
 */
export const trimEvents = defineScript({
  name: 'trim-events',
  keys: ['stream'],
  args: ['keep', 'max'],
  lua: `
local length = redis.call('XLEN', stream)
if length <= tonumber(keep) then return {0} end
local needed = tonumber(keep)
for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local waiting, pending = length, 0
  for index = 1, #group, 2 do
    if group[index] == 'lag' and type(group[index + 1]) == 'number' then waiting = group[index + 1] end
    if group[index] == 'pending' then pending = group[index + 1] end
  end
  if waiting + pending > needed then needed = waiting + pending end
end
local limit = tonumber(max)
local unread = 0
if needed > limit then
  if length > limit then unread = needed - limit end
  needed = limit
end
redis.call('XTRIM', stream, 'MAXLEN', '~', string.format('%d', needed))
return {unread}
`,
  parse: (reply) => Number(textList('trim-events', reply)[0]),
})
