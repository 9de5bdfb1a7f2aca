import { recordingObserver } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { erpEvents } from '@kerp/pubsub'
import { mockRedis } from '@kerp/redis/testing'
import { expect, it } from 'vitest'
import { CompanyList } from '../../packages/pubsub/src/company-list.js'
import { resolveSubscriberOptions } from '../../packages/pubsub/src/subscriber-options.js'
import { freshCompany } from '../support/fresh-company.js'

it('a look that is asked for while the one before ends reads the list again', async () => {
  const redis = mockRedis()
  const keys = createKeys({ namespace: freshCompany() })
  const observer = recordingObserver()
  const parts = resolveSubscriberOptions({ redis, keys, events: erpEvents, observer, tailMs: 3_600_000 })
  const readings = (): number =>
    observer.of('redisOperation').filter(({ operation }) => operation === 'xrange').length
  const list = new CompanyList(parts)
  let onTold: () => void = () => undefined
  // Followers are told last: a microtask later nothing reads, and the look has not settled.
  const leave = list.follow(() => queueMicrotask(onTold))
  for (let round = 0; round < 5; round += 1) {
    await redis.xadd(keys.eventsCompanyList(), '*', 'e', `c${round}|`)
    const late = new Promise<readonly [number, number]>((resolve) => {
      onTold = () => {
        const before = readings()
        void list.look().then(() => resolve([before, readings()]))
      }
    })
    await list.look()
    const [before, after] = await late
    expect(after).toBeGreaterThan(before)
  }
  leave()
})
