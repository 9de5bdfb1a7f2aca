/** KEEP: prolongs a process's right to handle a company's events for a group, or gives it back. */

import { defineScript } from '@kerp/redis'

/**
 * KEYS: lease. ARGV: `owner` this process; `leaseMs` from now, or nothing to give it back.
 *
 * Replies `kept`, or `lost` when the lease is another's or gone; then nothing changed.
 */
export const keepLease = defineScript({
  name: 'keep-lease',
  keys: ['lease'],
  args: ['owner', 'leaseMs'],
  lua: `
if redis.call('MGET', lease)[1] ~= owner then return 'lost' end
if leaseMs == '' then redis.call('DEL', lease) else redis.call('PEXPIRE', lease, leaseMs) end
return 'kept'
`,
  parse: (reply) => reply === 'kept',
})
