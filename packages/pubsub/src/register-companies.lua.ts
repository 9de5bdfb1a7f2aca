/** REGISTER: companies that have events, so that whoever follows all of them finds each. */

import { defineScript } from '@kerp/redis'

/**
 * KEYS: known, list. ARGV: `tell` PUBLISH or SPUBLISH; `channel`; then companies.
 *
 * Replies how many of them were not known; they are at the end of the list now, and told.
 */
export const registerCompanies = defineScript({
  name: 'register-companies',
  keys: ['known', 'list'],
  args: ['tell', 'channel'],
  lua: `
-- One of the two alone is worth nothing: both begin anew.
if redis.call('XLEN', list) == 0 then redis.call('DEL', known) end
local fresh = 0
for index = firstArg, #ARGV do
  if redis.call('SADD', known, ARGV[index]) == 1 then
    redis.call('XADD', list, '*', 'e', ARGV[index] .. '|')
    fresh = fresh + 1
  end
end
if fresh > 0 then redis.call(tell, channel, string.format('%d', fresh)) end
return fresh
`,
  parse: Number,
})
