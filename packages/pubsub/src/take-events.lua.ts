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

/** What another process of the group left, told when the lease changes hands; both are empty for nothing. */
export interface TakenOver {
  /** As `notePlace` wrote it. */
  readonly place: string
  /** The begin of the newest entry that nobody of the group has to handle any more, if it is not that of the place. */
  readonly done: string
}

/** TAKE's reply. */
export type TakeReply =
  | { readonly status: 'held' }
  | ({ readonly status: 'missing' } & TakenOver)
  /** `epoch` and `position` of the database's log that the stream had reached then; empty where no relay wrote. */
  | ({ readonly status: 'created'; readonly epoch: string; readonly position: string } & TakenOver)
  /** `gone`: entries that were trimmed before they were handled. `epoch`: the history at the end of the stream. */
  | ({ readonly status: 'empty'; readonly gone: number; readonly epoch: string } & TakenOver)
  | ({
      readonly status: 'taken'
      readonly next: string
      readonly gone: number
      readonly entries: readonly TakenEntry[]
    } & TakenOver)

/**
 * KEYS: stream, lease, place, watermark. ARGV: `group`; `owner` this process; `leaseMs`; `count`; `from` where a new group
 * begins, empty to make none; `after` where the look at entries that were taken before goes on, empty when there are none
 * left; `placed` whether the group keeps a place, `1` or empty.
 *
 * Replies, where `place` and `done` are empty unless the lease changed hands:
 * - `['held']` another process handles the company's events.
 * - `['missing', place, done]` there is no group: it is new, or Redis lost it. The lease is taken.
 * - `['created', place, done, epoch, position]` now there is one. The lease is taken.
 * - `['empty', place, done, gone, epoch]` nothing to do; the lease is given back.
 * - `['taken', place, done, next, gone, (id, event, deliveries)…]` first all that a process took and did not finish, in
 *   order, one at a time, so that an event which ends every process that handles it is not counted against those taken with
 *   it: of what a process left behind, only the first may have been begun.
 *
 * The group has one consumer, whatever process uses it, for the lease keeps the order and nothing is left behind.
 */
export const takeEvents = defineScript({
  name: 'take-events',
  keys: ['stream', 'lease', 'place', 'watermark'],
  args: ['group', 'owner', 'leaseMs', 'count', 'from', 'after', 'placed'],
  lua: `
local kept = redis.call('MGET', lease, place, watermark)
local holder = kept[1]
if type(holder) == 'string' and holder ~= owner then return {'held'} end
redis.call('SET', lease, owner, 'PX', leaseMs)

-- By name, as lists of fields come in any order.
local function fieldOf(fields, name)
  for index = 1, #fields, 2 do
    if fields[index] == name then return fields[index + 1] end
  end
end

-- Processes of an earlier version leave no place: then the stream tells how far they are.
local function doneBehind(known)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return '' end
  for _, fields in ipairs(groups) do
    if fieldOf(fields, 'name') == group then
      local last = fieldOf(fields, 'last-delivered-id')
      if string.sub(known, -#last - 1) == '|' .. last then return '' end
      if #redis.call('XPENDING', stream, group, '-', '+', '1') > 0 then return '' end
      local entry = redis.call('XRANGE', stream, last, last)[1]
      if not entry or #entry[2] ~= 2 or entry[2][1] ~= 'e' then return '' end
      return string.match(entry[2][2], '^[^|]*|[^|]*|[^|]*|[^|]*') or ''
    end
  end
  return ''
end

local known, done = '', ''
if holder ~= owner then
  after = '0-0'
  if placed ~= '' then
    if type(kept[2]) == 'string' then known = kept[2] end
    done = doneBehind(known)
  end
end
local epoch, position = '', ''
if type(kept[3]) == 'string' then
  epoch, position = string.match(kept[3], '^e1|([^|]*)|([^|]*)|')
  if not epoch then epoch, position = '', '' end
end

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
    if from == '' then return {'missing', known, done} end
    redis.call('XGROUP', 'CREATE', stream, group, from, 'MKSTREAM')
    -- Ids of another stream say nothing of this one.
    local rest = type(kept[2]) == 'string' and string.match(kept[2], '^p1|[^|]*|[^|]*|')
    if rest then redis.call('SET', place, rest .. '0-0') end
    return {'created', known, done, epoch, position}
  end
  after = claimed[1]
  if after == '0-0' then after = '' end
  gone = gone + #(claimed[3] or {})
  if #claimed[2] > 0 then return describe({'taken', known, done, after, gone}, claimed[2], unbegun) end
end
local new = redis.call('XREADGROUP', 'GROUP', group, 'consumer', 'COUNT', count, 'STREAMS', stream, '>')
if not new or not new[1] then
  redis.call('DEL', lease)
  return {'empty', known, done, gone, epoch}
end
return describe({'taken', known, done, '', gone}, new[1][2], 0)
`,
  parse(reply): TakeReply {
    const [status = '', place = '', done = '', ...rest] = textList('take-events', reply)
    const left = { place, done }
    if (status === 'held') return { status }
    if (status === 'missing') return { status, ...left }
    if (status === 'created') return { status, ...left, epoch: rest[0] ?? '', position: rest[1] ?? '' }
    if (status === 'empty') return { status, ...left, gone: Number(rest[0]), epoch: rest[1] ?? '' }
    const [next = '', gone = '0', ...fields] = rest
    const entries: TakenEntry[] = []
    for (let at = 0; at < fields.length; at += 3) {
      const [streamId = '', text = '', deliveries = '1'] = fields.slice(at, at + 3)
      entries.push({ streamId, eventId: idOfEncoded(text), text, deliveries: Number(deliveries) })
    }
    return { status: 'taken', ...left, next, gone: Number(gone), entries }
  },
})
