/** INSTALL: where the events of a company stand, in place of a watermark that cannot be continued. */

import { defineScript } from '@kerp/redis'
import { EVENT_LUA } from './event-lua.js'
import { textList } from './script-reply.js'

/** INSTALL's reply. */
export type InstallReply =
  | { readonly status: 'installed' }
  | { readonly status: 'moved'; readonly watermark: string }

/**
 * KEYS: watermark, stream. ARGV: `expected` the text that stands there, empty for none or none that is valid; the new
 * `epoch` and `position`; `reason` a word; `tell` PUBLISH or SPUBLISH; `channel`.
 *
 * Replies:
 * - `['installed']` and publishes a mark, by which every subscriber knows that it must begin anew.
 * - `['moved', watermark]` another text stands there; nothing changed.
 */
export const installEvents = defineScript({
  name: 'install-events',
  keys: ['watermark', 'stream'],
  args: ['expected', 'epoch', 'position', 'reason', 'tell', 'channel'],
  lua: `${EVENT_LUA}
if held ~= expected then return {'moved', held} end
local mark = isFirst and '@start' or '@reset'
local text = mark .. '|' .. reason .. '|' .. epoch .. '|' .. position
store(text)
finish(epoch, position, mark, {'', text})
return {'installed'}
`,
  parse(reply): InstallReply {
    const [status, watermark = ''] = textList('install-events', reply)
    return status === 'installed' ? { status } : { status: 'moved', watermark }
  },
})
