/** RELAY: the changes between two positions, in one step with the watermark that says so. */

import { defineScript } from '@kerp/redis'
import { type ApplyCounts, applyCounts } from './apply-registers.lua.js'
import { REGISTER_LUA } from './register-lua.js'
import { textAt } from './script-reply.js'

/** RELAY's reply. */
export type RelayReply =
  | { readonly status: 'relayed'; readonly counts: ApplyCounts }
  | { readonly status: 'renewed' | 'forked' | 'absent' }
  | { readonly status: 'moved'; readonly watermark: string }

/**
 * KEYS: watermark, then registers, no key twice. ARGV: `epoch` of the changes, the positions `from` and `to`,
 * `asOf` the database's clock at `to` in ms or empty to leave it, `spare` a generation never used, `renew` not
 * empty to void all registers, `channel`; then for each register its image text, or nothing to void it, and its TTL in ms.
 *
 * Replies, after publishing always unless it says that nothing changed:
 * - `['relayed', applied, skipped, pending, absent]` the watermark stands at `to`.
 * - `['renewed']` all registers are void by the spare generation, and the watermark stands at `to`.
 * - `['forked']` likewise, because the same version was there with other bytes.
 * - `['moved', watermark]` it stands at another position or epoch; nothing changed.
 * - `['absent']` no watermark, or one that no relay wrote; nothing changed.
 */
export const relayRegisters = defineScript({
  name: 'relay-registers',
  keys: ['watermark'],
  args: ['epoch', 'from', 'to', 'asOf', 'spare', 'renew', 'channel'],
  lua: `${REGISTER_LUA}
local held = redis.call('MGET', spread(KEYS))
local generation, epochHere, position, asOfHere = readWatermark(held[1])
if generation == nil then return {'absent'} end
if epochHere ~= epoch or position ~= from then return {'moved', held[1]} end
if asOf == '' then asOf = asOfHere end

local function startOver(status)
  writeWatermark(watermark, spare, epoch, to, asOf)
  redis.call('PUBLISH', channel, pushHead(spare, epoch, from, to, asOf))
  return {status}
end

if renew ~= '' then return startOver('renewed') end
local counts = {applied = 0, skipped = 0, pending = 0, absent = 0}
local push = {pushHead(generation, epoch, from, to, asOf)}
for index = firstKey, #KEYS do
  local at = firstArg + 2 * (index - firstKey)
  if ARGV[at] == '' then
    redis.call('DEL', KEYS[index])
  else
    local outcome = applyImage(KEYS[index], held[index], generation, ARGV[at], ARGV[at + 1])
    if outcome == 'fork' then return startOver('forked') end
    counts[outcome] = counts[outcome] + 1
  end
  push[#push + 1] = KEYS[index] .. '|' .. ARGV[at]
end
writeWatermark(watermark, generation, epoch, to, asOf)
redis.call('PUBLISH', channel, table.concat(push, '\\n'))
return {'relayed', counts.applied, counts.skipped, counts.pending, counts.absent}
`,
  parse(reply): RelayReply {
    const status = textAt('relay-registers', reply, 0)
    if (status === 'renewed' || status === 'forked' || status === 'absent') return { status }
    if (status === 'moved') return { status, watermark: textAt('relay-registers', reply, 1) }
    return { status: 'relayed', counts: applyCounts('relay-registers', reply) }
  },
})
