/**
 * The Lua that scripts which write events begin with: the watermark, ids above all that were given, one block.
 *
 * It runs on Redis (Lua 5.1) and on ioredis-mock (Lua 5.3): ids stay text; MGET in place of GET, so
 * that a key of another type reads as missing. Lua inside Redis hashes every byte of every string that it makes, which
 * for an event costs as much as storing it: an event is one argument, written as it came, and joined once.
 */

/** Functions that scripts put in front of their body; they use the keys `watermark` and `stream`, and the arguments `tell` and `channel`. */
export const EVENT_LUA = `
local spread = table.unpack or unpack

local held = redis.call('MGET', watermark)[1]
local epochHere, positionHere, lastMs, lastSequence, lastEvent
if type(held) == 'string' then
  epochHere, positionHere, lastMs, lastSequence, lastEvent =
    string.match(held, '^e1|([^|]*)|([^|]*)|(%d+)%-(%d+)|([^|]*)$')
else
  held = ''
end

local function isLater(left, right)
  if #left ~= #right then return #left > #right end
  return left > right
end

-- Where the stream itself ends, whoever wrote there.
local function lookAtStream()
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', '1')[1]
  if last == nil then return false end
  lastMs, lastSequence = string.match(last[1], '^(%d+)%-(%d+)$')
  lastEvent = #last[2] == 2 and last[2][1] == 'e' and string.match(last[2][2], '^([^|]*)|') or ''
  return true
end

local isFirst = false
if lastMs == nil then
  epochHere, positionHere = '', ''
  if not lookAtStream() then
    isFirst = true
    lastMs, lastSequence, lastEvent = '0', '0', ''
  end
end

local head = 'b2|' .. lastMs .. '-' .. lastSequence .. '|' .. lastEvent .. '|'
local lastId = lastMs .. '-' .. lastSequence
local lines = {}
local sameMs

-- Ids grow also when the stream was lost and the clock is behind the last one.
local function firstId(text)
  local id = redis.call('XADD', stream, '*', 'e', text)
  local ms, sequence = string.match(id, '^(%d+)%-(%d+)$')
  if not isLater(ms, lastMs) and not (ms == lastMs and isLater(sequence, lastSequence)) then
    redis.call('XDEL', stream, id)
    local above = lastMs .. '-' .. string.format('%d', tonumber(lastSequence) + 1)
    id, ms = redis.call('XADD', stream, above, 'e', text), lastMs
  end
  sameMs = ms .. '-*'
  lines[1] = head .. id
  return id
end

-- The ids of one call follow each other, so that a block need only name the first.
local function append(text)
  if sameMs then lastId = redis.call('XADD', stream, sameMs, 'e', text) else lastId = firstId(text) end
  lines[#lines + 1] = text
end

-- The watermark first: a subscriber that hears the block may look at it.
local function finish(epoch, position, eventId)
  redis.call('SET', watermark, 'e1|' .. epoch .. '|' .. position .. '|' .. lastId .. '|' .. eventId)
  if sameMs then redis.call(tell, channel, table.concat(lines, '\\n')) end
end
`
