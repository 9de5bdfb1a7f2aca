/** Warming beside a Redis that would evict. */

import { pagedSource, Warmer, type WarmReport } from '@kerp/cache'
import { openPrivateRedis } from '@kerp/redis/testing'
import { expect, test } from 'vitest'
import { CacheWorld } from './cache-world.js'

const HOT = Array.from({ length: 200 }, (_, index) => `hot${index}`)
const COLD = Array.from({ length: 20_000 }, (_, index) => `cold${index}`)
const PAGE = 50

test('warming more than Redis has room for ends before it evicts, and what is in use stays', async () => {
  await using server = await openPrivateRedis({
    args: ['--maxmemory', '6mb', '--maxmemory-policy', 'allkeys-lru'],
  })
  const redis = server.client()
  const world = new CacheWorld(redis)
  for (const id of [...HOT, ...COLD]) world.rows.set(id, { name: `${id} ${'x'.repeat(500)}`, price: 1n })
  await world.items.getMany(world.refs(...HOT))
  const source = pagedSource({
    name: 'items',
    *pages(companyId, after) {
      for (let at = after === undefined ? 0 : Number(after); at < COLD.length; at += PAGE) {
        const refs = COLD.slice(at, at + PAGE).map((id) => ({ companyId, id }))
        yield { refs, after: String(at + PAGE) }
      }
    },
    fill: (refs: readonly { companyId: string; id: string }[]) => world.items.fill(refs),
  })
  const warmer = new Warmer({ redis, sources: [source] })
  const report: WarmReport = await warmer.warm([world.companyId])
  expect(report).toMatchObject({ done: false, sources: [{ state: 'memory' }] })
  const [{ rows } = { rows: 0 }] = report.sources
  expect(rows).toBeGreaterThan(PAGE)
  expect(rows).toBeLessThan(COLD.length)
  expect(await redis.info('stats')).toMatch(/evicted_keys:0\r/)
  world.loads.length = 0
  await world.items.getMany(world.refs(...HOT))
  expect(world.loads).toEqual([])
  // Asked again, it sees at once that there is no room.
  expect(await warmer.warm([world.companyId], { resume: report })).toMatchObject({
    sources: [{ state: 'memory', rows }],
  })
  redis.disconnect()
})
