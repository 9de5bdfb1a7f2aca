/** STORE: a loaded value becomes an entry, unless something was invalidated since its lease was taken. */

import { InvalidInputError } from '@kerp/core'
import { defineScript } from '@kerp/redis'
import { ENTRY_LUA } from './entry-lua.js'

/** What became of the value. */
export type StoreReply = 'stored' | 'lost' | 'superseded'

/**
 * KEYS: `entry`, `lease`, then the generations as for LEASE. ARGV: `token` and `generations` of the lease; `text`
 * of the entry and its `ttlMs`; generations that would live less than `leastMs` live `keepMs` from now on.
 *
 * The one way in which an entry comes to be. Replies:
 * - `stored`, and the lease is gone.
 * - `lost` the lease is not the caller's: it ran out, or the key was invalidated. Nothing changed.
 * - `superseded` the company or a tag was invalidated. The lease is gone, nothing was stored.
 */
export const storeEntry = defineScript({
  name: 'store-entry',
  keys: ['entry', 'lease'],
  args: ['token', 'generations', 'text', 'ttlMs', 'leastMs', 'keepMs'],
  lua: `${ENTRY_LUA}
if redis.call('MGET', lease)[1] ~= 'L|' .. generations .. '|' .. token then return 'lost' end
redis.call('DEL', lease)
if readGenerations(firstKey) ~= generations then return 'superseded' end
for index = firstKey, #KEYS do
  if redis.call('PTTL', KEYS[index]) < tonumber(leastMs) then redis.call('PEXPIRE', KEYS[index], keepMs) end
end
redis.call('SET', entry, text, 'PX', ttlMs)
return 'stored'
`,
  parse(reply): StoreReply {
    if (reply === 'stored' || reply === 'lost' || reply === 'superseded') return reply
    throw new InvalidInputError('reply of store-entry', 'as its script writes it', reply)
  },
})
