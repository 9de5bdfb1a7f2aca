/** A process that reads one cold value many times at once when its parent says so, and ends with it. */

import { ReadThrough } from '@kerp/cache'
import { jsonCodec, sleep, systemClock } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { connectRedis } from '@kerp/redis'

process.on('disconnect', () => process.exit())

const [socketPath = '', companyId = '', readers = '1'] = process.argv.slice(2)
const redis = await connectRedis({ path: socketPath }, 20_000, {})
const keys = createKeys()
const cache = new ReadThrough({ redis, keys, redisDeadlineMs: 20_000 })
const reports = cache.define({
  type: 'report',
  key: (type: string) => keys.report({ companyId, type, parameters: {} }),
  async load() {
    // All processes have asked before the first load is done.
    const loads = await redis.incr(`loads:{${companyId}}`)
    await sleep(systemClock, 300)
    return loads
  },
  codec: jsonCodec({ version: 1, check: Number }),
})

process.on('message', () => {
  const reads = Array.from({ length: Number(readers) }, () => reports.get('sales'))
  void Promise.all(reads).then((answers) => process.send?.([...new Set(answers)]))
})
process.send?.('ready')
