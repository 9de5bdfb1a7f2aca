/** LEASE: the right to load a value that is missing, or the reason why not. */

import { InvalidInputError } from '@kerp/core'
import { defineScript } from '@kerp/redis'
import { ENTRY_LUA } from './entry-lua.js'

/** What LEASE found. */
export type LeaseReply =
  | { readonly status: 'granted'; readonly generations: string }
  | { readonly status: 'entry'; readonly text: string; readonly generations: string }
  | { readonly status: 'failed'; readonly loaderCode: string }
  | { readonly status: 'leased' }

/**
 * KEYS: `entry`, `lease`, then the generations of the company and of the tags. ARGV: `token`, never used before;
 * `leaseMs`; `refused`, the token of an entry that the caller has seen and does not take, or empty; `spare`, a
 * generation never used, for those that are missing, and `keepMs`, how long they then live.
 *
 * Replies:
 * - `['entry', text, generations]` a valid entry other than the refused one is there.
 * - `['failed', code]` loading failed a moment ago; the mark expires by itself.
 * - `['leased']` another load is on its way, and nothing was invalidated since it began.
 * - `['granted', generations]` the caller loads, and stores under these generations.
 */
export const leaseEntry = defineScript({
  name: 'lease-entry',
  keys: ['entry', 'lease'],
  args: ['token', 'leaseMs', 'refused', 'spare', 'keepMs'],
  lua: `${ENTRY_LUA}
local found = redis.call('MGET', entry, lease)
local generations = readGenerations(firstKey, spare, keepMs)
local stored, its = readEntry(found[1])
if stored ~= nil and stored ~= refused and its == generations then return {'entry', found[1], generations} end
if type(found[2]) == 'string' then
  local mark, under, rest = string.match(found[2], '^([LF])|([%x,%-]+)|(.*)$')
  if under == generations and mark == 'F' then return {'failed', rest} end
  if under == generations and mark == 'L' and rest ~= token then return {'leased'} end
end
redis.call('SET', lease, 'L|' .. generations .. '|' .. token, 'PX', leaseMs)
return {'granted', generations}
`,
  parse(reply): LeaseReply {
    const [status, first = '', second = ''] = Array.isArray(reply) ? reply.map(String) : []
    if (status === 'granted') return { status, generations: first }
    if (status === 'entry') return { status, text: first, generations: second }
    if (status === 'failed') return { status, loaderCode: first }
    if (status === 'leased') return { status }
    throw new InvalidInputError('reply of lease-entry', 'as its script writes it', reply)
  },
})
