/** Conformance: who loads, who waits, and what becomes of loads that fail or hang. */

import { CacheBackoffError } from '@kerp/cache'
import { DeadlineExceededError, KerpError } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { describe, expect, test } from 'vitest'
import { CacheWorld, until } from '../cache/cache-world.js'
import type { Backend } from './backend.js'

class SourceDownError extends KerpError {
  static override readonly errorName = 'SourceDownError'

  constructor() {
    super('The source is down.', { code: 'SOURCE_DOWN', retryable: true })
  }
}

export function cacheLoadsConform(backend: Backend): void {
  describe(`loading through the cache on ${backend.name}`, () => {
    test('a thousand reads of one cold value in one process make one load', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 7n)
      const prices = await Promise.all(Array.from({ length: 1_000 }, () => world.price('a')))
      expect(new Set(prices)).toEqual(new Set([7n]))
      expect(world.loads).toEqual(['a'])
    })

    test('a cold value that four processes want at once is loaded once', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 7n)
      world.holding = true
      const processes = Array.from({ length: 4 }, () => world.define(world.newCache()))
      const reads = processes.flatMap((items) => Array.from({ length: 250 }, () => world.price('a', items)))
      await until(() => world.held.length === 1)
      await until(() => world.observer.of('redisOperation').filter(isLease).length >= 8)
      world.held[0]?.release()
      expect(new Set(await Promise.all(reads))).toEqual(new Set([7n]))
      expect(world.loads).toEqual(['a'])
    })

    test('a loader that always throws is called once in a back-off, by all processes together', async () => {
      const world = new CacheWorld(backend.client())
      world.failure = new SourceDownError()
      const long = { backoffMs: 600_000 }
      const processes = Array.from({ length: 4 }, () => world.define(world.newCache(long)))
      const reads = processes.flatMap((items) => Array.from({ length: 25 }, () => world.price('a', items)))
      const ends = await Promise.allSettled(reads)
      expect(ends.every(({ status }) => status === 'rejected')).toBe(true)
      const later = await Promise.allSettled(processes.map((items) => world.price('a', items)))
      expect(world.loads).toEqual(['a'])
      for (const end of later) {
        const error: unknown = end.status === 'rejected' ? end.reason : undefined
        expect(error).toBeInstanceOf(CacheBackoffError)
        expect(error).toMatchObject({ loaderCode: 'SOURCE_DOWN', retryable: true })
      }
    })

    test('when the back-off is over, or the value was invalidated, it is loaded again', async () => {
      const world = new CacheWorld(backend.client())
      const clock = manualClock()
      const items = world.define(world.newCache({ clock, backoffMs: 1_000 }))
      world.failure = new SourceDownError()
      await expect(world.price('a', items)).rejects.toBeInstanceOf(SourceDownError)
      world.failure = undefined
      world.put('a', 1n)
      await items.invalidate(world.ref('a'))
      await expect(world.price('a', items)).rejects.toBeInstanceOf(CacheBackoffError)
      await clock.advance(1_000)
      expect(await world.price('a', items)).toBe(1n)
    })

    test('a load that takes too long ends by its deadline, is told so, and frees the value', async () => {
      const world = new CacheWorld(backend.client())
      const clock = manualClock()
      const items = world.define(world.newCache({ clock, loadDeadlineMs: 500, backoffMs: 0 }))
      world.holding = true
      const read = world.price('a', items)
      const settled = expect(read).rejects.toBeInstanceOf(DeadlineExceededError)
      await until(() => world.held.length === 1)
      await clock.advance(500)
      await settled
      expect(world.held[0]?.signal.aborted).toBe(true)
      world.holding = false
      world.put('a', 1n)
      expect(await world.price('a', items)).toBe(1n)
    })

    test('a process that dies while it loads keeps nobody waiting for longer than its lease', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      await world.leaseElsewhere('a', 100)
      expect(await world.price('a')).toBe(1n)
      expect(await world.raw('a')).not.toBeNull()
    })

    test('a load that hangs in another process is waited for, and then done without storing', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      await world.leaseElsewhere('a', 600_000)
      const items = world.define(world.newCache({ waitMs: 30 }))
      expect(await world.price('a', items)).toBe(1n)
      expect(await world.raw('a')).toBeNull()
      expect(world.results()).toEqual({ bypass: 1 })
    })

    test('a slow load keeps its lease as long as it runs', async () => {
      const world = new CacheWorld(backend.client())
      world.put('a', 1n)
      world.holding = true
      const read = world.price('a', world.define(world.newCache({ leaseMs: 600 })))
      await until(() => world.held.length === 1)
      await until(() => world.observer.of('redisOperation').filter(isKeep).length >= 4)
      expect(await world.lease('a')).toMatch(/^L\|/)
      world.held[0]?.release()
      expect(await read).toBe(1n)
      expect(await world.raw('a')).not.toBeNull()
    })

    test('no more loads run at once than allowed, and no more wait', async () => {
      const world = new CacheWorld(backend.client())
      world.holding = true
      const items = world.define(world.newCache({ loadsMax: 2, waitingLoadsMax: 3 }))
      const reads = Promise.allSettled('abcdefgh'.split('').map((id) => world.price(id, items)))
      await until(() => world.held.length === 2)
      await until(() => world.observer.of('redisOperation').length > 0)
      world.holding = false
      for (const held of world.held) held.release()
      const ends = await reads
      const refused = ends.filter((end) => end.status === 'rejected')
      expect(refused).toHaveLength(3)
      for (const { reason } of refused) expect(reason).toMatchObject({ code: 'OVERLOADED' })
      const found = await items.getMany(world.refs(...'abcde'.split('')))
      expect(found).toHaveLength(5)
    })
  })
}

const isLease = ({ operation }: Readonly<Record<string, unknown>>): boolean => operation === 'lease-entry'
const isKeep = ({ operation }: Readonly<Record<string, unknown>>): boolean => operation === 'keep-lease'
