/**
 * The Lua that scripts which write events begin with: the watermark, ids above all that were given, one block.
 *
 * It runs on Redis (Lua 5.1) and on ioredis-mock (Lua 5.3): milliseconds of ids stay text; MGET in place of GET, so
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
local block = {}

-- An id above the last one and above every id of before, also when the clock is behind them.
local function nextId()
  local time = redis.call('TIME')
  local nowMs = time[1] .. string.sub('000000' .. time[2], -6, -4)
  if isLater(nowMs, lastMs) then return nowMs, '0' end
  return lastMs, string.format('%d', tonumber(lastSequence) + 1)
end

local function append(eventId, text)
  local ms, sequence = nextId()
  local added = redis.pcall('XADD', stream, ms .. '-' .. sequence, 'i', eventId, 'e', text)
  if type(added) ~= 'string' then
    -- Another hand wrote to the stream: its entry is the one before ours.
    lookAtStream()
    if #block == 0 then prevId, prevEvent = lastMs .. '-' .. lastSequence, lastEvent end
    ms, sequence = nextId()
    redis.call('XADD', stream, ms .. '-' .. sequence, 'i', eventId, 'e', text)
  end
  lastMs, lastSequence, lastEvent = ms, sequence, eventId
  local id = ms .. '-' .. sequence
  block[#block + 1] = id .. '|' .. eventId .. '|' .. text
  return id
end

-- The watermark first: a subscriber that hears the block may look at it.
local function finish(epoch, position)
  redis.call('SET', watermark, 'e1|' .. epoch .. '|' .. position .. '|' .. lastMs .. '-' .. lastSequence .. '|' .. lastEvent)
  if #block > 0 then
    redis.call('PUBLISH', channel, 'b1|' .. prevId .. '|' .. prevEvent .. '\\n' .. table.concat(block, '\\n'))
  end
end
`
