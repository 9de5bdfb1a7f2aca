/** TAKE: the next events of a company for a durable group, for one process at a time. */

import { defineScript } from '@kerp/redis'
import { idOfEncoded } from './envelope.js'
import type { StreamEntry } from './event-block.js'
import { textList } from './script-reply.js'

/** An entry that was taken. */
export interface TakenEntry extends StreamEntry {
  /** How many processes may have begun to handle it, this one included. */
  readonly deliveries: number
}

/** TAKE's reply. */
export type TakeReply =
  | { readonly status: 'held' }
  | { readonly status: 'created' }
  /** `gone`: entries that were trimmed before they were handled. */
  | { readonly status: 'empty'; readonly gone: number }
  | {
      readonly status: 'taken'
      readonly next: string
      readonly gone: number
      readonly entries: readonly TakenEntry[]
    }

/**
 * KEYS: stream, lease. ARGV: `group`; `owner` this process; `leaseMs`; `count`; `from` where a new group begins; `after`
 * where the look at entries that were taken before goes on, empty when there are none left.
 *
 * Replies:
 * - `['held']` another process handles the company's events.
 * - `['created']` there was no group: it is new, or Redis lost it. The lease is taken.
 * - `['empty', gone]` nothing to do; the lease is given back.
 * - `['taken', next, gone, (id, event, deliveries)…]` first all that a process took and did not finish, in order, one at a
 *   time, so that an event which ends every process that handles it is not counted against those taken with it: of what a
 *   process left behind, only the first may have been begun.
 *
 * The group has one consumer, whatever process uses it, for the lease keeps the order and nothing is left behind.
 */
export const takeEvents = defineScript({
  name: 'take-events',
  keys: ['stream', 'lease'],
  args: ['group', 'owner', 'leaseMs', 'count', 'from', 'after'],
  lua: `
local holder = redis.call('MGET', lease)[1]
if type(holder) == 'string' and holder ~= owner then return {'held'} end
if holder ~= owner then after = '0-0' end
redis.call('SET', lease, owner, 'PX', leaseMs)

local function describe(reply, entries, unbegun)
  local tries = {}
  for _, pending in ipairs(redis.call('XPENDING', stream, group, entries[1][1], entries[#entries][1], count)) do
    tries[pending[1]] = pending[4]
  end
  for _, entry in ipairs(entries) do
    reply[#reply + 1] = entry[1]
    reply[#reply + 1] = #entry[2] == 2 and entry[2][1] == 'e' and entry[2][2] or ''
    reply[#reply + 1] = math.max(1, (tries[entry[1]] or 1) - unbegun)
  end
  return reply
end

local gone, unbegun = 0, after == '0-0' and 0 or 1
while after ~= '' do
  local claimed = redis.pcall('XAUTOCLAIM', stream, group, 'consumer', '0', after, 'COUNT', '1')
  if claimed.err then
    if string.sub(claimed.err, 1, 7) ~= 'NOGROUP' then return claimed end
    redis.call('XGROUP', 'CREATE', stream, group, from, 'MKSTREAM')
    return {'created'}
  end
  after = claimed[1]
  if after == '0-0' then after = '' end
  gone = gone + #(claimed[3] or {})
  if #claimed[2] > 0 then return describe({'taken', after, gone}, claimed[2], unbegun) end
end
local new = redis.call('XREADGROUP', 'GROUP', group, 'consumer', 'COUNT', count, 'STREAMS', stream, '>')
if not new or not new[1] then
  redis.call('DEL', lease)
  return {'empty', gone}
end
return describe({'taken', '', gone}, new[1][2], 0)
`,
  parse(reply): TakeReply {
    const [status = '', ...rest] = textList('take-events', reply)
    if (status === 'held') return { status }
    if (status === 'created') return { status }
    if (status === 'empty') return { status, gone: Number(rest[0]) }
    const [next = '', gone = '0', ...fields] = rest
    const entries: TakenEntry[] = []
    for (let at = 0; at < fields.length; at += 3) {
      const [streamId = '', text = '', deliveries = '1'] = fields.slice(at, at + 3)
      entries.push({ streamId, eventId: idOfEncoded(text), text, deliveries: Number(deliveries) })
    }
    return { status: 'taken', next, gone: Number(gone), entries }
  },
})
