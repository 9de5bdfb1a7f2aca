/** FILL: rows that were loaded under leases become registers; the only way in which a register comes to be. */

import { defineScript } from '@kerp/redis'
import { REGISTER_LUA } from './register-lua.js'
import { textList } from './script-reply.js'

/** What became of one row: stored as it was, beaten by a newer image that waited with the lease, or refused. */
export type FillOutcome = 'stored' | 'refused' | { readonly newer: string }

/** FILL's reply; without outcomes no row was stored. */
export type FillReply =
  | { readonly status: 'filled'; readonly watermark: string; readonly outcomes: readonly FillOutcome[] }
  | { readonly status: 'absent' | 'refused' | 'forked' }

/**
 * KEYS: watermark, then registers, no key twice. ARGV: `epoch` of the rows, `token` of the leases, `spare` a
 * generation never used, for a fork, `channel`; then for each register its image text and its TTL in ms.
 *
 * Replies, after publishing what was stored:
 * - `['filled', watermark, …]` with, for each row: `F` stored · `R` its lease is gone, another's, or of another
 *   generation · the image text that waited with the lease, was newer, and was stored in its place.
 * - `['absent']` no watermark; nothing changed.
 * - `['refused']` the registers are of another epoch; nothing changed.
 * - `['forked']` the same version was there with other bytes: the company has the spare generation now.
 */
export const fillRegisters = defineScript({
  name: 'fill-registers',
  keys: ['watermark'],
  args: ['epoch', 'token', 'spare', 'channel'],
  lua: `${REGISTER_LUA}
local held = redis.call('MGET', spread(KEYS))
local generation, epochHere, position, asOf = readWatermark(held[1])
if generation == nil then return {'absent'} end
if epochHere ~= epoch then return {'refused'} end
local reply = {'filled', held[1]}
local push = {pushHead(generation, epoch, '', '', asOf)}
for index = firstKey, #KEYS do
  local at = firstArg + 2 * (index - firstKey)
  local image = ARGV[at]
  local holder, pending = readLease(held[index], generation)
  local rival = pending
  if holder ~= token then rival = readRegister(held[index], generation) end
  local order = 1
  if rival ~= nil and rival ~= '' then order = compareImages(image, rival) end
  if order == nil then
    writeWatermark(watermark, spare, epoch, position, asOf)
    redis.call('PUBLISH', channel, pushHead(spare, epoch, '', '', asOf))
    return {'forked'}
  end
  if holder ~= token then
    reply[#reply + 1] = 'R'
  else
    reply[#reply + 1] = 'F'
    if order < 0 then
      image = pending
      reply[#reply] = image
    end
    redis.call('SET', KEYS[index], 'r1|' .. generation .. '|' .. image, 'PX', ARGV[at + 1])
    push[#push + 1] = KEYS[index] .. '|' .. image
  end
end
if #push > 1 then redis.call('PUBLISH', channel, table.concat(push, '\\n')) end
return reply
`,
  parse(reply): FillReply {
    const [status, watermark = '', ...rest] = textList('fill-registers', reply)
    if (status === 'absent' || status === 'refused' || status === 'forked') return { status }
    return {
      status: 'filled',
      watermark,
      outcomes: rest.map((text) => (text === 'F' ? 'stored' : text === 'R' ? 'refused' : { newer: text })),
    }
  },
})
