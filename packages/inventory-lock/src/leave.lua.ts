/** The script of an owner that no longer wants a lock, whatever became of its question. */

import { defineScript } from '@kerp/redis'
import { MINT_LUA, WAITERS_LUA } from './hand-over.lua.js'

/**
 * Takes the owner out of the queue; if it was granted the lock meanwhile, hands that on. Doing it twice is doing
 * it once. Replies `left` when the lock was handed on or freed, else `gone`.
 */
export const leaveLock = defineScript({
  name: 'leave-lock',
  keys: ['fence', 'held', 'lock', 'queue'],
  args: ['owner'],
  lua: `
redis.call('ZREM', queue, owner)
local value = redis.call('GET', lock)
if not value or string.sub(value, 1, #owner + 1) ~= owner .. '|' then return 'gone' end
redis.call('DEL', lock)
redis.call('ZREM', held, lock .. '|' .. string.match(value, '^[^+]+'))
if redis.call('EXISTS', queue) == 0 then return 'left' end
${MINT_LUA}
${WAITERS_LUA}
readNow()
handOver(lock, queue, '')
return 'left'
`,
  parse: (reply) => reply === 'left',
})
