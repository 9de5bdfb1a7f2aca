/** What is invalidated again when a client is connected anew, as far as no server is needed to see it. */

import type { Key } from '@kerp/keys'
import { mockRedis } from '@kerp/redis/testing'
import { expect, it } from 'vitest'
import { CacheWorld, until } from './cache-world.js'

/** As if the client were connected anew. */
function connectAnew(world: CacheWorld): void {
  world.redis.emit('ready')
}

it('nothing is done when nothing was invalidated', async () => {
  const world = new CacheWorld(mockRedis())
  await world.redis.set(world.keyOf('a'), 'as it was')
  connectAnew(world)
  await new Promise((resolve) => setImmediate(resolve))
  expect(await world.raw('a')).toBe('as it was')
})

it('what comes back after an invalidation goes again, and nothing else', async () => {
  const world = new CacheWorld(mockRedis())
  await world.items.invalidate(world.ref('a'))
  for (const id of ['a', 'b']) await world.redis.set(world.keyOf(id), 'of an older dump')
  connectAnew(world)
  await until(async () => (await world.raw('a')) === null)
  expect(await world.raw('b')).toBe('of an older dump')
})

it('caches on one client share one memory, and one listener', async () => {
  const redis = mockRedis()
  const before = redis.listenerCount('ready')
  const world = new CacheWorld(redis)
  for (let caches = 0; caches < 20; caches += 1) await world.newCache().invalidateKeys([world.keyOf('a')])
  expect(redis.listenerCount('ready')).toBe(before + 1)
})

it('of more than 10,000 keys, leases included, the oldest are forgotten', async () => {
  const world = new CacheWorld(mockRedis())
  const keys = (count: number, name: string): readonly Key[] =>
    Array.from({ length: count }, (_, at) => world.keyOf(`${name}${at}`))
  await world.cache.invalidateKeys(keys(1, 'old'))
  await world.cache.invalidateKeys(keys(5_000, 'new'))
  for (const id of ['old0', 'new0']) await world.redis.set(world.keyOf(id), 'of an older dump')
  connectAnew(world)
  await until(async () => (await world.raw('new0')) === null)
  expect(await world.raw('old0')).toBe('of an older dump')
})
