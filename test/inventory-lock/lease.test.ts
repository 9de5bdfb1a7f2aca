import { type ManualClock, manualClock } from '@kerp/core/testing'
import { type Lock, LockLostError, Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { mockRedis } from '@kerp/redis/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type LockProcess, LockWorld } from './lock-world.js'

interface Held {
  readonly clock: ManualClock
  readonly process: LockProcess
  readonly lock: Lock
  readonly world: LockWorld
}

/** A lock whose holder's clock stands still, while Redis goes on. */
async function hold(options: { ttlMs: number; renew?: boolean; maxHoldMs?: number }): Promise<Held> {
  const world = new LockWorld(mockRedis())
  onTestFinished(() => world[Symbol.asyncDispose]())
  const clock = manualClock()
  const process = world.process({ clock })
  return { clock, process, world, lock: await process.locks.acquire(world.resource('A'), options) }
}

function renewalsOf({ process }: Held): number {
  return process.observer.of('redisOperation').filter(({ operation }) => operation === 'extend-locks').length
}

/** Moves the clock and lets the calls to Redis that this caused be answered. */
async function pass(held: Held, ms: number): Promise<void> {
  await held.clock.advance(ms)
  await held.world.redis.ping()
  await new Promise((resolve) => setImmediate(resolve))
}

describe('a lease', () => {
  test.each([
    [100, 47],
    [1_000, 938],
    [30_000, 28_198],
  ])(
    'of %i ms is used for %i ms: less than Redis keeps it, by drift and a margin to stop in',
    async (ttlMs, usedMs) => {
      const { lock } = await hold({ ttlMs, renew: false })
      expect(lock.remainingMs).toBe(usedMs)
    },
  )

  test('is over in time although Redis never says a word', async () => {
    const held = await hold({ ttlMs: 1_000, renew: false })
    held.process.plan.hold = new Promise(() => undefined)
    await held.clock.advance(930)
    expect(held.lock.signal.aborted).toBe(false)
    await held.clock.advance(20)
    expect(held.lock.signal.aborted).toBe(true)
    expect(held.lock.signal.reason).toBeInstanceOf(LockLostError)
  })

  test('is over in time although every renewal fails', async () => {
    const held = await hold({ ttlMs: 3_000 })
    held.process.plan.fail = new Error('Connection is closed.')
    for (let step = 0; step < 30; step += 1) await pass(held, 95)
    expect(held.lock.signal.reason).toMatchObject({ reason: 'unreachable' })
    expect(held.process.observer.of('lockLost')).toMatchObject([{ reason: 'unreachable' }])
  })

  test('is seen to be over at once after the process was blocked: no timer is needed', async () => {
    const { clock, lock } = await hold({ ttlMs: 1_000 })
    lock.assertHeld()
    // Only the clock goes on, as in a long computation: no timer has fired.
    clock.jumpWallClock(1_000)
    expect(() => lock.assertHeld()).toThrow(LockLostError)
    expect(lock.remainingMs).toBe(0)
    expect(lock.signal.aborted).toBe(true)
  })

  test('is over when the machine slept: the wall clock went on and the monotonic one did not', async () => {
    const { clock, lock } = await hold({ ttlMs: 10_000 })
    clock.jumpWallClock(9_500)
    expect(lock.remainingMs).toBe(0)
    expect(await lock.release()).toBe('expired')
  })

  test('is not made longer by a wall clock that was set back', async () => {
    const { clock, lock } = await hold({ ttlMs: 1_000, renew: false })
    clock.jumpWallClock(-3_600_000)
    await clock.advance(950)
    expect(lock.signal.aborted).toBe(true)
  })

  test('is renewed at a third of it, and lasts as long as its holder', async () => {
    const held = await hold({ ttlMs: 3_000 })
    for (let step = 0; step < 60; step += 1) {
      await pass(held, 100)
      held.lock.assertHeld()
    }
    expect(held.lock.remainingMs).toBeGreaterThan(1_500)
    expect(renewalsOf(held)).toBeGreaterThanOrEqual(6)
    expect(renewalsOf(held)).toBeLessThanOrEqual(8)
  })

  test('ends with the longest hold, whatever was renewed', async () => {
    const held = await hold({ ttlMs: 3_000, maxHoldMs: 5_000 })
    for (let step = 0; step < 49; step += 1) await pass(held, 100)
    held.lock.assertHeld()
    await pass(held, 120)
    expect(held.lock.signal.reason).toMatchObject({ reason: 'maxHold' })
  })

  test('is not renewed where that was refused', async () => {
    const held = await hold({ ttlMs: 3_000, renew: false })
    for (let step = 0; step < 20; step += 1) await pass(held, 100)
    // The one call lists it.
    expect(renewalsOf(held)).toBe(1)
    expect(held.lock.remainingMs).toBeLessThanOrEqual(1_000)
  })
})

test('many leases are renewed in few calls', async () => {
  const world = new LockWorld(mockRedis())
  onTestFinished(() => world[Symbol.asyncDispose]())
  const clock = manualClock()
  const process = world.process({ clock })
  const ids = Array.from({ length: 300 }, (_, index) => String(index))
  const locks: Lock[] = []
  for (const id of ids) {
    locks.push(await process.locks.acquire(world.resource(id), { ttlMs: 30_000 }))
    await clock.advance(7)
  }
  for (let step = 0; step < 400; step += 1) {
    await clock.advance(100)
    if (step % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  for (const lock of locks) lock.assertHeld()
  const calls = process.observer.of('redisOperation').filter(({ operation }) => operation === 'extend-locks')
  // 40 s are four renewals of each: 1,200, and a first one that lists it.
  expect(calls.length).toBeLessThan(350)
})

test('who looks at a lock later still learns that it was lost', async () => {
  const { clock, lock } = await hold({ ttlMs: 1_000, renew: false })
  await clock.advance(1_000)
  expect(lock.signal.aborted).toBe(true)
  expect(lock.signal.reason).toMatchObject({ code: 'LOCK_LOST', lock: 'item:A', fence: lock.fence })
})

test('errors of one lock name it alike, whatever its key looks like', async () => {
  const world = new LockWorld(mockRedis())
  onTestFinished(() => world[Symbol.asyncDispose]())
  const [one, other] = [world.process(), world.process()]
  const resource = world.resource('창고 1')
  const lock = await one.locks.acquire(resource)
  const busy = other.locks.acquire(resource, { waitMs: 0 })
  await expect(busy).rejects.toMatchObject({ code: 'LOCK_BUSY', lock: 'item:창고 1' })
  await lock.release()
  expect(() => lock.assertHeld()).toThrow('item:창고 1')
})

test('a default of a hold that every call would be refused for is refused at once', () => {
  const parts = { redis: mockRedis(), keys: createKeys() }
  expect(() => new Locks({ ...parts, maxHoldMs: 86_400_001 })).toThrow('Locks option `maxHoldMs` must be')
})
