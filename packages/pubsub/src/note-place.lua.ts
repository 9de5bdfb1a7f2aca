/** NOTE: an entry is dealt with, and so is the database's log up to a position: acknowledged and remembered in one step. */

import { defineScript } from '@kerp/redis'

/**
 * KEYS: stream, lease, place. ARGV: `group`; `owner` this process; `id` of the entry in the stream, empty for what was
 * read from the log; the `epoch` and `position` that all is dealt with up to.
 *
 * Replies 1, or 0 when the place stays: a later entry was noted before, or nothing of the stream was dealt with and the
 * lease is another's. The entry is acknowledged all the same.
 *
 * The place is `p1|epoch|position|id`, with the id of the last entry of the stream that moved it. Whoever dealt with an
 * entry dealt with all before it, also if its lease has ended since.
 */
export const notePlace = defineScript({
  name: 'note-place',
  keys: ['stream', 'lease', 'place'],
  args: ['group', 'owner', 'id', 'epoch', 'position'],
  lua: `
if id ~= '' then redis.call('XACK', stream, group, id) end
local held = redis.call('MGET', lease, place)
local heldEpoch, heldPosition, ms, sequence
if type(held[2]) == 'string' then
  heldEpoch, heldPosition, ms, sequence = string.match(held[2], '^p1|([^|]*)|(%d+)|(%d+)%-(%d+)$')
end
if not ms then ms, sequence = '0', '0' end

local function isLater(left, right)
  if #left ~= #right then return #left > #right end
  return left > right
end

if id == '' then
  if held[1] ~= owner then return 0 end
else
  local idMs, idSequence = string.match(id, '^(%d+)%-(%d+)$')
  if not isLater(idMs, ms) and not (idMs == ms and isLater(idSequence, sequence)) then return 0 end
  ms, sequence = idMs, idSequence
  -- Another may have read on in the log.
  if heldEpoch == epoch and held[1] ~= owner and isLater(heldPosition, position) then position = heldPosition end
end
redis.call('SET', place, 'p1|' .. epoch .. '|' .. position .. '|' .. ms .. '-' .. sequence)
return 1
`,
  parse: (reply) => reply === 1 || reply === '1',
})
