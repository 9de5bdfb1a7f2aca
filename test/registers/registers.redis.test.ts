/** The registers' conformance suite on a real server, and what only a real server does. */

import { Redis } from 'ioredis'
import { afterAll, expect, inject, test } from 'vitest'
import { registersConformance } from '../conformance/registers.js'
import { stateOf, World } from './world.js'

const redis = new Redis({ path: inject('redisSocket') })
afterAll(() => redis.quit())

registersConformance(() => redis)

test('a key of another type under a register counts as missing, and is replaced', async () => {
  const world = await World.relayed(redis)
  await redis.rpush(world.keys.register(world.ref('a')), 'not a string')
  await world.registers.apply(world.commit({ a: [2n, 0n] }))
  expect(await world.relay.tick()).toMatchObject({ ok: true })
  expect(stateOf(await world.get('a'))).toEqual(['database', 2, '7', '0'])
  expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '0'])
})

test('a key of another type under a watermark is replaced by the relay', async () => {
  const world = new World(redis)
  world.commit({ a: [5n, 0n] })
  await redis.rpush(world.keys.watermark(world.companyId), 'not a string')
  expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
  expect(await world.relay.tick()).toMatchObject({ ok: true })
  expect(await world.watermark()).toMatchObject({ position: 's1' })
})

test('registers expire within a tenth of their time to live, the watermark never', async () => {
  const world = await World.cached(redis)
  const ttlMs = await redis.pttl(world.keys.register(world.ref('a')))
  expect(ttlMs).toBeGreaterThan(0.89 * 300_000)
  expect(ttlMs).toBeLessThanOrEqual(1.1 * 300_000)
  expect(await redis.pttl(world.keys.watermark(world.companyId))).toBe(-1)
})
