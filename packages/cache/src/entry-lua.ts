/**
 * The Lua that the scripts of cached values begin with: reading entries and generations.
 *
 * As in the register scripts: no arithmetic on stored values, MGET in place of GET, so that a key of another type
 * reads as missing.
 */

/** Functions that scripts put in front of their body. */
export const ENTRY_LUA = `
-- The generations of the company and the tags, joined; a missing one is made from 'spare', or is nil without it.
local function readGenerations(first, spare, keepMs)
  local current = {}
  for index = first, #KEYS do
    local generation = redis.call('MGET', KEYS[index])[1]
    if type(generation) ~= 'string' or string.match(generation, '^%x+$') == nil or #generation ~= 16 then
      if spare == nil then return nil end
      generation = spare
      redis.call('SET', KEYS[index], generation, 'PX', keepMs)
    end
    current[#current + 1] = generation
  end
  if #current == 0 then return '-' end
  return table.concat(current, ',')
end

local function readEntry(text)
  if type(text) ~= 'string' then return nil end
  return string.match(text, '^c1|([^|]+)|%d+|[VN]|%x+|([%x,%-]+)|')
end
`
