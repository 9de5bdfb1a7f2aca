/** Conformance: what a cached value is, and what becomes of texts that are none. */

import { CacheValueError } from '@kerp/cache'
import { jsonCodec } from '@kerp/core'
import { ttlPolicy } from '@kerp/keys'
import { describe, expect, test } from 'vitest'
import { CacheWorld } from '../cache/cache-world.js'
import type { Backend } from './backend.js'

export function cacheReadsConform(backend: Backend): void {
  describe(`reading through the cache on ${backend.name}`, () => {
    test('the first read loads, later ones of every process come from Redis and are equal', async () => {
      const world = new CacheWorld(backend.client())
      const item = world.put('a', 9_007_199_254_740_993n)
      const first = await world.items.get(world.ref('a'))
      const second = await world.define(world.newCache()).get(world.ref('a'))
      expect([first, second]).toEqual([item, item])
      expect(world.loads).toEqual(['a'])
      expect(world.results()).toEqual({ miss: 1, hit: 1 })
    })

    test('no caller can change what the next one gets', async () => {
      const world = new CacheWorld(backend.client())
      const items = world.define(world.newCache(), { local: { ttlMs: 60_000 } })
      world.put('a', 1n)
      const readers = await Promise.all([0, 1, 2].map(() => items.get(world.ref('a'))))
      for (const item of readers) Object.assign(item ?? {}, { name: 'changed' })
      expect(await items.get(world.ref('a'))).toEqual({ name: 'item a', price: 1n })
      expect(new Set(readers).size).toBe(3)
    })

    test('that there is nothing is remembered, and forgotten when it is invalidated', async () => {
      const world = new CacheWorld(backend.client())
      expect(await world.price('a')).toBeUndefined()
      expect(await world.price('a')).toBeUndefined()
      expect(world.loads).toEqual(['a'])
      world.put('a', 1n)
      await world.items.invalidate(world.ref('a'))
      expect(await world.price('a')).toBe(1n)
    })

    test('that there is nothing is not remembered where that is asked for', async () => {
      const world = new CacheWorld(backend.client())
      const items = world.define(world.cache, { negativeTtlMs: 0 })
      await items.get(world.ref('a'))
      await items.get(world.ref('a'))
      expect(world.loads).toEqual(['a', 'a'])
      expect(await world.lease('a')).toBeNull()
    })

    test('many values come in the order asked for, with duplicates, and only the missing ones are loaded', async () => {
      const world = new CacheWorld(backend.client())
      for (const id of ['a', 'b', 'c']) world.put(id, BigInt(id.charCodeAt(0)))
      await world.items.getMany(world.refs('b', 'c'))
      const found = await world.items.getMany(world.refs('c', 'a', 'x', 'c'))
      expect(found.map((item) => item?.price)).toEqual([99n, 97n, undefined, 99n])
      expect(world.loads).toEqual(['b', 'c', 'a', 'x'])
    })

    test('how many values were read is told for their company, wherever they came from', async () => {
      const world = new CacheWorld(backend.client())
      const items = world.define(world.newCache(), { local: { ttlMs: 60_000 } })
      world.put('a', 1n)
      for (let read = 0; read < 3; read += 1) await items.getMany(world.refs('a', 'x'))
      const reads = world.observer.of('companyWork')
      expect(reads).toEqual([0, 1, 2].map(() => ({ companyId: world.companyId, work: 'read', count: 2 })))
    })

    test('a hundred values that Redis holds cost one command', async () => {
      const world = new CacheWorld(backend.client())
      const refs = world.refs(...Array.from({ length: 100 }, (_, index) => String(index)))
      for (const { id } of refs) world.put(id, 1n)
      await world.items.getMany(refs)
      const before = world.observer.of('redisOperation').length
      expect(await world.items.getMany(refs)).toHaveLength(100)
      expect(world.observer.of('redisOperation').slice(before)).toMatchObject([{ operation: 'mget' }])
    })

    test('values of several companies and values of none are read in one call', async () => {
      const [world, other] = [new CacheWorld(backend.client()), new CacheWorld(backend.client())]
      const sessions = world.cache.define({
        type: 'session',
        key: (id: string) => world.keys.session(id),
        load: (id) => Promise.resolve({ user: `user of ${id}` }),
        codec: jsonCodec<unknown>({ version: 1, check: (parsed) => parsed }),
      })
      const ids = [world.companyId, other.companyId]
      const users = ids.map((id) => ({ user: `user of ${id}` }))
      expect(await sessions.getMany(ids)).toEqual(users)
      expect(await sessions.getMany(ids)).toEqual(users)
      expect(world.results()).toEqual({ miss: 2, hit: 2 })
      world.put('a', 1n)
      world.put('b', 2n)
      const found = await world.items.getMany([world.ref('a'), { companyId: other.companyId, id: 'b' }])
      expect(found.map((item) => item?.price)).toEqual([1n, 2n])
    })

    test('a value is kept as long as the TTL table says, a session exactly so', async () => {
      const world = new CacheWorld(backend.client())
      const ttl = ttlPolicy({ master_data: 100_000, session: 100_000 })
      const cache = world.newCache({ ttl })
      const left = async (items: ReturnType<typeof world.define>, id: string): Promise<number> => {
        world.put(id, 1n)
        await items.get(world.ref(id))
        return world.redis.pttl(items.keyOf(world.ref(id)))
      }
      const lefts = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((id) => left(world.define(cache), id)))
      expect(new Set(lefts).size).toBeGreaterThan(1)
      for (const leftMs of lefts) {
        expect(leftMs).toBeGreaterThan(50_000)
        expect(leftMs).toBeLessThanOrEqual(110_000)
      }
      const session = world.define(cache, { type: 'session' })
      expect(await left(session, 'f')).toBeLessThanOrEqual(100_000)
    })

    test('a text that is no entry is loaded anew and counted, whatever it is', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      await world.price('a')
      const stored = (await world.raw('a')) ?? ''
      const texts = [
        '',
        'x',
        stored.slice(0, -1),
        `${stored} `,
        stored.replace('"1"', '"2"'),
        `c2${stored.slice(2)}`,
      ]
      for (const text of texts) {
        await world.redis.set(world.keyOf('a'), text)
        expect(await world.price('a')).toBe(1n)
      }
      expect(world.loads).toHaveLength(1 + texts.length)
      expect(world.refusals()).toEqual(texts.map(() => 'damaged'))
    })

    test('a key of another type is loaded anew and replaced', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      await world.redis.rpush(world.keyOf('a'), 'x')
      await world.redis.rpush(world.keys.lease(world.keyOf('a')), 'x')
      await world.redis.rpush(world.keys.cacheGeneration(world.companyId), 'x')
      expect(await world.price('a')).toBe(1n)
      expect(await world.price('a')).toBe(1n)
      expect(world.loads).toEqual(['a'])
    })

    test('an entry of another key is not taken for this one', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      world.put('ab', 2n)
      await world.items.getMany(world.refs('a', 'ab'))
      await world.redis.set(world.keyOf('a'), (await world.raw('ab')) ?? '')
      expect(await world.price('a')).toBe(1n)
    })

    test('a value that the schema does not know is loaded anew, counted, and stored in its right shape', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      const older = world.cache.define({
        type: 'master_data',
        key: (ref: { companyId: string; id: string }) => world.items.keyOf(ref),
        tags: () => ['items', 'group:a'],
        load: () => Promise.resolve({ title: 'item a' }),
        codec: jsonCodec<unknown>({ version: 1, check: (parsed) => parsed }),
      })
      await older.get(world.ref('a'))
      expect(await world.price('a')).toBe(1n)
      expect(await world.price('a')).toBe(1n)
      expect(world.refusals()).toEqual(['shape'])
      expect(world.loads).toEqual(['a'])
    })

    test('a value of another version of the code is loaded anew', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      await world.price('a')
      expect(await world.price('a', world.define(world.cache, { version: 2 }))).toBe(1n)
      expect(world.loads).toEqual(['a', 'a'])
    })

    test('a value that is too large is answered, counted and not stored', async () => {
      const world = new CacheWorld(backend.client())
      const items = world.define(world.cache, { bytesMax: 100 })
      world.rows.set('a', { name: '가'.repeat(40), price: 1n })
      expect(await world.price('a', items)).toBe(1n)
      expect(await world.raw('a')).toBeNull()
      expect(await world.lease('a')).toBeNull()
      expect(world.refusals()).toEqual(['size'])
    })

    test('a loader whose value its own schema refuses is told so at the first read', async () => {
      const world = new CacheWorld(backend.client())
      const wrong = { name: 7, price: 1n } as unknown as { name: string; price: bigint }
      world.rows.set('a', wrong)
      await expect(world.price('a')).rejects.toBeInstanceOf(CacheValueError)
      expect(await world.raw('a')).toBeNull()
    })

    test('a key, tag or company that is none is refused before anything is sent', async () => {
      const world = new CacheWorld(backend.client())
      await expect(world.items.get({ companyId: 'a b', id: 'x' })).rejects.toMatchObject({
        code: 'INVALID_KEY',
      })
      const tagged = world.define(world.cache, { tags: () => Array.from({ length: 17 }, String) })
      await expect(tagged.get(world.ref('a'))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
      expect(() => world.cache.invalidateTags(world.companyId, [''])).toThrow(/tag/)
      expect(() => world.cache.invalidateAll('a b')).toThrow(/companyId/)
      const many = Array.from({ length: 10_001 }, () => world.ref('a'))
      await expect(world.items.getMany(many)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      expect(world.observer.of('redisOperation')).toEqual([])
    })
  })
}
