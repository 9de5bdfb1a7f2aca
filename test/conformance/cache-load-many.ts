/** Conformance: values that are missing together are loaded together, and each has its own fate all the same. */

import { CacheBackoffError, CacheValueError } from '@kerp/cache'
import { DeadlineExceededError, InvalidOptionError, jsonCodec } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { describe, expect, test } from 'vitest'
import { CacheWorld, type Item, until } from '../cache/cache-world.js'
import type { Backend } from './backend.js'

const HOUR_MS = 3_600_000

export function cacheLoadManyConforms(backend: Backend): void {
  /** Items `a`, `b`, `c` of the prices 1, 2, 3, in a type that loads several at once. */
  function open(options: Parameters<CacheWorld['newCache']>[0] = {}) {
    const world = new CacheWorld(backend.client())
    for (const [index, id] of ['a', 'b', 'c'].entries()) world.put(id, BigInt(index + 1))
    const cache = world.newCache(options)
    const items = world.defineMany(cache)
    const prices = async (ids: string, from = items): Promise<readonly (bigint | undefined)[]> =>
      (await from.getMany(world.refs(...ids.split('')))).map((item) => item?.price)
    return { world, cache, items, prices }
  }

  describe(`loading several values at once on ${backend.name}`, () => {
    test('what is missing is loaded in one call, once each, and what is there is not', async () => {
      const { world, prices } = open()
      await prices('b')
      expect(await prices('cabxca')).toEqual([3n, 1n, 2n, undefined, 3n, 1n])
      expect(await prices('cabx')).toEqual([3n, 1n, 2n, undefined])
      expect(world.loads).toEqual(['b', 'c,a,x'])
      expect(world.results()).toEqual({ miss: 6, hit: 5 })
    })

    test('a single value is loaded by a call with one ref, and stored like any other', async () => {
      const { world, items } = open()
      expect(await world.price('a', items)).toBe(1n)
      expect(await world.price('a', world.define(world.newCache()))).toBe(1n)
      expect(world.loads).toEqual(['a'])
    })

    test('values of several companies, and of none, are loaded in one call', async () => {
      const { world, cache } = open()
      const other = new CacheWorld(backend.client())
      const calls: string[] = []
      const sessions = cache.define({
        type: 'session',
        key: (id: string) => world.keys.session(id),
        loadMany: (ids) => Promise.resolve([calls.push([...ids].sort().join()), ...ids].slice(1)),
        codec: jsonCodec<unknown>({ version: 1, check: (parsed) => parsed }),
      })
      const ids = [world.companyId, other.companyId]
      expect(await sessions.getMany(ids)).toEqual(ids)
      // In whatever order: in a cluster each company has a slot, and with it a server, of its own.
      expect(calls).toEqual([[...ids].sort().join()])
      const items = world.defineMany(cache)
      await items.getMany([world.ref('a'), other.ref('a')])
      expect(world.loads).toEqual(['a,a'])
    })

    test('a value that somebody reads already is not loaded again, and keeps the others from nothing', async () => {
      const { world, items, prices } = open()
      world.holding = true
      const single = world.price('b', items)
      await until(() => world.held.length === 1)
      const many = prices('abc')
      await until(() => world.held.length === 2)
      const later = [world.price('c', items), prices('ca')]
      expect(world.loads).toEqual(['b', 'a,c'])
      world.held[1]?.release()
      expect(await Promise.all(later)).toEqual([3n, [3n, 1n]])
      world.held[0]?.release()
      expect([await single, await many]).toEqual([2n, [1n, 2n, 3n]])
      expect(world.loads).toEqual(['b', 'a,c'])
    })

    test('processes that want overlapping values load each of them once together', async () => {
      const { world, prices } = open()
      const elsewhere = world.defineMany(world.newCache())
      world.holding = true
      const here = prices('ab')
      await until(() => world.held.length === 1)
      const there = prices('abc', elsewhere)
      await until(() => world.held.length === 2)
      world.holding = false
      for (const load of world.held) load.release()
      expect([await here, await there]).toEqual([
        [1n, 2n],
        [1n, 2n, 3n],
      ])
      expect(world.loads).toEqual(['a,b', 'c'])
    })

    test('a value whose load hangs in another process does not keep the others from being loaded', async () => {
      const { world, prices } = open()
      await world.leaseElsewhere('a', 600_000)
      const read = prices('abc')
      await until(async () => (await world.raw('c')) !== null)
      expect(world.loads).toEqual(['b,c'])
      await world.redis.del(world.keys.lease(world.keyOf('a')))
      expect(await read).toEqual([1n, 2n, 3n])
      expect(world.loads).toEqual(['b,c', 'a'])
    })

    test('one that the loader refuses fails the call and is in back-off; the others are stored', async () => {
      const { world, items, prices } = open()
      const refusal = new RangeError('b is broken')
      world.refused.set('b', refusal)
      await expect(prices('abc')).rejects.toBe(refusal)
      await until(async () => (await world.raw('c')) !== null)
      expect(await prices('ac')).toEqual([1n, 3n])
      await expect(world.price('b', items)).rejects.toBeInstanceOf(CacheBackoffError)
      const elsewhere = world.defineMany(world.newCache())
      await expect(prices('bc', elsewhere)).rejects.toBeInstanceOf(CacheBackoffError)
      expect(await prices('ac', elsewhere)).toEqual([1n, 3n])
      expect(world.loads).toEqual(['a,b,c'])
    })

    test('a loader that throws is called once, and all of its values are in back-off', async () => {
      const { world, items, prices } = open()
      world.failure = new RangeError('down')
      await expect(prices('abc')).rejects.toThrow('down')
      world.failure = undefined
      for (const id of 'abc') {
        await expect(world.price(id, items)).rejects.toBeInstanceOf(CacheBackoffError)
      }
      expect(world.loads).toEqual(['a,b,c'])
    })

    test('a value that the schema refuses is refused alone', async () => {
      const { world, prices } = open()
      world.rows.set('b', { name: 7, price: 1n } as unknown as Item)
      await expect(prices('abc')).rejects.toBeInstanceOf(CacheValueError)
      await until(async () => (await world.raw('c')) !== null)
      expect(await world.raw('b')).toBeNull()
      expect(await prices('ac')).toEqual([1n, 3n])
    })

    test.each([
      ['too few values', []],
      ['too many values', [undefined, undefined, undefined]],
      ['no list', 'ab'],
    ])('a loader that returns %s is told so, and nothing is stored', async (_words, returned) => {
      const { world, cache, prices } = open()
      const items = world.defineMany(cache, {
        loadMany: () => Promise.resolve(returned as unknown as readonly Item[]),
      })
      await expect(prices('ab', items)).rejects.toBeInstanceOf(CacheValueError)
      await expect(prices('ab', items)).rejects.toBeInstanceOf(CacheBackoffError)
      const texts = await world.redis.mget(world.keyOf('a'), world.keyOf('b'))
      expect(texts).toEqual([null, null])
    })

    test('more values than one call may have become several calls', async () => {
      const { world, cache, prices } = open()
      const items = world.defineMany(cache, { loadManyMax: 2 })
      expect(await prices('abcx', items)).toEqual([1n, 2n, 3n, undefined])
      expect([...world.loads].sort()).toEqual(['a,b', 'c,x'])
    })

    test('what is invalidated while they are loaded is not stored; the others are', async () => {
      const { world, cache, prices } = open()
      world.holding = true
      const read = prices('ab')
      await until(() => world.held.length === 1)
      world.holding = false
      world.put('a', 9n)
      await cache.invalidateTags(world.companyId, ['group:a'])
      world.held[0]?.release()
      await read
      expect(await world.raw('a')).toBeNull()
      expect(await prices('ab')).toEqual([9n, 2n])
      expect(world.loads).toEqual(['a,b', 'a'])
    })

    test('a call that takes too long ends by its deadline, is told so, and frees its values', async () => {
      const clock = manualClock()
      const { world, prices } = open({ clock, loadDeadlineMs: 500, backoffMs: 0 })
      world.holding = true
      const settled = expect(prices('ab')).rejects.toBeInstanceOf(DeadlineExceededError)
      await until(() => world.held.length === 1)
      await clock.advance(500)
      await settled
      expect(world.held[0]?.signal.aborted).toBe(true)
      world.holding = false
      expect(await prices('ab')).toEqual([1n, 2n])
    })

    test('values past their time are answered at once, and loaded anew in one call', async () => {
      const { world, cache, prices } = open()
      const items = world.defineMany(cache, { staleMs: HOUR_MS })
      await prices('abc', items)
      for (const id of 'ab') await world.redis.pexpire(world.keyOf(id), HOUR_MS - 1)
      for (const id of 'abc') world.put(id, 9n)
      expect(await prices('abc', items)).toEqual([1n, 2n, 3n])
      await until(async () => (await prices('ab', items)).every((price) => price === 9n))
      expect(world.loads).toEqual(['a,b,c', 'a,b'])
      expect(await prices('abc', items)).toEqual([9n, 9n, 3n])
    })

    test('warming loads what is missing in one call and says how many that were', async () => {
      const { world, items } = open()
      await items.get(world.ref('b'))
      expect(await items.fill(world.refs('a', 'b', 'c'))).toBe(2)
      expect(world.loads).toEqual(['b', 'a,c'])
    })

    test('a type that has no loader at all is refused', () => {
      const { world, cache } = open()
      expect(() => cache.define({ type: 'report', key: () => world.keyOf('a') })).toThrow(InvalidOptionError)
    })
  })
}
