/** Warming ahead of readers, and comparing what is cached with the rows. */

import { BalanceCache, type WarmProgress } from '@kerp/balance-cache'
import { mockRedis } from '@kerp/redis/testing'
import { describe, expect, test } from 'vitest'
import { stateOf, World } from '../registers/world.js'

const redis = mockRedis()

async function openCache(accounts = 12) {
  const world = new World(redis)
  const { registers, database, observer } = world
  const cache = new BalanceCache({ registers, source: database, invalidations: database, observer })
  const names = Array.from({ length: accounts }, (_, index) => String(1_000 + index))
  world.commit(Object.fromEntries(names.map((name, index) => [name, [BigInt(index), 0n]])))
  await world.relay.tick()
  return { world, cache, names }
}

describe('warming', () => {
  test('loads every balance of the year in bounded pages and tells how far it is', async () => {
    const { world, cache, names } = await openCache()
    const heard: WarmProgress[] = []
    const options = {
      fiscalYear: 2026,
      pageSize: 5,
      onProgress: (progress: WarmProgress) => heard.push(progress),
    }
    expect(await cache.warm(world.companyId, options)).toEqual({
      rows: 12,
      loaded: 12,
      after: '1011',
      done: true,
    })
    expect(heard.map(({ rows, after, done }) => [rows, after, done])).toEqual([
      [5, '1004', false],
      [10, '1009', false],
      [12, '1011', true],
    ])
    for (const name of names) expect((await world.get(name)).source).toBe('redis')
    expect(await cache.warm(world.companyId, options)).toMatchObject({ rows: 12, loaded: 0 })
  })

  test('stops between two pages when it is aborted, and goes on where it stopped', async () => {
    const { world, cache } = await openCache()
    const abort = new AbortController()
    const stopped = await cache.warm(world.companyId, {
      fiscalYear: 2026,
      pageSize: 5,
      signal: abort.signal,
      onProgress: () => abort.abort(),
    })
    expect(stopped).toEqual({ rows: 5, loaded: 5, after: '1004', done: false })
    const rest = await cache.warm(world.companyId, { fiscalYear: 2026, after: stopped.after })
    expect(rest).toEqual({ rows: 7, loaded: 7, after: '1011', done: true })
  })

  test('of a year without balances is done at once', async () => {
    const { world, cache } = await openCache()
    expect(await cache.warm(world.companyId, { fiscalYear: 2030 })).toMatchObject({ rows: 0, done: true })
  })

  test('never stores what a page said: the row is loaded again, under a lease', async () => {
    const { world, cache } = await openCache(1)
    world.database.afterList = () => {
      world.commit({ 1000: [5n, 0n] })
      return undefined
    }
    await cache.warm(world.companyId, { fiscalYear: 2026 })
    expect(stateOf(await world.get('1000'))).toEqual(['redis', 2, '5', '0'])
  })

  test('refuses pages of a size out of bounds', async () => {
    const { world, cache } = await openCache(1)
    const warm = cache.warm(world.companyId, { fiscalYear: 2026, pageSize: 0 })
    await expect(warm).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'pageSize' })
  })
})

describe('an audit', () => {
  test('at rest finds every cached balance equal to its row', async () => {
    const { world, cache } = await openCache()
    await cache.warm(world.companyId, { fiscalYear: 2026 })
    await world.registers.invalidate(world.ref('1003'))
    expect(await cache.audit(world.companyId, { fiscalYear: 2026, pageSize: 5 })).toEqual({
      rows: 12,
      equal: 11,
      behind: 0,
      absent: 1,
      foreign: 0,
      different: 0,
      differences: [],
      after: '1011',
      done: true,
    })
  })

  test('finds a balance of the right version with other amounts, sounds the alarm, and voids the company', async () => {
    const { world, cache } = await openCache()
    await cache.warm(world.companyId, { fiscalYear: 2026 })
    const { generation } = await world.watermark()
    await world.putRaw('1003', `r1|${generation}|0000000000000001|4|0`)
    const audit = await cache.audit(world.companyId, { fiscalYear: 2026 })
    expect(audit).toMatchObject({ equal: 11, different: 1 })
    expect(audit.differences).toEqual([
      {
        account: '1003',
        cached: { version: 1, fields: ['4', '0'] },
        row: { version: 1, fields: ['3', '0'] },
      },
    ])
    expect(world.observer.of('registerFork')).toEqual([{ count: 1 }])
    expect(stateOf(await world.get('1003'))).toEqual(['database', 1, '3', '0'])
    expect(await cache.audit(world.companyId, { fiscalYear: 2026 })).toMatchObject({ different: 0 })
  })

  test('lists a hundred differences, and counts all of them to the observer', async () => {
    const { world, cache } = await openCache(102)
    await cache.warm(world.companyId, { fiscalYear: 2026 })
    const { generation } = await world.watermark()
    for (let account = 1_000; account < 1_102; account += 1) {
      await world.putRaw(String(account), `r1|${generation}|0000000000000009|1|0`)
    }
    const audit = await cache.audit(world.companyId, { fiscalYear: 2026 })
    expect([audit.different, audit.differences.length]).toEqual([102, 100])
    expect(world.observer.of('registerFork')).toEqual([{ count: 102 }])
  })

  test('finds a balance that the database never reached', async () => {
    const { world, cache } = await openCache(1)
    await world.get('1000')
    const { generation } = await world.watermark()
    await world.putRaw('1000', `r1|${generation}|0000000000000009|4|0`)
    const audit = await cache.audit(world.companyId, { fiscalYear: 2026, repair: false })
    expect(audit).toMatchObject({ different: 1, differences: [{ cached: { version: 9 } }] })
    expect((await world.watermark()).generation).toBe(generation)
  })

  test('calls a balance behind, not different, whose change is on its way', async () => {
    const { world, cache } = await openCache(1)
    await world.get('1000')
    world.commit({ 1000: [1n, 0n] })
    expect(await cache.audit(world.companyId, { fiscalYear: 2026 })).toMatchObject({
      behind: 1,
      different: 0,
    })
    await world.relay.tick()
    expect(await cache.audit(world.companyId, { fiscalYear: 2026 })).toMatchObject({ behind: 0, equal: 1 })
  })

  test('does not mistake a row that moved while it looked', async () => {
    const { world, cache } = await openCache(1)
    await world.get('1000')
    world.database.afterList = () => world.registers.apply(world.commit({ 1000: [1n, 0n] }))
    expect(await cache.audit(world.companyId, { fiscalYear: 2026 })).toMatchObject({ equal: 1, different: 0 })
  })

  test('calls balances of a history before a failover foreign', async () => {
    const { world, cache } = await openCache(1)
    await world.get('1000')
    world.database.epoch = '7340000000000000001.00000002.1767300000.16384.16400.16400'
    expect(await cache.audit(world.companyId, { fiscalYear: 2026 })).toMatchObject({
      foreign: 1,
      different: 0,
    })
  })
})
