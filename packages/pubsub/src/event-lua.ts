/**
 * The Lua that scripts which write events begin with: the watermark, ids above all that were given, one block.
 *
 * It runs on Redis (Lua 5.1) and on ioredis-mock (Lua 5.3): ids stay text; MGET in place of GET, so
 * that a key of another type reads as missing. Lua inside Redis hashes every byte of every string that it makes, which
 * for an event costs as much as storing it: an event is one argument, written as it came, and joined once.
 */

/** Functions that scripts put in front of their body; they use the keys `watermark` and `stream`, and the arguments `tell` and `channel`. */
export const EVENT_LUA = `
local spread, call = table.unpack or unpack, redis.call

local held = call('MGET', watermark)[1]
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
  local last = call('XREVRANGE', stream, '+', '-', 'COUNT', '1')[1]
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

local previous = 'b2|' .. lastMs .. '-' .. lastSequence .. '|' .. lastEvent .. '|'
local lastId = lastMs .. '-' .. lastSequence
local firstId, sameMs

-- Ids grow also when the stream was lost and the clock is behind the last one.
local function storeFirst(text)
  local id = call('XADD', stream, '*', 'e', text)
  local ms, sequence = string.match(id, '^(%d+)%-(%d+)$')
  if not isLater(ms, lastMs) and not (ms == lastMs and isLater(sequence, lastSequence)) then
    call('XDEL', stream, id)
    local above = lastMs .. '-' .. string.format('%d', tonumber(lastSequence) + 1)
    id, ms = call('XADD', stream, above, 'e', text), lastMs
  end
  firstId, lastId, sameMs = id, id, ms .. '-*'
end

-- The ids of one call follow each other, so that a block need only name the first.
local function store(text)
  if sameMs then lastId = call('XADD', stream, sameMs, 'e', text) else storeFirst(text) end
end

-- The watermark first: a subscriber that hears the block may look at it. The first line is put in front here.
local function finish(epoch, position, eventId, lines)
  call('SET', watermark, 'e1|' .. epoch .. '|' .. position .. '|' .. lastId .. '|' .. eventId)
  if not firstId then return end
  lines[1] = previous .. firstId .. lines[1]
  call(tell, channel, table.concat(lines, '\\n'))
end
`
