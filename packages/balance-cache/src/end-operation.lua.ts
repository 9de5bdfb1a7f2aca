/** END: an operation has ended, whether it changed its rows or not; they are loaded anew. */

import { defineScript } from '@kerp/redis'

/**
 * KEYS: for each row its value and its operations. ARGV: the id of the `operation`.
 *
 * Replies how many rows were still marked with it. Values and leases of all of them are gone.
 */
export const endOperation = defineScript({
  name: 'end-operation',
  keys: [],
  args: ['operation'],
  lua: `
local marked = 0
for index = firstKey, #KEYS, 2 do
  marked = marked + redis.call('HDEL', KEYS[index + 1], operation)
  redis.call('DEL', KEYS[index])
end
return marked
`,
  parse: Number,
})
