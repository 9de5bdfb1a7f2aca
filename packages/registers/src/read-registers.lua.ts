/** READ: registers with their watermark, and a lease for each that is missing. */

import { defineScript } from '@kerp/redis'
import { REGISTER_LUA } from './register-lua.js'
import { textList } from './script-reply.js'

/** What READ found for one key. */
export type ReadOutcome = { readonly register: string } | 'granted' | 'leased'

/** The watermark's text and one outcome for each key; no watermark text and no outcomes when there is none. */
export interface ReadReply {
  readonly watermark: string | undefined
  readonly outcomes: readonly ReadOutcome[]
}

/**
 * KEYS: watermark, then registers, no key twice. `token` names the caller's leases and is never used again;
 * `leaseMs` is how long they last.
 *
 * Replies:
 * - `['']` no watermark, or one that no relay wrote: nothing was leased.
 * - `[watermark, …]` with, for each register: its text · `L` it was missing, malformed or of another
 *   generation and is now leased to the token · `W` it is leased to another token.
 */
export const readRegisters = defineScript({
  name: 'read-registers',
  keys: ['watermark'],
  args: ['token', 'leaseMs'],
  lua: `${REGISTER_LUA}
local held = redis.call('MGET', spread(KEYS))
local generation = readWatermark(held[1])
if generation == nil then return {''} end
local reply = {held[1]}
for index = firstKey, #KEYS do
  if readRegister(held[index], generation) ~= nil then
    reply[index] = held[index]
  elseif readLease(held[index], generation) ~= nil then
    reply[index] = 'W'
  else
    redis.call('SET', KEYS[index], 'L|' .. generation .. '|' .. token .. '|', 'PX', leaseMs)
    reply[index] = 'L'
  end
end
return reply
`,
  parse(reply): ReadReply {
    const [watermark, ...rest] = textList('read-registers', reply)
    return {
      watermark: watermark === '' ? undefined : watermark,
      outcomes: rest.map((text) => (text === 'L' ? 'granted' : text === 'W' ? 'leased' : { register: text })),
    }
  },
})
