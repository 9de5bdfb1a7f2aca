/** Conformance: values that are loaded anew before or after their time, without anybody waiting. */

import { manualClock } from '@kerp/core/testing'
import { describe, expect, test } from 'vitest'
import { CacheWorld, until } from '../cache/cache-world.js'
import type { Backend } from './backend.js'

const HOUR_MS = 3_600_000

export function cacheRefreshConforms(backend: Backend): void {
  describe(`refreshing on ${backend.name}`, () => {
    test('a value past its time is still answered while one process loads it anew', async () => {
      const world = new CacheWorld(backend.client())
      const [items, elsewhere] = [world.cache, world.newCache()].map((cache) =>
        world.define(cache, { staleMs: HOUR_MS }),
      )
      world.put('a', 1n)
      await world.price('a', items)
      await world.redis.pexpire(world.keyOf('a'), HOUR_MS - 1)
      world.put('a', 2n)
      world.holding = true
      expect([await world.price('a', items), await world.price('a', elsewhere)]).toEqual([1n, 1n])
      await until(() => world.held.length === 1)
      expect([await world.price('a', elsewhere), await world.price('a', items)]).toEqual([1n, 1n])
      world.held[0]?.release()
      await until(async () => (await world.price('a', items)) === 2n)
      expect(world.loads).toEqual(['a', 'a'])
      expect(world.results()).toMatchObject({ miss: 1, stale: expect.any(Number) as number })
    })

    test('a value past its time is never answered once it was invalidated', async () => {
      const world = new CacheWorld(backend.client())
      const items = world.define(world.cache, { staleMs: HOUR_MS })
      world.put('a', 1n)
      await world.price('a', items)
      await world.redis.pexpire(world.keyOf('a'), HOUR_MS - 1)
      world.put('a', 2n)
      await world.cache.invalidateTags(world.companyId, ['items'])
      expect(await world.price('a', items)).toBe(2n)
    })

    test('a value past its time goes on being answered when loading it fails, and the failure is counted', async () => {
      const world = new CacheWorld(backend.client())
      const items = world.define(world.cache, { staleMs: HOUR_MS })
      world.put('a', 1n)
      await world.price('a', items)
      await world.redis.pexpire(world.keyOf('a'), HOUR_MS - 1)
      world.failure = new RangeError('down')
      expect(await world.price('a', items)).toBe(1n)
      await until(() => world.observer.of('backgroundError').length === 1)
      expect(await world.price('a', items)).toBe(1n)
      expect(world.loads).toEqual(['a', 'a'])
    })

    test('a value whose load is dear is loaded anew before its time is over, by one of its readers', async () => {
      const world = new CacheWorld(backend.client())
      // A chance that always says the largest: due when what is left is at most some fifteen times the load.
      const random = { fraction: () => 0.999_999_9, hex: (bytes: number) => 'ab'.repeat(bytes) }
      const clock = manualClock()
      const items = world.define(world.newCache({ random, clock }), { earlyRefresh: true })
      world.put('a', 1n)
      world.holding = true
      const dear = world.price('a', items)
      await until(() => world.held.length === 1)
      await clock.advance(30_000)
      world.holding = false
      world.held[0]?.release()
      await dear
      await world.price('a', items)
      expect(world.loads).toEqual(['a'])
      await world.redis.pexpire(world.keyOf('a'), 400_000)
      world.put('a', 2n)
      expect(await world.price('a', items)).toBe(1n)
      await until(async () => (await world.price('a', items)) === 2n)
      expect(world.loads).toEqual(['a', 'a'])
    })

    test('a load that is on its way when the value is invalidated does not bring it back', async () => {
      const world = new CacheWorld(backend.client())
      const items = world.define(world.cache, { staleMs: HOUR_MS })
      world.put('a', 1n)
      await world.price('a', items)
      await world.redis.pexpire(world.keyOf('a'), HOUR_MS - 1)
      world.holding = true
      await world.price('a', items)
      await until(() => world.held.length === 1)
      world.holding = false
      world.put('a', 2n)
      await items.invalidate(world.ref('a'))
      world.held[0]?.release()
      await until(() => world.refusals().includes('superseded'))
      expect(await world.price('a', items)).toBe(2n)
    })
  })
}
