/** PROBE: a process that reads leaves its newest probe for the relays. */

import { defineScript } from '@kerp/redis'
import { textAt } from './script-reply.js'

/**
 * KEYS: probes. ARGV: `process`, its `probe`, `lifeMs` how long it stays without being renewed, `processesMax`.
 *
 * The server's clock only decides what is forgotten; a probe that is lost, or outlives its process, proves nothing.
 *
 * Replies:
 * - `['written']`
 * - `['full']` as many other processes have left probes as there may be; nothing changed.
 */
export const writeProbe = defineScript({
  name: 'write-probe',
  keys: ['probes'],
  args: ['process', 'probe', 'lifeMs', 'processesMax'],
  lua: `
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if redis.call('HEXISTS', probes, process) == 0 and redis.call('HLEN', probes) >= tonumber(processesMax) then
  local held = redis.call('HGETALL', probes)
  for index = 1, #held, 2 do
    local untilMs = tonumber(string.match(held[index + 1], '|(%d+)$') or '0')
    if untilMs < nowMs then redis.call('HDEL', probes, held[index]) end
  end
  if redis.call('HLEN', probes) >= tonumber(processesMax) then return {'full'} end
end
local untilMs = nowMs + tonumber(lifeMs)
redis.call('HSET', probes, process, probe .. '|' .. string.format('%.0f', untilMs))
redis.call('PEXPIRE', probes, lifeMs)
return {'written'}
`,
  parse: (reply) => textAt('write-probe', reply, 0) === 'written',
})
