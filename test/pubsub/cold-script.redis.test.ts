import { recordingObserver } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { erpEvents, Publisher } from '@kerp/pubsub'
import { closeRedis, connectRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { expect, test } from 'vitest'

test('on a server without the script, events of many companies wait for the one call that brings it', async () => {
  await using server = await openPrivateRedis()
  const redis = await connectRedis({ path: server.socketPath }, 10_000, {})
  const [keys, observer] = [createKeys(), recordingObserver()]
  await using publisher = new Publisher({ redis, keys, events: erpEvents, observer, deadlineMs: 20_000 })
  const companies = Array.from({ length: 300 }, (_, index) => `c${index}`)
  const type = 'events:voucher:approved' as const
  await publisher.publishMany(companies.map((companyId) => ({ companyId, type, payload: { id: 'V' } })))
  const fallbacks = observer.of('scriptFallback').map(({ script }) => script)
  expect(fallbacks.filter((script) => script === 'publish-events')).toHaveLength(1)
  const lengths = await Promise.all(companies.map((companyId) => redis.xlen(keys.eventsStream(companyId))))
  expect(lengths).toEqual(companies.map(() => 2))
  await closeRedis(redis)
})
