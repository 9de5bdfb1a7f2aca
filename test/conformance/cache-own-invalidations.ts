/** Conformance: a process reads nothing that it invalidated itself, whether or not Redis has heard of it. */

import { type CachedValues, erpInvalidationRules, erpTags, Invalidator } from '@kerp/cache'
import { erpEvents } from '@kerp/pubsub'
import { describe, expect, test } from 'vitest'
import { CacheWorld, type Item, type ItemRef, type Line, ownClient, until } from '../cache/cache-world.js'
import type { Backend } from './backend.js'

const WAYS: readonly (readonly [string, (world: CacheWorld) => Promise<void>])[] = [
  ['its key', (world) => world.items.invalidate(world.ref('a'))],
  ['one of its tags', (world) => world.cache.invalidateTags(world.companyId, ['group:a'])],
  ['its company', (world) => world.cache.invalidateAll(world.companyId)],
]

interface Held {
  readonly world: CacheWorld
  readonly line: Line
  /** With a tier of the process. */
  readonly items: CachedValues<ItemRef, Item>
  /** The same values as another process reads them. */
  readonly elsewhere: CachedValues<ItemRef, Item>
  /** Redis answers again, and has not yet heard of what it was not told. */
  readonly back: () => void
}

export function cacheOwnInvalidationsConform(backend: Backend): void {
  let client: ReturnType<typeof ownClient> | undefined
  const shared = (): ReturnType<typeof ownClient> => (client ??= ownClient(backend.client()))

  /** A process that has the price 1 in its cache, in a tier of its own too. */
  async function held(client = shared()): Promise<Held> {
    const { redis, line } = client
    const world = new CacheWorld(redis)
    const other = new CacheWorld(backend.client())
    Object.assign(other, { companyId: world.companyId, rows: world.rows })
    const items = world.define(world.cache, { local: { ttlMs: 60_000 } })
    world.put('a', 1n)
    await world.price('a', items)
    return { world, line, items, elsewhere: other.items, back: () => Object.assign(line, { isCut: false }) }
  }

  describe.each(WAYS)(`a process that invalidated a value by %s on ${backend.name}`, (_way, invalidate) => {
    test('reads nothing older, although Redis was down and holds it when it is back', async () => {
      const { world, line, items, elsewhere, back } = await held()
      line.isCut = true
      world.put('a', 2n)
      await expect(invalidate(world)).rejects.toMatchObject({ retryable: true })
      expect([await world.price('a', items), await world.price('a')]).toEqual([2n, 2n])
      back()
      for (let read = 0; read < 10; read += 1) {
        expect([await world.price('a', items), await world.price('a')]).toEqual([2n, 2n])
      }
      await until(async () => (await world.price('a', elsewhere)) === 2n)
      expect([await world.price('a', items), await world.price('a')]).toEqual([2n, 2n])
    })

    test('reads nothing older, although a load that began before stores it afterwards', async () => {
      const { world, line, items, back } = await held()
      await world.redis.del(world.keyOf('a'))
      world.holding = true
      const before = world.define(world.cache).get(world.ref('a'))
      await until(() => world.held.length === 1)
      world.holding = false
      world.put('a', 2n)
      line.isCut = true
      await expect(invalidate(world)).rejects.toMatchObject({ retryable: true })
      back()
      const reads = [world.price('a', items), world.price('a')]
      world.held[0]?.release()
      expect((await before)?.price).toBe(1n)
      expect(await Promise.all(reads)).toEqual([2n, 2n])
      expect([await world.price('a', items), await world.price('a')]).toEqual([2n, 2n])
    })

    test('reads nothing older when Redis comes back as it was before', async () => {
      const { world, line, items, back } = await held()
      const names = [
        world.keyOf('a'),
        world.keys.cacheGeneration(world.companyId),
        world.keys.cacheTag({ companyId: world.companyId, tag: 'items' }),
        world.keys.cacheTag({ companyId: world.companyId, tag: 'group:a' }),
      ]
      const stored = await Promise.all(names.map((name) => world.redis.get(name)))
      world.put('a', 2n)
      await invalidate(world)
      await Promise.all(names.map((name, at) => world.redis.set(name, stored[at] ?? '')))
      line.isCut = true
      world.redis.emit('ready')
      back()
      expect([await world.price('a', items), await world.price('a')]).toEqual([2n, 2n])
    })

    test('reads it past Redis in every cache of the process, until Redis has heard of it', async () => {
      const { world, line, back } = await held()
      const beside = world.define(world.newCache(), { local: { ttlMs: 60_000 } })
      await world.price('a', beside)
      line.isCut = true
      world.put('a', 2n)
      await expect(invalidate(world)).rejects.toMatchObject({ retryable: true })
      expect(await world.price('a', beside)).toBe(2n)
      back()
      expect(await world.price('a', beside)).toBe(2n)
      await until(async () => {
        const before = world.loads.length
        await world.price('a')
        return world.loads.length === before
      })
      expect(await world.price('a')).toBe(2n)
    })
  })

  describe(`invalidations that Redis has not heard of on ${backend.name}`, () => {
    test('void nothing else in the process', async () => {
      const { world, line, back } = await held()
      world.put('b', 1n)
      await world.price('b')
      line.isCut = true
      await expect(world.items.invalidate(world.ref('a'))).rejects.toMatchObject({ retryable: true })
      back()
      world.loads.length = 0
      await world.price('b')
      expect(world.loads).toEqual([])
    })

    test('are all of the company when they are more than 10,000 names', async () => {
      const { world, line, items, back } = await held()
      world.put('b', 1n)
      await world.price('b')
      const many = Array.from({ length: 10_000 }, (_, at) => `t${at}`)
      line.isCut = true
      for (const id of ['a', 'b']) world.put(id, 2n)
      for (const tags of [['group:a', 'group:b'], many]) {
        await expect(world.cache.invalidateTags(world.companyId, tags)).rejects.toMatchObject({
          retryable: true,
        })
      }
      back()
      expect([await world.price('a', items), await world.price('b')]).toEqual([2n, 2n])
    })

    test('of more than 5,000 sessions and companies let nothing be believed, and are told of', async () => {
      const { world, line, items, back } = await held(ownClient(backend.client()))
      line.isCut = true
      world.put('a', 2n)
      await expect(world.items.invalidate(world.ref('a'))).rejects.toMatchObject({ retryable: true })
      const sessions = Array.from({ length: 5_000 }, (_, at) => world.keys.session(`s${at}`))
      await expect(world.cache.invalidateKeys(sessions)).rejects.toMatchObject({ retryable: true })
      expect(world.observer.of('backgroundError')).toContainEqual(
        expect.objectContaining({ source: 'ReadThrough', code: 'OVERLOADED' }),
      )
      back()
      for (let read = 0; read < 3; read += 1) expect(await world.price('a', items)).toBe(2n)
    })

    test('are applied without an error for whoever committed, by event or by name', async () => {
      const { world, line, back } = await held()
      const { companyId } = world
      const report = world.define(world.cache, {
        type: 'report',
        key: (ref) => world.keys.cached({ ...ref, type: 'report' }),
        tags: () => [erpTags.approvals],
      })
      const invalidator = new Invalidator({
        cache: world.cache,
        events: erpEvents,
        rules: erpInvalidationRules,
      })
      const event = { companyId, type: 'events:voucher:approved' }
      for (const [change, price] of [
        [event, 2n],
        [{ companyId, tags: [erpTags.approvals] }, 3n],
      ] as const) {
        await world.price('a', report)
        line.isCut = true
        world.put('a', price)
        expect(await invalidator.apply([change])).toBe(false)
        expect(await world.price('a', report)).toBe(price)
        back()
        expect(await world.price('a', report)).toBe(price)
        expect(await invalidator.apply([change])).toBe(true)
        expect(await world.price('a', report)).toBe(price)
      }
      await expect(invalidator.apply([{ companyId, tags: ['x'.repeat(1_000)] }])).rejects.toMatchObject({
        code: 'INVALID_KEY',
      })
    })
  })
}
