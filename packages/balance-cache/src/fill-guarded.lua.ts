/** FILL: rows that were loaded under leases become values, unless an operation on them began or ended meanwhile. */

import { defineScript } from '@kerp/redis'

/**
 * KEYS: the values of rows. ARGV: `token` of their leases, `ttlMs`; then for each its text.
 *
 * Replies how many were stored. Every operation removes the leases of its rows when it begins and when it ends.
 */
export const fillGuarded = defineScript({
  name: 'fill-guarded',
  keys: [],
  args: ['token', 'ttlMs'],
  lua: `
local stored = 0
for index = firstKey, #KEYS do
  if redis.call('MGET', KEYS[index])[1] == 'l|' .. token then
    redis.call('SET', KEYS[index], ARGV[firstArg + index - firstKey], 'PX', ttlMs)
    stored = stored + 1
  end
end
return stored
`,
  parse: Number,
})
