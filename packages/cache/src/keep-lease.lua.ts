/** KEEP: a lease goes on, becomes the mark of a failed load, or is given back. */

import { defineScript } from '@kerp/redis'

/**
 * KEYS: `lease`. ARGV: the lease as it is `held`, the `text` that takes its place, empty to give it back, and `forMs`.
 *
 * Replies: `kept`, or `lost`: the lease is not the caller's any more and nothing changed.
 */
export const keepLease = defineScript({
  name: 'keep-lease',
  keys: ['lease'],
  args: ['held', 'text', 'forMs'],
  lua: `
if redis.call('MGET', lease)[1] ~= held then return 'lost' end
if text == '' then
  redis.call('DEL', lease)
else
  redis.call('SET', lease, text, 'PX', forMs)
end
return 'kept'
`,
  parse: (reply) => reply === 'kept',
})
