/** Conformance: what is invalidated is void at once and stays so. Each test is a schedule that goes wrong without its rule. */

import { describe, expect, test } from 'vitest'
import { CacheWorld, type HeldLoad, ownClient, until } from '../cache/cache-world.js'
import type { Backend } from './backend.js'

type Invalidate = (world: CacheWorld) => Promise<void>

const WAYS: readonly (readonly [string, Invalidate])[] = [
  ['its key', (world) => world.items.invalidate(world.ref('a'))],
  ['one of its tags', (world) => world.cache.invalidateTags(world.companyId, ['other', 'group:a'])],
  ['its company', (world) => world.cache.invalidateAll(world.companyId)],
]

export function cacheInvalidationConforms(backend: Backend): void {
  /** A world in which a load of `a` has read the price 1 and is held back; the row has the price 2 now. */
  async function loading(): Promise<{
    world: CacheWorld
    read: Promise<bigint | undefined>
    load: HeldLoad
  }> {
    const world = new CacheWorld(backend.client())
    world.put('a', 1n)
    world.holding = true
    const read = world.price('a')
    await until(() => world.held.length === 1)
    world.holding = false
    world.put('a', 2n)
    const [load] = world.held
    if (load === undefined) throw new RangeError('no load')
    return { world, read, load }
  }

  describe(`invalidating many names on ${backend.name}`, () => {
    const tagsFrom = (first: number, count: number): readonly string[] =>
      Array.from({ length: count }, (_, index) => `t${first + index}`)

    test('takes every call of up to 10,000 tags, however many come while one is on its way', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      expect(await world.price('a')).toBe(1n)
      world.put('a', 2n)
      const calls = [0, 1, 2, 3].map((call) =>
        world.cache.invalidateTags(world.companyId, [...tagsFrom(call * 9_000, 9_000), 'group:a']),
      )
      await Promise.all(calls)
      expect(await world.price('a')).toBe(2n)
    })

    test('refuses more than 10,000 tags or keys of one call, and does nothing of it', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      expect(await world.price('a')).toBe(1n)
      const tags = [...tagsFrom(0, 10_000), 'group:a']
      await expect(world.cache.invalidateTags(world.companyId, tags)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
      const others = Array.from({ length: 10_001 }, (_, index) =>
        world.items.keyOf({ companyId: 'c2', id: String(index) }),
      )
      const keys = [world.items.keyOf(world.ref('a')), ...others]
      await expect(world.cache.invalidateKeys(keys)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      world.put('a', 2n)
      expect(await world.price('a')).toBe(1n)
    })
  })

  describe.each(WAYS)(`invalidating a value by %s on ${backend.name}`, (_way, invalidate) => {
    test('makes every process load it anew', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      const elsewhere = world.define(world.newCache())
      expect([await world.price('a'), await world.price('a', elsewhere)]).toEqual([1n, 1n])
      world.put('a', 2n)
      await invalidate(world)
      expect([await world.price('a', elsewhere), await world.price('a')]).toEqual([2n, 2n])
      expect(world.loads).toEqual(['a', 'a'])
    })

    test('keeps a load that began before from storing what it read', async () => {
      const { world, read, load } = await loading()
      await invalidate(world)
      load.release()
      expect(await read).toBe(1n)
      expect(await world.price('a', world.define(world.newCache()))).toBe(2n)
      expect(await world.price('a')).toBe(2n)
      expect(world.refusals()).toEqual(['superseded'])
    })

    test('keeps it from that even when somebody else has loaded and stored since', async () => {
      const { world, read, load } = await loading()
      await invalidate(world)
      expect(await world.price('a', world.define(world.newCache()))).toBe(2n)
      load.release()
      await read
      expect(await world.price('a')).toBe(2n)
    })

    test('keeps a read that comes later from joining a load that began before', async () => {
      const { world, read, load } = await loading()
      await invalidate(world)
      const later = world.price('a')
      expect(await later).toBe(2n)
      load.release()
      await read
    })

    test('done by another process, keeps a read that comes later from sharing such a load', async () => {
      const { world, read, load } = await loading()
      const elsewhere = new CacheWorld(ownClient(backend.client()).redis)
      Object.assign(elsewhere, { companyId: world.companyId })
      await invalidate(elsewhere)
      const later = Array.from({ length: 10 }, () => world.price('a'))
      load.release()
      expect(new Set(await Promise.all(later))).toEqual(new Set([2n]))
      await read
    })

    test('voids what the in-process tier of the same process holds', async () => {
      const world = new CacheWorld(backend.client())
      const items = world.define(world.cache, { local: { ttlMs: 60_000 } })
      world.put('a', 1n)
      await world.price('a', items)
      await world.price('a', items)
      world.put('a', 2n)
      await invalidate(world)
      expect(await world.price('a', items)).toBe(2n)
    })

    test('of which nothing is cached does no harm', async () => {
      const world = new CacheWorld(backend.client())
      await invalidate(world)
      await invalidate(world)
      world.put('a', 1n)
      expect(await world.price('a')).toBe(1n)
    })
  })

  describe(`invalidation on ${backend.name}`, () => {
    test('touches nothing that does not carry the tag, and no other company', async () => {
      const [world, other] = [new CacheWorld(backend.client()), new CacheWorld(backend.client())]
      for (const { rows } of [world, other]) rows.set('a', { name: 'a', price: 1n })
      world.put('b', 1n)
      await world.items.getMany(world.refs('a', 'b'))
      await other.price('a')
      await world.cache.invalidateTags(world.companyId, ['group:a'])
      await world.items.getMany(world.refs('a', 'b'))
      await other.price('a')
      expect(world.loads).toEqual(['a', 'b', 'a'])
      expect(other.loads).toEqual(['a'])
    })

    test('of a tag or a company is one command, however many values are void by it', async () => {
      const world = new CacheWorld(backend.client())
      const commandsFor = async (values: number): Promise<number> => {
        const refs = world.refs(...Array.from({ length: values }, (_, index) => `a${index}`))
        for (const { id } of refs) world.put(id, BigInt(world.loads.length))
        await world.items.getMany(refs)
        const before = world.observer.of('redisOperation').length
        await world.cache.invalidateTags(world.companyId, ['items'])
        await world.cache.invalidateAll(world.companyId)
        const commands = world.observer.of('redisOperation').slice(before)
        expect(commands.map(({ operation }) => operation)).toEqual(['del', 'del'])
        const loads = world.loads.length
        await world.items.getMany(refs)
        expect(world.loads).toHaveLength(loads + values)
        return commands.length
      }
      expect(await commandsFor(1)).toBe(await commandsFor(300))
    })

    test('of a thousand times at once costs two commands, and is done when it returns', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      world.put('b', 1n)
      await world.items.getMany(world.refs('a', 'b'))
      for (const id of ['a', 'b']) world.put(id, 2n)
      const before = world.observer.of('redisOperation').length
      const calls = Array.from({ length: 1_000 }, (_, index) =>
        world.cache.invalidateTags(world.companyId, [index % 2 === 0 ? 'group:a' : 'group:b']),
      )
      await Promise.all(calls)
      expect(world.observer.of('redisOperation').slice(before)).toHaveLength(2)
      expect([await world.price('a'), await world.price('b')]).toEqual([2n, 2n])
    })

    test('a generation that Redis lost voids what carried it, and is never made again', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      await world.price('a')
      const generationKey = world.keys.cacheGeneration(world.companyId)
      const [stored, generation] = [await world.raw('a'), await world.redis.get(generationKey)]
      await world.redis.del(generationKey)
      world.put('a', 2n)
      expect(await world.price('a')).toBe(2n)
      expect(await world.redis.get(generationKey)).not.toBe(generation)
      await world.redis.set(world.keyOf('a'), stored ?? '')
      expect(await world.price('a')).toBe(2n)
    })

    test('a load whose lease Redis lost, and another took, stores nothing', async () => {
      const { world, read, load } = await loading()
      await world.redis.del(world.keys.lease(world.keyOf('a')))
      world.holding = true
      const second = world.price('a', world.define(world.newCache()))
      await until(() => world.held.length === 2)
      load.release()
      expect(await read).toBe(1n)
      expect(await world.raw('a')).toBeNull()
      world.held[1]?.release()
      expect(await second).toBe(2n)
      expect(await world.price('a')).toBe(2n)
    })

    test('counts what it was asked for', async () => {
      const world = new CacheWorld(backend.client())
      await world.items.invalidate(world.ref('a'))
      await world.cache.invalidateTags(world.companyId, ['a', 'b'])
      await world.cache.invalidateAll(world.companyId)
      await world.cache.invalidateTags(world.companyId, [])
      expect(world.observer.of('cacheInvalidation')).toEqual([
        { scope: 'key', count: 1 },
        { scope: 'tag', count: 2 },
        { scope: 'company', count: 1 },
      ])
    })
  })
}
