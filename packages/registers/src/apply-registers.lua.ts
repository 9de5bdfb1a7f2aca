/** APPLY: committed images into the registers that are there; the fast path of whoever committed them. */

import { defineScript } from '@kerp/redis'
import { REGISTER_LUA } from './register-lua.js'
import { countAt, textAt } from './script-reply.js'

/** What became of the images of one call. */
export interface ApplyCounts {
  readonly applied: number
  readonly skipped: number
  readonly pending: number
  readonly absent: number
}

/** APPLY's reply; without counts nothing was changed but, after a fork, the generation. */
export type ApplyReply =
  | { readonly status: 'applied'; readonly counts: ApplyCounts }
  | { readonly status: 'absent' | 'refused' | 'forked' }

/**
 * KEYS: watermark, then registers, no key twice. ARGV: `epoch` of the images, `spare` a generation never used,
 * for a fork, `channel`; then for each register its image text and its TTL in ms.
 *
 * Update-only: an older register is replaced, the same or a newer one stays, a lease keeps the newest image
 * beside it, a missing register and one of another generation stay missing.
 *
 * Replies, after publishing all images unless it says that nothing changed:
 * - `['applied', applied, skipped, pending, absent]` how many images ended how.
 * - `['absent']` no watermark; nothing changed.
 * - `['refused']` the registers are of another epoch; nothing changed.
 * - `['forked']` the same version was there with other bytes: the company has the spare generation now.
 */
export const applyRegisters = defineScript({
  name: 'apply-registers',
  keys: ['watermark'],
  args: ['epoch', 'spare', 'channel'],
  lua: `${REGISTER_LUA}
local held = redis.call('MGET', spread(KEYS))
local generation, epochHere, position, asOf = readWatermark(held[1])
if generation == nil then return {'absent'} end
if epochHere ~= epoch then return {'refused'} end
local counts = {applied = 0, skipped = 0, pending = 0, absent = 0}
local push = {pushHead(generation, epoch, '', '', asOf)}
for index = firstKey, #KEYS do
  local at = firstArg + 2 * (index - firstKey)
  local outcome = applyImage(KEYS[index], held[index], generation, ARGV[at], ARGV[at + 1])
  if outcome == 'fork' then
    writeWatermark(watermark, spare, epoch, position, asOf)
    redis.call('PUBLISH', channel, pushHead(spare, epoch, '', '', asOf))
    return {'forked'}
  end
  counts[outcome] = counts[outcome] + 1
  push[#push + 1] = KEYS[index] .. '|' .. ARGV[at]
end
redis.call('PUBLISH', channel, table.concat(push, '\\n'))
return {'applied', counts.applied, counts.skipped, counts.pending, counts.absent}
`,
  parse(reply): ApplyReply {
    const status = textAt('apply-registers', reply, 0)
    if (status === 'absent' || status === 'refused' || status === 'forked') return { status }
    return { status: 'applied', counts: applyCounts('apply-registers', reply) }
  },
})

/** The four counts behind the status of APPLY and RELAY. */
export function applyCounts(script: string, reply: unknown): ApplyCounts {
  return {
    applied: countAt(script, reply, 1),
    skipped: countAt(script, reply, 2),
    pending: countAt(script, reply, 3),
    absent: countAt(script, reply, 4),
  }
}
