/** The script that gives locks back and, in the same step, hands each to exactly one waiter. */

import { defineScript } from '@kerp/redis'
import { type AskReply, askReplyOf } from './acquire.lua.js'
import { MINT_LUA, WAITERS_LUA } from './hand-over.lua.js'
import { UnexpectedReplyError } from './errors.js'

/** `taken`: another owner has it. */
export type ReleaseCode = 'released' | 'gone' | 'taken'

/** The code, and the answer to the question that came along. */
export type ReleaseReply = readonly [ReleaseCode, AskReply | undefined]

/**
 * Gives several locks of one company back. A process in which others wait for the same lock asks for it again in
 * the same step, as a new owner behind all who waited before.
 *
 * More keys per lock: lock, queue. More arguments per lock: grant (`OWNER|FENCE`), listed (`1` when `held` names
 * it), and the question: owner (empty: none), ttlMs, block, wait. Replies: a list of
 * codes, or of [code, answer]; a single code stands alone.
 */
export const releaseLocks = defineScript({
  name: 'release-locks',
  keys: ['fence', 'held'],
  args: [],
  lua: `
local replies = {}
local slow = false
for entry = 1, (#KEYS - firstKey + 1) / 2 do
  local lock = KEYS[firstKey + 2 * entry - 2]
  local at = firstArg + 6 * entry - 6
  local value = redis.call('GET', lock)
  if value ~= ARGV[at] and value ~= ARGV[at] .. '+' then
    replies[entry] = value and 'taken' or 'gone'
  else
    redis.call('DEL', lock)
    if ARGV[at + 1] == '1' then redis.call('ZREM', held, lock .. '|' .. ARGV[at]) end
    replies[entry] = 'released'
  end
  if ARGV[at + 2] ~= '' or redis.call('EXISTS', KEYS[firstKey + 2 * entry - 1]) == 1 then slow = true end
end
if not slow then return #replies == 1 and replies[1] or replies end
${MINT_LUA}
${WAITERS_LUA}
readNow()
for entry = 1, #replies do
  local lock, queue = KEYS[firstKey + 2 * entry - 2], KEYS[firstKey + 2 * entry - 1]
  local at = firstArg + 6 * entry - 6
  if ARGV[at + 2] ~= '' then
    replies[entry] = { replies[entry], ask(lock, queue, ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]) }
  elseif replies[entry] == 'released' and redis.call('EXISTS', queue) == 1 then
    handOver(lock, queue, '')
  end
end
return replies
`,
  parse: (reply): readonly ReleaseReply[] => {
    if (isCode(reply)) return [[reply, undefined]]
    if (Array.isArray(reply)) return reply.map(releaseReplyOf)
    throw new UnexpectedReplyError('release-locks')
  },
})

function releaseReplyOf(value: unknown): ReleaseReply {
  if (isCode(value)) return [value, undefined]
  if (Array.isArray(value)) {
    const [code, answer] = value as readonly unknown[]
    if (isCode(code)) return [code, askReplyOf('release-locks', answer)]
  }
  throw new UnexpectedReplyError('release-locks')
}

function isCode(value: unknown): value is ReleaseCode {
  return value === 'released' || value === 'gone' || value === 'taken'
}
