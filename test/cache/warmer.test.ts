/** Filling caches ahead of their readers. */

import { pagedSource, Warmer, type WarmSource } from '@kerp/cache'
import { recordingObserver } from '@kerp/core/testing'
import { mockRedis } from '@kerp/redis/testing'
import { expect, test } from 'vitest'
import { CacheWorld } from './cache-world.js'

const IDS = Array.from({ length: 10 }, (_, index) => `i${index}`)

/** Pages of three items, each page counted. */
function itemSource(world: CacheWorld, onPage: (page: number) => void = () => undefined): WarmSource {
  let page = 0
  return pagedSource({
    name: 'items',
    *pages(companyId, after) {
      const from = after === undefined ? 0 : IDS.indexOf(after) + 1
      for (let at = from; at < IDS.length; at += 3) {
        page += 1
        onPage(page)
        const ids = IDS.slice(at, at + 3)
        yield { refs: ids.map((id) => ({ companyId, id })), after: ids.at(-1) ?? '' }
      }
    },
    fill: (refs) => world.items.fill(refs),
  })
}

function openWorld() {
  const redis = mockRedis()
  const world = new CacheWorld(redis)
  for (const id of IDS) world.put(id, 1n)
  return { redis, world }
}

test('every value of every company is cached afterwards, and what was cached is left alone', async () => {
  const { redis, world } = openWorld()
  const other = new CacheWorld(redis)
  await world.price('i4')
  const ttlMs = await redis.pttl(world.keyOf('i4'))
  await redis.pexpire(world.keyOf('i4'), ttlMs - 60_000)
  const seen: unknown[] = []
  const report = await new Warmer({ redis, sources: [itemSource(world)] }).warm(
    [world.companyId, other.companyId],
    {
      onProgress: ({ rows, state }) => seen.push([rows, state]),
    },
  )
  expect(report.done).toBe(true)
  expect(report.sources).toMatchObject([
    { companyId: world.companyId, source: 'items', rows: 10, loaded: 9, after: 'i9', state: 'done' },
    { companyId: other.companyId, rows: 10, loaded: 10, state: 'done' },
  ])
  expect(seen).toContainEqual([3, 'running'])
  expect(await redis.pttl(world.keyOf('i4'))).toBeLessThanOrEqual(ttlMs - 60_000)
  const before = world.loads.length
  await world.items.getMany(world.refs(...IDS))
  expect(world.loads).toHaveLength(before)
})

test('warming does not count as reading', async () => {
  const { redis, world } = openWorld()
  await new Warmer({ redis, sources: [itemSource(world)] }).warm([world.companyId])
  expect(world.results()).toEqual({})
})

test('it ends between two pages when it is aborted, and goes on from there', async () => {
  const { redis, world } = openWorld()
  const stop = new AbortController()
  const source = itemSource(world, (page) => {
    if (page === 2) stop.abort()
  })
  const warmer = new Warmer({ redis, sources: [source] })
  const first = await warmer.warm([world.companyId], { signal: stop.signal })
  expect(first).toMatchObject({
    done: false,
    sources: [{ rows: 3, loaded: 3, after: 'i2', state: 'aborted' }],
  })
  const second = await warmer.warm([world.companyId], { resume: first })
  expect(second).toMatchObject({
    done: true,
    sources: [{ rows: 10, loaded: 10, after: 'i9', state: 'done' }],
  })
  const third = await warmer.warm([world.companyId], { resume: second })
  expect(third.done).toBe(true)
  expect(world.loads).toHaveLength(10)
})

test('a source that fails stops no other, and is told with its error', async () => {
  const { redis, world } = openWorld()
  const observer = recordingObserver()
  const broken: WarmSource = { name: 'broken', warm: () => Promise.reject(new RangeError('no such table')) }
  const report = await new Warmer({ redis, observer, sources: [broken, itemSource(world)] }).warm([
    world.companyId,
  ])
  expect(report).toMatchObject({ done: false, sources: [{ state: 'failed' }, { state: 'done' }] })
  expect(observer.of('backgroundError')).toMatchObject([{ source: 'Warmer', code: 'UNEXPECTED' }])
})

test('no more sources run at once than allowed', async () => {
  const { redis } = openWorld()
  let [running, most] = [0, 0]
  const sources = Array.from({ length: 8 }, (_, index) => ({
    name: String(index),
    async warm() {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return true
    },
  }))
  await new Warmer({ redis, sources, parallelMax: 3 }).warm(['c1', 'c2'])
  expect(most).toBe(3)
})

test('two sources of one name are refused', () => {
  const { redis, world } = openWorld()
  const sources = [itemSource(world), itemSource(world)]
  expect(() => new Warmer({ redis, sources })).toThrow(/different names/)
})
