/** Conformance: locks, on the double and on a real server. */

import { FencedError } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { type Lock, LockBusyError, LockLostError, type LockResource } from '@kerp/inventory-lock'
import { describe, expect, onTestFinished, test } from 'vitest'
import { abortOf, LockWorld } from '../inventory-lock/lock-world.js'
import type { Backend } from './backend.js'
import { lockQueueConforms } from './lock-queue.js'
import { lockRefusalsConform } from './lock-refusals.js'

/** The shortest lease: what has to end does so soon. */
const SHORT = { ttlMs: 150, renew: false }

function isIncreasing(fences: readonly string[]): boolean {
  return fences.every((fence, index) => index === 0 || BigInt(fence) > BigInt(fences[index - 1] ?? '0'))
}

/** Runs the suite against one kind of Redis. */
export function locksConform(backend: Backend): void {
  function openWorld(): LockWorld {
    const world = new LockWorld(backend.client())
    onTestFinished(() => world[Symbol.asyncDispose]())
    return world
  }

  describe(`a lock on ${backend.name}`, () => {
    test('is granted with a fence, held by one, and gone when it is given back', async () => {
      const world = openWorld()
      const { locks } = world.process({ holder: 'worker-1' })
      const lock = await locks.acquire(world.resource('A'), { ttlMs: 60_000 })
      expect(lock.fence).toMatch(/^\d{16}$/)
      expect(lock.fenceNumber).toBe(Number(lock.fence))
      expect(lock.holder).toMatch(/^worker-1\.[0-9a-f]{16}$/)
      expect(lock.remainingMs).toBeGreaterThan(30_000)
      expect(lock.remainingMs).toBeLessThan(57_000)
      expect(lock.signal.aborted).toBe(false)
      lock.assertHeld()
      expect(await world.redis.get(world.key('A'))).toMatch(new RegExp(`^worker-1\\..*\\|${lock.fence}$`))
      const restMs = await world.redis.pttl(world.key('A'))
      expect(restMs).toBeGreaterThan(lock.remainingMs)
      expect(restMs).toBeLessThanOrEqual(60_000)
      expect(await lock.release()).toBe('released')
      expect(await world.redis.exists(world.key('A'))).toBe(0)
      expect(() => lock.assertHeld()).toThrow(LockLostError)
    })

    test('is not given to a second caller, of this process or of another', async () => {
      const world = openWorld()
      const [one, other] = [world.process(), world.process()]
      const lock = await one.locks.acquire(world.resource('A'))
      expect(await one.locks.tryAcquire(world.resource('A'))).toBeNull()
      expect(await other.locks.tryAcquire(world.resource('A'))).toBeNull()
      expect(await other.locks.tryAcquire(world.resource('B'))).not.toBeNull()
      await lock.release()
      expect(await other.locks.tryAcquire(world.resource('A'))).not.toBeNull()
    })

    test('has a higher fence at each grant, also when Redis has forgotten the last one', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const fences: string[] = []
      for (let round = 0; round < 6; round += 1) {
        const lock = await locks.acquire(world.resource(round % 2 === 0 ? 'A' : 'B'))
        fences.push(lock.fence)
        await lock.release()
        if (round === 2) await world.redis.del(`lock:{${world.companyId}}:fence`)
      }
      expect(isIncreasing(fences)).toBe(true)
    })

    test('does not give out a lower fence when the clock of Redis is behind the last one', async () => {
      const world = openWorld()
      const { locks } = world.process()
      await world.redis.set(`lock:{${world.companyId}}:fence`, '8000000000000000')
      const first = await locks.acquire(world.resource('A'))
      await first.release()
      const second = await locks.acquire(world.resource('A'))
      expect([first.fence, second.fence]).toEqual(['8000000000000001', '8000000000000002'])
    })

    test('is granted once when the question reaches Redis twice', async () => {
      const world = openWorld()
      const { locks, plan } = world.process()
      plan.duplicate = true
      const lock = await locks.acquire(world.resource('A'), { ttlMs: 30_000 })
      expect(await world.redis.get(world.key('A'))).toMatch(new RegExp(`\\|${lock.fence}$`))
      plan.duplicate = false
      expect(await lock.release()).toBe('released')
    })

    test('that nobody gives back is free for the next caller when its lease has ended', async () => {
      const world = openWorld()
      const [one, other] = [world.process(), world.process()]
      const first = await one.locks.acquire(world.resource('A'), SHORT)
      const second = await other.locks.acquire(world.resource('A'), { waitMs: 20_000 })
      expect(isIncreasing([first.fence, second.fence])).toBe(true)
      expect(first.remainingMs).toBe(0)
      expect(await first.release()).toBe('expired')
      second.assertHeld()
      expect(await world.redis.get(world.key('A'))).toMatch(new RegExp(`\\|${second.fence}$`))
    })

    test('aborts its signal before the lease has ended', async () => {
      const world = openWorld()
      const clock = manualClock()
      const { locks } = world.process({ clock })
      const lock = await locks.acquire(world.resource('A'), { ttlMs: 60_000, renew: false })
      // The holder's clock goes to the end of what it may use; the server's has hardly moved.
      await clock.advance(56_500)
      const reason = await abortOf(lock.signal)
      expect(await world.redis.pttl(world.key('A'))).toBeGreaterThan(0)
      expect(reason).toMatchObject({ code: 'LOCK_LOST', reason: 'expired', fence: lock.fence })
      expect(() => lock.assertHeld()).toThrow(LockLostError)
      expect(await lock.extend()).toBe('lost')
    })

    test('is renewed while it is held, and not longer than it may be held', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const lock = await locks.acquire(world.resource('A'), { ttlMs: 10_000, maxHoldMs: 700 })
      const reason = await abortOf(lock.signal)
      expect(reason).toMatchObject({ reason: 'maxHold' })
      expect(await lock.release()).toBe('expired')
      expect(await (await locks.acquire(world.resource('A'))).release()).toBe('released')
    })

    test('that was deleted or taken from outside is lost, and giving it back does no harm', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const deleted = await locks.acquire(world.resource('A'), { ttlMs: 30_000 })
      await world.redis.del(world.key('A'))
      expect(await deleted.extend()).toBe('lost')
      expect(deleted.signal.aborted).toBe(true)
      expect(await deleted.release()).toBe('lost')
      const stolen = await locks.acquire(world.resource('B'), { ttlMs: 30_000 })
      await world.redis.set(world.key('B'), 'somebody|1', 'PX', 30_000)
      expect(await stolen.extend(300_000)).toBe('lost')
      expect(await world.redis.pttl(world.key('B'))).toBeLessThanOrEqual(30_000)
      expect(await stolen.release()).toBe('lost')
      expect(await world.redis.get(world.key('B'))).toBe('somebody|1')
    })

    test('that its owner was granted anew, with a higher fence, is lost to the first grant', async () => {
      const world = openWorld()
      const lock = await world.process().locks.acquire(world.resource('A'), { ttlMs: 30_000, renew: false })
      const [owner = ''] = (await world.redis.get(world.key('A')))?.split('|') ?? []
      await world.redis.set(world.key('A'), `${owner}|${BigInt(lock.fence) + 1n}`, 'PX', 30_000)
      expect(await lock.extend()).toBe('lost')
    })

    test('begins its lease anew when it is extended', async () => {
      const world = openWorld()
      const lock = await world.process().locks.acquire(world.resource('A'), { ttlMs: 10_000 })
      expect(await lock.extend(60_000)).toBe('extended')
      expect(lock.remainingMs).toBeGreaterThan(20_000)
      expect(await world.redis.pttl(world.key('A'))).toBeGreaterThan(lock.remainingMs)
    })

    test('is given back at the end of its scope', async () => {
      const world = openWorld()
      const { locks } = world.process()
      {
        await using lock = await locks.acquire(world.resource('A'))
        lock.assertHeld()
      }
      expect(await world.redis.exists(world.key('A'))).toBe(0)
    })

    test('shows in the list of its company with holder, fence and rest, also to other processes', async () => {
      const world = openWorld()
      const [one, other] = [world.process({ holder: 'one' }), world.process({ holder: 'other' })]
      const lock = await one.locks.acquire(world.resource('A'), { ttlMs: 30_000 })
      await expect.poll(() => other.locks.list(world.companyId), { timeout: 20_000 }).toHaveLength(1)
      const [view] = await other.locks.list(world.companyId)
      expect(view).toMatchObject({ resource: world.resource('A'), fence: lock.fence, holder: lock.holder })
      expect(view?.remainingMs).toBeGreaterThan(5_000)
      expect(one.locks.running()).toMatchObject([{ resource: world.resource('A'), fence: lock.fence }])
      await lock.release()
      expect(await other.locks.list(world.companyId)).toEqual([])
    })

    test.each([
      ['is not renewed', { ttlMs: 30_000, renew: false }],
      ['is held for less than its lease', { ttlMs: 30_000, maxHoldMs: 20_000 }],
    ])(
      'that %s shows in the list of other processes, and its lease is left as it was',
      async (_, options) => {
        const world = openWorld()
        const [one, other] = [world.process({ holder: 'one' }), world.process()]
        const lock = await one.locks.acquire(world.resource('A'), options)
        const restMs = await world.redis.pttl(world.key('A'))
        await expect.poll(() => other.locks.list(world.companyId), { timeout: 20_000 }).toHaveLength(1)
        const [view] = await other.locks.list(world.companyId)
        expect(view).toMatchObject({ resource: world.resource('A'), fence: lock.fence, holder: lock.holder })
        expect(await world.redis.pttl(world.key('A'))).toBeLessThanOrEqual(restMs)
        expect(view?.remainingMs).toBeLessThanOrEqual(restMs)
        expect(await lock.release()).toBe('released')
        expect(await other.locks.list(world.companyId)).toEqual([])
      },
    )
  })

  describe(`a section under a lock on ${backend.name}`, () => {
    test('returns its result and gives the lock back', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const result = await locks.withLock(
        world.resource('A'),
        {},
        (lock) => `done under ${lock.fence.length} digits`,
      )
      expect(result).toBe('done under 16 digits')
      expect(await world.redis.exists(world.key('A'))).toBe(0)
    })

    test('throws its own error, also when the lock is lost', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const failure = new Error('out of paper')
      await expect(locks.withLock(world.resource('A'), {}, () => Promise.reject(failure))).rejects.toBe(
        failure,
      )
      expect(await world.redis.exists(world.key('A'))).toBe(0)
      const section = async (lock: Lock): Promise<never> => {
        await abortOf(lock.signal)
        throw failure
      }
      await expect(locks.withLock(world.resource('A'), SHORT, section)).rejects.toBe(failure)
    })

    test('never succeeds when the lock was lost, even if it returned', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const late = locks.withLock(world.resource('A'), SHORT, async (lock) => {
        await abortOf(lock.signal)
        return 'too late'
      })
      await expect(late).rejects.toMatchObject({ code: 'LOCK_LOST', reason: 'expired' })
      const robbed = locks.withLock(world.resource('A'), {}, async () => {
        await world.redis.set(world.key('A'), 'somebody|1')
        return 'robbed'
      })
      await expect(robbed).rejects.toMatchObject({ code: 'LOCK_LOST', reason: 'taken' })
    })

    test('that met a higher fence in a row lifts the fences above it for whoever comes next', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const rowFence = '8000000000000000'
      const refused = locks.withLock(world.resource('A'), {}, (lock) => {
        throw new FencedError('stock A', lock.fence, rowFence)
      })
      await expect(refused).rejects.toMatchObject({ code: 'FENCED', rowFence })
      const next = await locks.acquire(world.resource('A'))
      expect(BigInt(next.fence)).toBeGreaterThan(BigInt(rowFence))
    })

    test('can take a fence above the one of a row, while it holds the lock', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const lock = await locks.acquire(world.resource('A'))
      expect(await lock.raiseFence('8000000000000000')).toBe('8000000000000001')
      expect(lock.fence).toBe('8000000000000001')
      expect(await lock.extend()).toBe('extended')
      expect(await lock.release()).toBe('released')
      const above = await locks.acquire(world.resource('A'), { fenceAbove: '8100000000000000' })
      expect(above.fence).toBe('8100000000000001')
      await above.release()
      await locks.raiseFence(world.resource('A'), '8200000000000000')
      expect((await locks.acquire(world.resource('A'))).fence).toBe('8200000000000001')
    })

    test('joins the lock of its caller only where it is asked to', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const outer = await locks.acquire(world.resource('A'))
      await expect(locks.acquire(world.resource('A'), { waitMs: 50 })).rejects.toThrow(LockBusyError)
      const inner = await locks.acquire(world.resource('A'), { within: outer })
      expect(inner.fence).toBe(outer.fence)
      expect(await outer.release()).toBe('released')
      expect(await world.redis.exists(world.key('A'))).toBe(1)
      inner.assertHeld()
      expect(() => outer.assertHeld()).toThrow(LockLostError)
      expect(await inner.release()).toBe('released')
      expect(await world.redis.exists(world.key('A'))).toBe(0)
      await expect(locks.acquire(world.resource('A'), { within: outer })).rejects.toThrow(LockLostError)
    })
  })

  describe(`several locks on ${backend.name}`, () => {
    const idsOf = (locks: readonly { readonly resource: LockResource }[]): readonly string[] =>
      locks.map(({ resource }) => resource.id)

    test('are taken once each, in one order, and given back together', async () => {
      const world = openWorld()
      const { locks } = world.process()
      const group = await locks.acquireAll(['C', 'A', 'B', 'A'].map((id) => world.resource(id)))
      expect(idsOf(group.locks)).toEqual(['A', 'B', 'C'])
      expect(group.of(world.resource('B')).fence).toBe(group.locks[1]?.fence)
      group.assertHeld()
      expect(await group.release()).toBe('released')
      expect(await world.redis.exists(world.key('A'), world.key('B'), world.key('C'))).toBe(0)
    })

    test('never wait for each other, in whatever order they are named', async () => {
      const world = openWorld()
      const processes = [world.process(), world.process()]
      const names = [
        ['A', 'B', 'C'],
        ['C', 'B', 'A'],
      ]
      let inside = 0
      const section = async (): Promise<void> => {
        inside += 1
        expect(inside).toBe(1)
        await Promise.resolve()
        inside -= 1
      }
      const work = processes.flatMap(({ locks }, index) =>
        Array.from({ length: 10 }, () =>
          locks.withLocks(
            (names[index] ?? []).map((id) => world.resource(id)),
            { waitMs: 20_000 },
            section,
          ),
        ),
      )
      await Promise.all(work)
      expect(inside).toBe(0)
    })

    test('are all given back when one of them cannot be had', async () => {
      const world = openWorld()
      const [one, other] = [world.process(), world.process()]
      await other.locks.acquire(world.resource('B'))
      const all = one.locks.acquireAll([world.resource('A'), world.resource('B')], { waitMs: 50 })
      await expect(all).rejects.toMatchObject({ code: 'LOCK_BUSY' })
      expect(await other.locks.tryAcquire(world.resource('A'))).not.toBeNull()
    })
  })

  lockRefusalsConform(backend.name, openWorld)
  lockQueueConforms(backend.name, openWorld)
}
