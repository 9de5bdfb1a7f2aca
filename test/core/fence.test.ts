import { checkFence, FENCE_MAX } from '@kerp/core'
import { Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { raiseFence } from '@kerp/postgres'
import { mockRedis } from '@kerp/redis/testing'
import { expect, onTestFinished, test } from 'vitest'

const REFUSED = { code: 'INVALID_INPUT' }
const ABOVE = '9000000000000001'

test('a row takes no fence that a lock cannot be raised to', async () => {
  const queryable = { query: () => Promise.reject(new Error('asked')) }
  const row = { table: 'orders', key: { id: 'o-1' } }
  for (const fence of ['999999999999999999', ABOVE]) {
    await expect(raiseFence(queryable, { ...row, fence })).rejects.toMatchObject(REFUSED)
  }
  await expect(raiseFence(queryable, { ...row, fence: String(FENCE_MAX) })).rejects.toThrow('asked')
})

test('a lock that is raised as high as it can be has a fence that rows take', async () => {
  const locks = new Locks({ redis: mockRedis(), keys: createKeys(), closeMs: 0 })
  onTestFinished(() => locks.close())
  const resource = { companyId: 'c1', type: 'item', id: 'A' }
  const refused = locks.acquire(resource, { fenceAbove: String(FENCE_MAX) })
  await expect(refused).rejects.toMatchObject({ ...REFUSED, field: 'fenceAbove' })
  const lock = await locks.acquire(resource, { fenceAbove: String(FENCE_MAX - 1n) })
  expect(checkFence(lock.fence)).toBe(FENCE_MAX)
})

test('a section that was left out, or stands in place of the options, is refused before the lock is taken', async () => {
  const redis = mockRedis()
  const locks = new Locks({ redis, keys: createKeys(), closeMs: 0 })
  onTestFinished(() => locks.close())
  const resource = { companyId: 'c1', type: 'item', id: 'A' }
  const section = (): Promise<number> => Promise.resolve(1)
  const call = Reflect.apply(locks.withLock.bind(locks), undefined, [resource, section]) as Promise<unknown>
  await expect(call).rejects.toMatchObject({ ...REFUSED, field: 'section' })
  expect(await redis.dbsize()).toBe(0)
})
