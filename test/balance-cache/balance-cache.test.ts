/** Account balances: what the cache answers, and what it does when vouchers are posted or repaired. */

import { readTokenOf } from '@kerp/core'
import { type AccountRef, BalanceCache, type BalanceCacheOptions } from '@kerp/balance-cache'
import { faulty } from '@kerp/core/testing'
import { mockRedis } from '@kerp/redis/testing'
import { describe, expect, test } from 'vitest'
import { World } from '../registers/world.js'

const redis = mockRedis()

function openCache(options: Partial<BalanceCacheOptions> = {}) {
  const world = new World(redis)
  const { registers, database, observer } = world
  const cache = new BalanceCache({
    registers,
    source: database,
    invalidations: database,
    observer,
    ...options,
  })
  const ref = (account: string, fiscalYear = 2026): AccountRef => ({
    companyId: world.companyId,
    account,
    fiscalYear,
  })
  return { world, cache, ref }
}

describe('a balance', () => {
  test('is debit less credit, with its version, its age and who answered', async () => {
    const { world, cache, ref } = openCache()
    world.commit({ 1101: [12_500n, 500n] })
    await world.relay.tick()
    await cache.get(ref('1101'))
    const balance = await cache.get(ref('1101'))
    expect(balance.debit).toBe(12_500n)
    expect(balance.credit).toBe(500n)
    expect(balance.balance).toBe(12_000n)
    expect(balance.toJSON()).toEqual({
      companyId: world.companyId,
      account: '1101',
      fiscalYear: 2026,
      debit: '12500',
      credit: '500',
      balance: '12000',
      version: 1,
      asOf: new Date(world.database.asOfMs).toISOString(),
      source: 'redis',
    })
    expect(JSON.parse(JSON.stringify(balance))).toEqual(balance.toJSON())
  })

  test('that was never posted to is zero with version 0', async () => {
    const { cache, ref } = openCache()
    expect((await cache.get(ref('9999'))).toJSON()).toMatchObject({ balance: '0', version: 0 })
  })

  test('of 38 digits and of 2^53 + 1 is exact', async () => {
    const { world, cache, ref } = openCache()
    const large = 10n ** 38n - 1n
    world.commit({ large: [large, 0n], odd: [0n, 9_007_199_254_740_993n] })
    await world.relay.tick()
    for (const source of ['database', 'redis']) {
      const [first, second] = await cache.getMany([ref('large'), ref('odd')])
      expect([first?.balance, second?.balance]).toEqual([large, -9_007_199_254_740_993n])
      expect(first?.source).toBe(source)
    }
  })

  test('of an account named in decomposed Hangul is that of the composed name', async () => {
    const { world, cache, ref } = openCache()
    const name = '현금'
    world.commit({ [name]: [7n, 0n] })
    await world.relay.tick()
    expect((await cache.get(ref(name.normalize('NFD')))).balance).toBe(7n)
  })

  test('of a fiscal year that is none is refused', async () => {
    const { cache, ref } = openCache()
    for (const year of [0, -1, 2026.5, Number.NaN, 10_000]) {
      await expect(cache.get(ref('1101', year))).rejects.toMatchObject({ code: 'INVALID_KEY' })
    }
    const text = { ...ref('1101'), fiscalYear: '2026' as unknown as number }
    await expect(cache.get(text)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'fiscalYear' })
  })
})

describe('many balances', () => {
  test('come in one round trip, in the order asked for, with duplicates', async () => {
    const { world, cache, ref } = openCache()
    world.commit({ a: [1n, 0n], b: [2n, 0n] })
    await world.relay.tick()
    await cache.getMany([ref('a'), ref('b')])
    const before = world.observer.of('redisOperation').length
    const balances = await cache.getMany([ref('b'), ref('a'), ref('b')])
    expect(balances.map(({ account, balance }) => [account, balance])).toEqual([
      ['b', 2n],
      ['a', 1n],
      ['b', 2n],
    ])
    expect(world.observer.of('redisOperation').slice(before)).toMatchObject([
      { operation: 'mget', status: 'ok' },
    ])
  })

  test('of several companies come together, each from its own', async () => {
    const [first, second] = [openCache(), openCache()]
    first.world.commit({ a: [1n, 0n] })
    second.world.database.commit(first.world.companyId, {})
    first.world.database.commit(second.world.companyId, { a: [2n, 0n] })
    const refs = [second.ref('a'), first.ref('a'), second.ref('a')]
    const balances = await first.cache.getMany(refs)
    expect(balances.map(({ companyId, balance }) => [companyId, balance])).toEqual([
      [second.world.companyId, 2n],
      [first.world.companyId, 1n],
      [second.world.companyId, 2n],
    ])
  })

  test('are counted and timed once for each call', async () => {
    const { world, cache, ref } = openCache()
    world.commit({ a: [1n, 0n] })
    await world.relay.tick()
    await cache.getMany([ref('a'), ref('b')])
    await cache.getMany([ref('a'), ref('b'), ref('b')])
    expect(world.observer.of('cacheRequest')).toEqual([
      { type: 'balance', result: 'miss', count: 2 },
      { type: 'balance', result: 'hit', count: 3 },
    ])
    expect(world.observer.of('cacheRead')).toHaveLength(2)
    expect(world.observer.of('cacheLoad')).toMatchObject([{ type: 'balance', ok: true }])
  })

  test('that nobody asks for are none', async () => {
    const { cache } = openCache()
    expect(await cache.getMany([])).toEqual([])
  })
})

