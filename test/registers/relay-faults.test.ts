/** The relay when Redis fails under its hands: rows are read again rather than missed. */

import type { RegisterRef } from '@kerp/core'
import type { RedisClient } from '@kerp/redis'
import { mockRedis } from '@kerp/redis/testing'
import { expect, test } from 'vitest'
import { stateOf, until, World } from './world.js'

/** Lets calls of scripts whose keys contain `key` fail, before or after they were done, as `plan` says. */
function failing(
  redis: RedisClient,
  key: () => string,
  plan: { before: number; after: number },
): RedisClient {
  return new Proxy(redis, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args)
      return async (...args: unknown[]) => {
        const words = args.flat()
        const concerned = words.includes(key()) && words.some((word) => word === 'evalsha' || word === 'eval')
        if (concerned && plan.before > 0) {
          plan.before -= 1
          throw new RangeError('the connection is down')
        }
        const reply = await call(...args)
        if (concerned && plan.after > 0) {
          plan.after -= 1
          throw new RangeError('the answer was lost')
        }
        return reply
      }
    },
  })
}

/** Fails every call while `isDown` says so. */
function interruptible(redis: RedisClient, isDown: () => boolean): RedisClient {
  return new Proxy(redis, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (isDown()) return Promise.reject(new RangeError('the connection is down'))
        return Reflect.apply(value, target, args)
      }
    },
  })
}

for (const when of ['before', 'after'] as const) {
  test(`a relay whose call is lost ${when} it was done brings the rows again, and only that company waits`, async () => {
    const redis = mockRedis()
    const world = new World(redis)
    const plan = { before: 0, after: 0 }
    const relay = world.newRelay({
      redis: failing(redis, () => world.keys.watermark(world.companyId), plan),
    })
    const other = `${world.companyId}-other`
    world.commit({ a: [5n, 0n] })
    world.database.commit(other, { a: [1n, 0n] })
    await relay.tick()
    await world.get('a')
    world.commit({ a: [2n, 0n] })
    world.database.commit(other, { a: [1n, 0n] })
    plan[when] = 1
    expect(await relay.tick()).toMatchObject({ ok: false, behind: 1 })
    expect(await redis.get(world.keys.watermark(other))).toContain('|s4|')
    expect(await relay.tick()).toMatchObject({ ok: true, behind: 0 })
    expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '0'])
    expect(world.renewals()).toEqual(['absent', 'absent'])
  })
}

test('a relay that reaches no Redis leaves most companies untried, and misses nothing of them', async () => {
  const redis = mockRedis()
  const world = new World(redis)
  let down = false
  const relay = world.newRelay({
    concurrency: 2,
    redis: interruptible(redis, () => down),
  })
  const companies = Array.from({ length: 30 }, (_, index) => `${world.companyId}-${index}`)
  for (const company of companies) world.database.commit(company, { a: [1n, 0n] })
  await relay.tick()
  for (const company of companies) world.database.commit(company, { a: [1n, 0n] })
  down = true
  const report = await relay.tick()
  expect(report.ok).toBe(false)
  expect(report.companies).toBeLessThan(12)
  down = false
  expect(await relay.tick()).toMatchObject({ ok: true, behind: 0 })
  for (const company of companies) {
    expect(await redis.get(world.keys.watermark(company))).toContain('|s60|')
  }
})

test('companies that were left untried at the first page of a backlog get all of their rows later', async () => {
  const redis = mockRedis()
  const world = new World(redis)
  let down = false
  const relay = world.newRelay({
    concurrency: 2,
    pageRows: 30,
    redis: interruptible(redis, () => down),
  })
  const companies = Array.from({ length: 30 }, (_, index) => `${world.companyId}-${index}`)
  const refOf = (companyId: string): RegisterRef => ({ ...world.ref('a'), companyId })
  for (const company of companies) world.database.commit(company, { a: [1n, 0n] })
  await relay.tick()
  for (const company of companies) await world.registers.getMany(company, [refOf(company)])
  for (const company of companies) world.database.commit(company, { a: [1n, 0n] })
  for (const company of companies) world.database.commit(company, { b: [1n, 0n] })
  down = true
  world.database.beforePage = () => (down = false)
  await relay.tick()
  down = false
  expect(await relay.tick()).toMatchObject({ ok: true, behind: 0 })
  for (const company of companies) {
    expect(await redis.get(world.keys.register(refOf(company)))).toMatch(/\|2\|0$/)
  }
})

test('a company whose rows always fail does not hold up the others', async () => {
  const redis = mockRedis()
  const world = new World(redis)
  const plan = { before: 1_000, after: 0 }
  const relay = world.newRelay({
    redis: failing(redis, () => world.keys.watermark(world.companyId), plan),
  })
  const other = `${world.companyId}-other`
  world.commit({ a: [5n, 0n] })
  for (let round = 0; round < 20; round += 1) {
    world.database.commit(other, { a: [1n, 0n] })
    await relay.tick()
  }
  expect(await redis.get(world.keys.watermark(other))).toContain('|s21|')
})

test('a relay that is closed has ended its work, also the pass that was still to begin', async () => {
  const world = new World(mockRedis())
  const { database } = world
  const calls: string[] = []
  const relay = world.newRelay({
    outbox: {
      tick: async (query) => {
        calls.push('begun')
        await new Promise((resolve) => setImmediate(resolve))
        calls.push('ended')
        return database.tick(query)
      },
      page: (query) => database.page(query),
      companies: () => database.companies(),
      covers: (later, earlier) => database.covers(later, earlier),
      onWake: (wake) => database.onWake(wake),
    },
  })
  const passes = [relay.tick()]
  await until(() => calls.length > 0)
  passes.push(relay.tick())
  await relay.close()
  const before = [...calls]
  await Promise.all(passes)
  expect(calls).toEqual(before)
})
