/**
 * What the scripts of guarded balances have in common.
 *
 * A row has two keys. Its value is `v|debit|credit|asOfMs`, or `l|token` while somebody loads it. Beside it stands a hash
 * of the operations that may be about to change it, each with the moment at which it counts as dead.
 */

/** Functions that scripts put in front of their body. */
export const GUARDED_LUA = `
local function clockMs()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function isLive(untilText, nowMs)
  return type(untilText) == 'string' and tonumber(untilText) >= nowMs
end
`
