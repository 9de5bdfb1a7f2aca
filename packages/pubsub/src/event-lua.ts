/**
 * The Lua that scripts which write events begin with: the watermark, ids above all that were given, one block.
 *
 * It runs on Redis (Lua 5.1) and on ioredis-mock (Lua 5.3): ids stay text; MGET in place of GET, so
 * that a key of another type reads as missing.
 */

/** Functions that scripts put in front of their body; they use the keys `watermark` and `stream` and `channel`. */
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
  lastEvent = ''
  for index = 1, #last[2], 2 do
    if last[2][index] == 'i' then lastEvent = last[2][index + 1] end
  end
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

local prevId, prevEvent = lastMs .. '-' .. lastSequence, lastEvent
local lastId = prevId
local block = {}

-- Ids grow also when the stream was lost and the clock is behind the last one.
local function firstId(eventId, text)
  local id = redis.call('XADD', stream, '*', 'i', eventId, 'e', text)
  local ms, sequence = string.match(id, '^(%d+)%-(%d+)$')
  if isLater(ms, lastMs) or (ms == lastMs and isLater(sequence, lastSequence)) then return id end
  redis.call('XDEL', stream, id)
  local above = lastMs .. '-' .. string.format('%d', tonumber(lastSequence) + 1)
  return redis.call('XADD', stream, above, 'i', eventId, 'e', text)
end

local function append(eventId, text)
  if #block == 0 then lastId = firstId(eventId, text)
  else lastId = redis.call('XADD', stream, '*', 'i', eventId, 'e', text) end
  lastEvent = eventId
  block[#block + 1] = lastId .. '|' .. eventId .. '|' .. text
  return lastId
end

-- The watermark first: a subscriber that hears the block may look at it.
local function finish(epoch, position)
  redis.call('SET', watermark, 'e1|' .. epoch .. '|' .. position .. '|' .. lastId .. '|' .. lastEvent)
  if #block > 0 then
    redis.call('PUBLISH', channel, 'b1|' .. prevId .. '|' .. prevEvent .. '\\n' .. table.concat(block, '\\n'))
  end
end
`
