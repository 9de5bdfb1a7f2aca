/** BURY: puts an event aside that its group cannot handle, so that those behind it go on. */

import { defineScript } from '@kerp/redis'
import { textList } from './script-reply.js'

/**
 * KEYS: stream, dead. ARGV: `group`; `id` of the entry in the stream, empty for one that was read from the log; `event`
 * and `text` of the event; `reason`, `error` and `attempts`; `max` how many are kept.
 *
 * Replies `[id]` of the dead letter. Its event no longer waits for the group.
 */
export const buryEvent = defineScript({
  name: 'bury-event',
  keys: ['stream', 'dead'],
  args: ['group', 'id', 'event', 'text', 'reason', 'error', 'attempts', 'max'],
  lua: `
local buried = redis.call('XADD', dead, 'MAXLEN', '~', max, '*', 'i', event, 'e', text, 'reason', reason,
  'error', error, 'attempts', attempts)
if id ~= '' then redis.call('XACK', stream, group, id) end
return {buried}
`,
  parse: (reply) => textList('bury-event', reply)[0] ?? '',
})
