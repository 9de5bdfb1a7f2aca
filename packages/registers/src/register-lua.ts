/**
 * The Lua that every register script begins with: reading watermark, register and lease, comparing images.
 *
 * It runs on Redis (Lua 5.1) and on ioredis-mock (Lua 5.3): no arithmetic on stored values, no cjson, MGET in
 * place of GET so that a key of another type reads as missing instead of failing the script half way.
 */

/** Functions that scripts put in front of their body. */
export const REGISTER_LUA = `
local spread = table.unpack or unpack

local function readWatermark(text)
  if type(text) ~= 'string' then return nil end
  local generation, epoch, position, asOf = string.match(text, '^w1|(%x+)|([^|]+)|([^|]+)|(%d+)$')
  if generation == nil or #generation ~= 16 then return nil end
  return generation, epoch, position, asOf
end

local function writeWatermark(key, generation, epoch, position, asOf)
  redis.call('SET', key, 'w1|' .. generation .. '|' .. epoch .. '|' .. position .. '|' .. asOf)
end

local function isImage(text)
  return string.match(text, '^%d+|%-?%d+|%-?%d+$') ~= nil and string.sub(text, 17, 17) == '|'
end

local function readRegister(text, generation)
  if type(text) ~= 'string' or string.sub(text, 1, 20) ~= 'r1|' .. generation .. '|' then return nil end
  local image = string.sub(text, 21)
  if isImage(image) then return image end
  return nil
end

local function readLease(text, generation)
  if type(text) ~= 'string' or string.sub(text, 1, 19) ~= 'L|' .. generation .. '|' then return nil end
  local token, pending = string.match(string.sub(text, 20), '^([^|]+)|(.*)$')
  if token ~= nil and (pending == '' or isImage(pending)) then return token, pending end
  return nil
end

-- 1: left is newer, 0: the same bytes, -1: left is older, nil: the same version with other bytes.
local function compareImages(left, right)
  local leftVersion, rightVersion = string.sub(left, 1, 16), string.sub(right, 1, 16)
  if leftVersion > rightVersion then return 1 end
  if leftVersion < rightVersion then return -1 end
  if left == right then return 0 end
  return nil
end

-- Update-only: replaces an older register, or what is kept with a lease; never creates a register.
local function applyImage(key, held, generation, image, ttlMs)
  local present = readRegister(held, generation)
  if present ~= nil then
    local order = compareImages(image, present)
    if order == nil then return 'fork' end
    if order <= 0 then return 'skipped' end
    redis.call('SET', key, 'r1|' .. generation .. '|' .. image, 'PX', ttlMs)
    return 'applied'
  end
  local token, pending = readLease(held, generation)
  if token == nil then return 'absent' end
  if pending ~= '' then
    local order = compareImages(image, pending)
    if order == nil then return 'fork' end
    if order <= 0 then return 'skipped' end
  end
  local leftMs = redis.call('PTTL', key)
  if leftMs <= 0 then
    redis.call('DEL', key)
    return 'absent'
  end
  redis.call('SET', key, 'L|' .. generation .. '|' .. token .. '|' .. image, 'PX', string.format('%d', leftMs))
  return 'pending'
end

-- The head of a push; entries follow, one line each.
local function pushHead(generation, epoch, from, to, asOf)
  return 'p1|' .. generation .. '|' .. epoch .. '|' .. from .. '|' .. to .. '|' .. asOf
end
`
