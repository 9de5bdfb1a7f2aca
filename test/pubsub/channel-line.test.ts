import { mockRedis } from '@kerp/redis/testing'
import { expect, it } from 'vitest'
import { eventWorld, Record } from './event-world.js'

it('a channel that is asked for while the line finds nothing else to do is subscribed', async () => {
  const redis = mockRedis()
  // Looks at the ends of streams come too late to help.
  const patience = { tailMs: 3_600_000 }
  const [one, other] = [eventWorld(redis, patience), eventWorld(redis, patience)]
  await one.subscribe('now')
  for (let turns = 0; turns < 8; turns += 1) {
    // The line hears this channel already.
    const known = one.newSubscriber()
    const heard = known.subscribe({ companyId: one.companyId, from: 'now' }, new Record())
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
    const record = new Record()
    const asked = other.newSubscriber()
    const subscription = asked.subscribe({ companyId: other.companyId, from: 'now' }, record)
    await subscription.started
    const { id } = await other.publish()
    await record.has(1)
    expect(record.ids).toEqual([id])
    await Promise.all([heard, subscription].map((open) => open.close()))
    await Promise.all([known, asked].map((subscriber) => subscriber.close()))
  }
})
