/**
 * The Lua that the lock scripts share: minting fences, stamping waiters, and giving a free lock to the next one.
 *
 * Data of a company, all in one cluster slot: `fence`, the last fence that was given out, which never expires;
 * `held`, a sorted set whose scores are moments in ms: `LOCK|OWNER|FENCE` a lock that is held until then,
 * `@PROCESS` or `~PROCESS` a process that waits and is alive until then. Data of a lock: `lock`, the text
 * `OWNER|FENCE` with a TTL, and a `+` behind it when somebody lined up meanwhile; `queue`, its waiters by arrival. An
 * owner is `PROCESS:NUMBER:GRANTMS`, unique for ever.
 */

/**
 * `mint(block)`: the first of `block` fences in a row, as text. Uses the local `fence`.
 *
 * A fence is `max(last + 1, TIME in µs)`: it also grows when `last` was lost. Without `last` it starts 128 later,
 * because fences given out together just before the loss may reach that far into the future.
 */
export const MINT_LUA = `
local function mint(block)
  local time = redis.call('TIME')
  local first = string.format('%s%06d', time[1], time[2])
  local last = redis.call('GETSET', fence, first)
  if block == '1' and last and last < first and #last == #first then return first end
  local number = tonumber(first)
  last = last and tonumber(last)
  if not last then
    number = number + 128
  elseif last >= number then
    number = last + 1
  end
  redis.call('SET', fence, string.format('%.0f', number + block - 1))
  return string.format('%.0f', number)
end
`

/**
 * `ask(lock, queue, owner, ttlMs, block, wait)` and `handOver(lock, queue, owner)`. Uses `held` and `mint`.
 *
 * `wait` is empty (do not line up), `@` (line up; messages reach me) or `~` (line up; I look myself). A lock is
 * handed to the first waiter whose process is alive by its own stamp. PUBLISH's count is a hint: a process that
 * should hear and does not is passed over in place, until it stamps again or its stamp ends.
 */
export const WAITERS_LUA = `
local WINDOW = 64
local HANDED_BLOCK = '16'
local HELD_TTL_MS = 172800000
local nowMs, arrival, mark

local function readNow()
  local time = redis.call('TIME')
  nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
  arrival = string.format('%s%06d', time[1], time[2])
  mark = arrival
  local last = redis.call('GET', fence)
  if last and tonumber(last) and tonumber(last) > tonumber(mark) then mark = last end
end

local function partsOf(owner)
  local process, grantMs = string.match(owner, '^([^:]+):%d+:(%d+)$')
  return process, tonumber(grantMs)
end

local function stamp(owner, wait)
  local process, grantMs = partsOf(owner)
  local aliveMs = math.max(1500, math.floor(grantMs * 1.5))
  redis.call('ZADD', held, nowMs + aliveMs, wait .. process)
  redis.call('ZREM', held, (wait == '@' and '~' or '@') .. process)
  redis.call('ZREMRANGEBYSCORE', held, '-inf', nowMs - 1)
  redis.call('PEXPIRE', held, HELD_TTL_MS)
end

local function isAlive(member)
  local untilMs = redis.call('ZSCORE', held, member)
  return untilMs and tonumber(untilMs) >= nowMs
end

local function grantTo(lock, owner, ttlMs, block)
  local first = mint(block)
  redis.call('SET', lock, owner .. '|' .. first, 'PX', ttlMs)
  return first
end

local function handOver(lock, queue, self)
  local channel = string.match(lock, '^(.-)lock:{') .. 'lock-wake:'
  for _, owner in ipairs(redis.call('ZRANGE', queue, 0, WINDOW - 1)) do
    local process, grantMs = partsOf(owner)
    local listens = process and isAlive('@' .. process)
    local looks = process and not listens and isAlive('~' .. process)
    if owner == self then
      redis.call('ZREM', queue, owner)
      return owner
    elseif not listens and not looks then
      redis.call('ZREM', queue, owner)
    else
      local first = grantTo(lock, owner, grantMs, HANDED_BLOCK)
      local heard = redis.call('PUBLISH', channel .. process, lock .. '|' .. owner .. '|' .. first)
      if heard > 0 or looks then
        redis.call('ZREM', queue, owner)
        return true
      end
    end
  end
  redis.call('DEL', lock)
  return false
end

local function ask(lock, queue, owner, ttlMs, block, wait)
  if redis.call('EXISTS', lock, queue) == 0 then return grantTo(lock, owner, ttlMs, block) end
  local value = redis.call('GET', lock)
  if value and string.sub(value, 1, #owner + 1) == owner .. '|' then
    redis.call('PEXPIRE', lock, ttlMs)
    return { 'again', string.match(value, '%d+', #owner + 2) }
  end
  if wait ~= '' then
    stamp(owner, wait)
    redis.call('ZADD', queue, 'NX', arrival, owner)
    if value and string.sub(value, -1) ~= '+' then redis.call('APPEND', lock, '+') end
    redis.call('PEXPIRE', queue, 60000)
  end
  if not value then
    local taker = handOver(lock, queue, owner)
    if taker == owner or (not taker and wait == '') then return grantTo(lock, owner, ttlMs, block) end
  end
  return { 'wait', redis.call('PTTL', lock), redis.call('ZRANK', queue, owner) or -1, mark }
end
`
