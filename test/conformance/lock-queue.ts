/** Conformance: who waits for a lock, and in which order the lock is handed on. */

import { LockBusyError, type Lock } from '@kerp/inventory-lock'
import { describe, expect, test } from 'vitest'
import { listens, type LockProcess, type LockWorld } from '../inventory-lock/lock-world.js'

/** Settles when the process stands in the queue of Redis. */
async function queued(world: LockWorld, id: string, count: number): Promise<void> {
  await expect.poll(() => world.redis.zcard(`${world.key(id)}:queue`), { timeout: 20_000 }).toBe(count)
}

/** The owner that stands first in the queue, once its process listens for messages. */
async function listener(world: LockWorld, id: string): Promise<string> {
  await queued(world, id, 1)
  await listens(world)
  const [owner = ''] = await world.redis.zrange(`${world.key(id)}:queue`, 0, 0)
  return owner
}

/** How many scripts and commands a process has sent. */
function callsOf({ observer }: LockProcess): number {
  return observer.of('redisOperation').length
}

/** Runs the suite. */
export function lockQueueConforms(name: string, openWorld: () => LockWorld): void {
  describe(`waiting for a lock on ${name}`, () => {
    test('processes are served in the order in which they came', async () => {
      const world = openWorld()
      const holder = await world.process().locks.acquire(world.resource('A'))
      const served: number[] = []
      const waiting: Promise<unknown>[] = []
      for (let place = 0; place < 4; place += 1) {
        const { locks } = world.process()
        const section = (): void => void served.push(place)
        waiting.push(locks.withLock(world.resource('A'), { waitMs: 20_000 }, section))
        await queued(world, 'A', place + 1)
      }
      await holder.release()
      await Promise.all(waiting)
      expect(served).toEqual([0, 1, 2, 3])
    })

    test('a process that comes while others wait does not pass them', async () => {
      const world = openWorld()
      const [one, other, late] = [world.process(), world.process(), world.process()]
      const holder = await one.locks.acquire(world.resource('A'))
      const waiting = other.locks.acquire(world.resource('A'))
      await queued(world, 'A', 1)
      await holder.release()
      expect(await late.locks.tryAcquire(world.resource('A'))).toBeNull()
      expect((await waiting).remainingMs).toBeGreaterThan(0)
    })

    test('callers of one process follow each other with a fence each, and Redis is asked once for many', async () => {
      const world = openWorld()
      const process = world.process()
      const first = await process.locks.acquire(world.resource('A'))
      const before = callsOf(process)
      const fences: string[] = []
      const waiting = Array.from({ length: 32 }, () =>
        process.locks.withLock(
          world.resource('A'),
          { waitMs: 20_000 },
          (lock) => void fences.push(lock.fence),
        ),
      )
      await first.release()
      await Promise.all(waiting)
      const numbers = fences.map(BigInt)
      expect(numbers).toEqual([...numbers].sort((a, b) => (a < b ? -1 : 1)))
      expect(new Set(fences).size).toBe(32)
      expect(callsOf(process) - before).toBeLessThanOrEqual(8)
    })

    test('a busy process lets another one in between its own callers', async () => {
      const world = openWorld()
      const [busy, other] = [world.process(), world.process()]
      const holder = await busy.locks.acquire(world.resource('A'))
      const order: string[] = []
      const sectionOf = (who: string) => (): void => void order.push(who)
      const many = Array.from({ length: 60 }, () =>
        busy.locks.withLock(world.resource('A'), { waitMs: 20_000 }, sectionOf('busy')),
      )
      const one = other.locks.withLock(world.resource('A'), { waitMs: 20_000 }, sectionOf('other'))
      await queued(world, 'A', 1)
      await holder.release()
      await Promise.all([...many, one])
      expect(order.indexOf('other')).toBeLessThanOrEqual(17)
    })

    test('a caller that has waited long enough is told so, and the lock is not kept for it', async () => {
      const world = openWorld()
      const [one, other] = [world.process(), world.process()]
      const holder = await one.locks.acquire(world.resource('A'))
      const late = other.locks.acquire(world.resource('A'), { waitMs: 60 })
      await expect(late).rejects.toThrow(LockBusyError)
      await expect(late).rejects.toMatchObject({
        code: 'LOCK_BUSY',
        retryable: true,
        lock: 'item:A',
        waitMs: 60,
      })
      await queued(world, 'A', 0)
      await holder.release()
      expect(await world.redis.exists(world.key('A'))).toBe(0)
    })

    test('a caller whose signal aborts leaves the line with its reason; the others keep their places', async () => {
      const world = openWorld()
      const [one, other] = [world.process(), world.process()]
      const holder = await one.locks.acquire(world.resource('A'))
      const controller = new AbortController()
      const given = other.locks.acquire(world.resource('A'), { signal: controller.signal })
      const stays = other.locks.acquire(world.resource('A'), { waitMs: 20_000 })
      await queued(world, 'A', 1)
      const reason = new Error('the user went home')
      controller.abort(reason)
      await expect(given).rejects.toBe(reason)
      await holder.release()
      expect(await (await stays).release()).toBe('released')
      const aborted = AbortSignal.abort(reason)
      await expect(other.locks.acquire(world.resource('A'), { signal: aborted })).rejects.toBe(reason)
    })

    test('a hand-over that arrives for a caller who has left is passed on', async () => {
      const world = openWorld()
      const [one, other, third] = [world.process(), world.process(), world.process()]
      const holder = await one.locks.acquire(world.resource('A'))
      const leaving = new AbortController()
      const gone = other.locks.acquire(world.resource('A'), { waitMs: 20_000, signal: leaving.signal })
      await queued(world, 'A', 1)
      // The caller leaves, but Redis does not hear of it.
      other.plan.hold = new Promise(() => undefined)
      leaving.abort(new Error('no time'))
      await expect(gone).rejects.toThrow('no time')
      const next = third.locks.acquire(world.resource('A'), { waitMs: 20_000 })
      await queued(world, 'A', 2)
      other.plan.hold = undefined
      await holder.release()
      expect(await (await next).release()).toBe('released')
    })

    test('a message that is lost costs a second look, not the turn', async () => {
      const world = openWorld()
      const [one, deaf] = [world.process(), world.deafProcess()]
      const lock = await one.locks.acquire(world.resource('A'))
      const waiting = deaf.locks.acquire(world.resource('A'), { waitMs: 20_000 })
      await listener(world, 'A')
      await lock.release()
      const late = await waiting
      expect(await world.redis.get(world.key('A'))).toMatch(new RegExp(`\\|${late.fence}$`))
      expect(await late.release()).toBe('released')
    })

    test('a message of a turn that has passed is not taken for a new one', async () => {
      const world = openWorld()
      const [one, other] = [world.process(), world.process()]
      const holder = await one.locks.acquire(world.resource('A'), { ttlMs: 60_000 })
      let isServed = false
      const waiting = other.locks
        .acquire(world.resource('A'), { waitMs: 20_000 })
        .finally(() => (isServed = true))
      const owner = await listener(world, 'A')
      // As if it had been under way while the lease that it speaks of ended, and others came and went.
      const late = `${world.key('A')}|${owner}|${holder.fenceNumber - 1}`
      const heard = await world.redis.publish(`lock-wake:${owner.split(':')[0] ?? ''}`, late)
      // A cluster counts the listeners of the node that was asked.
      if (!world.redis.isCluster) expect(heard).toBe(1)
      await queued(world, 'A', 1)
      await new Promise((resolve) => setImmediate(resolve))
      expect(isServed).toBe(false)
      expect(await holder.release()).toBe('released')
      expect((await waiting).fenceNumber).toBeGreaterThan(holder.fenceNumber)
    })

    test('two owners never hold one lock, whoever comes and goes', async () => {
      const world = openWorld()
      const processes = Array.from({ length: 4 }, () => world.process())
      const holders = new Set<Lock>()
      let sections = 0
      const work = processes.flatMap(({ locks }) =>
        Array.from({ length: 5 }, async () => {
          for (let round = 0; round < 8; round += 1) {
            await locks.withLock(world.resource('A'), { waitMs: 60_000 }, async (lock) => {
              expect(holders.size).toBe(0)
              holders.add(lock)
              await new Promise((resolve) => setImmediate(resolve))
              sections += 1
              holders.delete(lock)
            })
          }
        }),
      )
      await Promise.all(work)
      expect(sections).toBe(160)
      expect(await world.redis.exists(world.key('A'))).toBe(0)
    })
  })
}