describe('after a posting', () => {
  test('the fast path shows the new balance at once, without the relay', async () => {
    const { world, cache, ref } = openCache()
    world.commit({ a: [1n, 0n] })
    await world.relay.tick()
    await cache.get(ref('a'))
    expect(await cache.apply(world.commit({ a: [4n, 0n] }))).toMatchObject({ applied: 1 })
    expect((await cache.get(ref('a'))).toJSON()).toMatchObject({ balance: '5', version: 2, source: 'redis' })
  })

  test('a read with its token sees it even when the fast path was lost', async () => {
    const { world, cache, ref } = openCache()
    world.commit({ a: [1n, 0n] })
    await world.relay.tick()
    await cache.get(ref('a'))
    const atLeast = readTokenOf(world.commit({ a: [4n, 0n] }))
    expect((await cache.get(ref('a'))).version).toBe(1)
    expect((await cache.get(ref('a'), { atLeast })).toJSON()).toMatchObject({ balance: '5', version: 2 })
    expect(world.observer.of('cacheRequest')).toContainEqual({ type: 'balance', result: 'stale', count: 1 })
  })

  test('a text that is no token is refused', async () => {
    const { cache, ref } = openCache()
    const read = cache.get(ref('a'), { atLeast: 'nonsense' })
    await expect(read).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'atLeast' })
  })
})

describe('after a repair by hand', () => {
  async function repaired(options: Partial<BalanceCacheOptions> = {}) {
    const opened = openCache(options)
    const { world, cache, ref } = opened
    world.commit({ a: [1n, 0n], b: [1n, 0n] })
    await world.relay.tick()
    await cache.getMany([ref('a'), ref('b')])
    for (const account of ['a', 'b']) {
      world.database.tamper({ ref: world.ref(account), version: 1, fields: ['3', '0'] })
    }
    return opened
  }

  test('invalidating one balance shows its row again, at once', async () => {
    const { cache, ref } = await repaired()
    await cache.invalidate(ref('a'))
    expect((await cache.getMany([ref('a'), ref('b')])).map(({ balance }) => balance)).toEqual([3n, 1n])
  })

  test('invalidating all balances of a company shows all rows again, at once', async () => {
    const { cache, ref } = await repaired()
    await cache.invalidateAll(ref('a').companyId)
    expect((await cache.getMany([ref('a'), ref('b')])).map(({ balance }) => balance)).toEqual([3n, 3n])
  })

  test('an invalidation that Redis did not hear reaches it through the outbox', async () => {
    const { world, cache, ref } = await repaired()
    const { target: down, plan } = faulty(world.registers, ['invalidate', 'invalidateAll'])
    plan.fail = new RangeError('the connection is down')
    const { database, observer } = world
    const deaf = new BalanceCache({ registers: down, source: database, invalidations: database, observer })
    await deaf.invalidate(ref('a'))
    expect(observer.of('backgroundError')).toMatchObject([{ source: 'BalanceCache' }])
    await world.relay.tick()
    expect((await cache.getMany([ref('a'), ref('b')])).map(({ balance }) => balance)).toEqual([3n, 1n])
    await deaf.invalidateAll(world.companyId)
    await world.relay.tick()
    expect((await cache.get(ref('b'))).balance).toBe(3n)
    const lossy = new BalanceCache({ registers: down, source: database })
    await expect(lossy.invalidate(ref('a'))).rejects.toThrow('the connection is down')
  })
})
