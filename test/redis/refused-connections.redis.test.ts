/** What a server answers to a missing or wrong password, or to a user without rights, is said as it is. */

import {
  assertCoordinationRedis,
  closeRedis,
  createRedis,
  redisCommand,
  type RedisClient,
  redisHealth,
  redisHealthCauses,
} from '@kerp/redis'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'

const SECRET = 'hunter2-secret'

let server: PrivateRedis
let path: string
beforeAll(async () => {
  server = await openPrivateRedis({ args: ['--requirepass', SECRET] })
  path = server.socketPath
  const admin = new Redis({ path, password: SECRET })
  await admin.call('ACL', ['SETUSER', 'clerk', 'on', '>clerk', '~*', '+@all', '-info'])
  await admin.quit()
})
afterAll(() => server.close())

const CLIENTS: readonly (readonly [string, () => RedisClient])[] = [
  ['a client of createRedis', () => createRedis({ path }, {})],
  ['a client of the host', () => new Redis({ path }).on('error', () => undefined)],
]

async function causesOf(redis: RedisClient): Promise<readonly string[]> {
  const health = await redisHealth(redis, { deadlineMs: 500 })
  return redisHealthCauses(health, 'coordination').map(({ cause, fix }) => `${cause}. ${fix ?? ''}`)
}

describe.each(CLIENTS)('%s without the password', (_, open) => {
  it('is not called unreachable: health names the password, and so does each call', async () => {
    const redis = open()
    onTestFinished(() => redis.disconnect())
    await vi.waitFor(async () => expect((await causesOf(redis))[0]).toMatch(/NOAUTH.*REDIS_PASSWORD/))
    const call = redisCommand(redis, 'get', ['k'], { effect: 'none' })
    await expect(call).rejects.toMatchObject({ replyCode: 'NOAUTH' })
    await expect(call).rejects.toThrow('the server wants a password: give `password`')
    await expect(assertCoordinationRedis(redis)).rejects.toMatchObject({ code: 'REDIS_REFUSED' })
  })
})

it('a wrong password is named in health and in each call, and never shown', async () => {
  const redis = createRedis({ path, password: `${SECRET}x` }, {})
  onTestFinished(() => redis.disconnect())
  await vi.waitFor(async () => expect((await causesOf(redis))[0]).toMatch(/WRONGPASS.*REDIS_USERNAME/))
  const failure: unknown = await redisCommand(redis, 'get', ['k']).catch((error: unknown) => error)
  expect(failure).toMatchObject({ replyCode: 'WRONGPASS' })
  expect(String(failure)).toContain('compare `username` and `password`')
  expect(String(failure)).not.toContain(SECRET)
})

it('a user who may not run INFO is told which rules to give it', async () => {
  const redis = createRedis({ path, username: 'clerk', password: 'clerk' }, {})
  onTestFinished(() => closeRedis(redis))
  await vi.waitFor(async () => expect((await causesOf(redis))[0]).toMatch(/NOPERM on INFO.*\+info/))
})

it('a password that was mended is forgotten: nothing is said of it any more', async () => {
  const redis = createRedis({ path }, {})
  onTestFinished(() => closeRedis(redis))
  await vi.waitFor(async () => expect((await causesOf(redis))[0]).toMatch(/NOAUTH/))
  Object.assign(redis.options, { password: SECRET })
  if ('condition' in redis) Object.assign(Object(redis.condition), { auth: SECRET })
  await vi.waitFor(async () => expect(await causesOf(redis)).toEqual([]), { timeout: 5_000 })
  await expect(redisCommand(redis, 'get', ['k'])).resolves.toBeNull()
})
