/** Conformance: what locks refuse, and what they keep apart. */

import { ClosedError } from '@kerp/core'
import { Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LockWorld } from '../inventory-lock/lock-world.js'

/** Runs this part of the suite. */
export function lockRefusalsConform(backendName: string, openWorld: () => LockWorld): void {
  describe(`what locks refuse on ${backendName}`, () => {
    test.each([
      ['an empty id', { id: '' }, 'INVALID_KEY'],
      ['a company that is no tenant id', { companyId: 'a:b' }, 'INVALID_KEY'],
      ['an id of 10 kB', { id: 'x'.repeat(10_000) }, 'INVALID_KEY'],
    ])('%s', async (_, part, code) => {
      const world = openWorld()
      const { locks } = world.process()
      await expect(locks.acquire({ ...world.resource('A'), ...part })).rejects.toMatchObject({
        code,
        retryable: false,
      })
    })

    test.each([
      ['a lease of nothing', { ttlMs: 0 }],
      ['a lease that is no whole number', { ttlMs: 1_000.5 }],
      ['a lease without end', { ttlMs: Number.POSITIVE_INFINITY }],
      ['a wait that is not a number', { waitMs: Number.NaN }],
      ['a negative hold', { maxHoldMs: -1 }],
      ['a fence that is none', { fenceAbove: '1e3' }],
    ])('%s', async (_, options) => {
      const world = openWorld()
      const { locks } = world.process()
      await expect(locks.acquire(world.resource('A'), options)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
      expect(await world.redis.exists(world.key('A'))).toBe(0)
    })

    test('ids with colons, braces, stars, NUL and Hangul are locks of their own, and keep to their company', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const ids = ['a:b', 'a', '{x}', '*', 'nul\0', '연필', 'a b', 'queue']
      for (const id of ids) expect(await locks.tryAcquire(world.resource(id))).not.toBeNull()
      expect(locks.running().map(({ resource }) => resource.id)).toEqual(ids)
      for (const { resource } of locks.running())
        expect(world.keys.lock(resource)).toContain(`{${world.companyId}}`)
    })

    test('calls after the end', async () => {
      const world = openWorld()
      const [one, other] = [world.process(), world.process()]
      await one.locks.acquire(world.resource('A'))
      const waiting = other.locks.acquire(world.resource('A'))
      const outcome = expect(waiting).rejects.toThrow(ClosedError)
      await other.locks.close()
      await outcome
      await expect(other.locks.acquire(world.resource('B'))).rejects.toThrow(ClosedError)
    })

    test('nothing between two namespaces', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const elsewhere = new Locks({ redis: world.redis, keys: createKeys({ namespace: 'test' }) })
      onTestFinished(() => elsewhere.close())
      await locks.acquire(world.resource('A'))
      const lock = await elsewhere.tryAcquire(world.resource('A'))
      expect(await world.redis.exists(`test:${world.key('A')}`)).toBe(1)
      await lock?.release()
    })
  })
}
