/** AGES: how long entries are still kept, by the server's clock, the only one that all processes share. */

import { defineScript } from '@kerp/redis'

/**
 * KEYS: entries. Replies with the remaining ms of each, below 0 for one that is gone.
 */
export const readAges = defineScript({
  name: 'read-ages',
  keys: [],
  args: [],
  lua: `
local ages = {}
for index = 1, #KEYS do ages[index] = redis.call('PTTL', KEYS[index]) end
return ages
`,
  parse: (reply): readonly number[] => (Array.isArray(reply) ? reply.map(Number) : []),
})
