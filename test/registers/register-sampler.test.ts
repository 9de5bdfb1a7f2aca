/** The self-audit of what is cached. */

import { mockRedis } from '@kerp/redis/testing'
import { RegisterSampler } from '@kerp/registers'
import { expect, test } from 'vitest'
import { LocalWorld, seen } from './local-world.js'

test('a sample of rows in order finds nothing, while they change', async () => {
  await using world = new LocalWorld(mockRedis())
  world.commit({ a: [5n, 0n], b: [6n, 0n] })
  await using process = world.process()
  await world.warm(process, 'a')
  await world.warm(process, 'b')
  const { registers } = process
  const sampler = new RegisterSampler({ registers, source: world.database, observer: world.observer })
  world.commit({ a: [1n, 0n] })
  expect(await sampler.sample()).toEqual({ rows: 2, drifted: 0 })
  expect(world.observer.of('balanceDrift')).toEqual([])
})

test('a cached value that was never a state of its row is counted, voided and loaded anew', async () => {
  await using world = new LocalWorld(mockRedis())
  world.commit({ a: [5n, 0n] })
  await using process = world.process()
  await world.warm(process, 'a')
  world.database.tamper({ ref: world.ref('a'), version: 1, fields: ['4', '0'] })
  const { registers } = process
  const { database: source, observer, clock } = world
  await using sampler = new RegisterSampler({ registers, source, invalidations: source, observer, clock })
  sampler.start()
  await clock.advance(900)
  await world.beat()
  await clock.advance(4_000)
  await world.settle()
  expect(observer.of('balanceDrift').length).toBeGreaterThan(0)
  expect(process.peek('a')).toBeUndefined()
  expect(seen(await process.get('a'))).toEqual(['database', 1, '4', '0'])
})
