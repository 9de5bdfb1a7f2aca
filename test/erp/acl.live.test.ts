import { aclUser, closeRedis, connectRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { expect, inject, it } from 'vitest'
import { freshDatabase } from './erp-database.js'
import { startErp } from './erp-process.js'
import { useEveryRoute } from './every-route.js'

const USER = {
  name: 'erp',
  password: 'a-password-of-this-test',
  roles: ['registers', 'relay', 'cache', 'locks', 'publisher', 'subscriber', 'consumer', 'rateLimits'],
} as const

it('the whole app works as a user that aclUser made, and the server refuses it nothing', async () => {
  await using server = await openPrivateRedis({ tcp: true })
  const admin = await connectRedis({ url: server.url }, 10_000, {})
  await admin.call('ACL', ...aclUser(USER).setUser)
  await admin.call('ACL', 'SETUSER', 'default', 'off')
  const url = server.url.replace('//', `//${USER.name}:${USER.password}@`)
  const databaseUrl = await freshDatabase(inject('databaseUrl'))
  const erp = await startErp({ DATABASE_URL: databaseUrl, REDIS_URL: url })
  try {
    await useEveryRoute(erp)
    expect((await erp.send('/readyz')).body).toMatchObject({ ready: true, degraded: false })
    const log = (await admin.call('ACL', 'LOG', '128')) as readonly (readonly unknown[])[]
    // What ioredis says of itself with CLIENT SETINFO it says in vain, and goes on.
    const refused = log.map((entry) => String(entry[7])).filter((name) => name !== 'client|setinfo')
    expect(refused).toEqual([])
  } finally {
    await erp.stop()
    await closeRedis(admin)
  }
})
