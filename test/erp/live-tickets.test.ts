import { createKeys } from '@kerp/keys'
import { mockRedis } from '@kerp/redis/testing'
import { expect, it } from 'vitest'
import { LiveTickets } from '../../examples/erp/src/live-tickets.js'
import { Sessions } from '../../examples/erp/src/session.js'

it('a ticket lets one process in once, whichever of them it is shown to', async () => {
  const redis = mockRedis()
  const keys = createKeys()
  const sessions = new Sessions({ secret: 'a secret of at least thirty-two characters' })
  const processes = [1, 2, 3].map(() => new LiveTickets({ sessions, redis, keys }))
  const who = { companyId: 'c1', user: 'kim' }
  for (const first of processes) {
    const { ticket } = sessions.open(who)
    expect(await first.take(ticket)).toEqual(who)
    for (const each of processes) expect(await each.take(ticket)).toBeUndefined()
  }
  const { ticket } = sessions.open(who)
  const taken = await Promise.all(processes.map((each) => each.take(ticket)))
  expect(taken.filter((principal) => principal !== undefined)).toEqual([who])
})
