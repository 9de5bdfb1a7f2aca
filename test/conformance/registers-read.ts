/** Conformance: reading through. */

import { readTokenOf } from '@kerp/core'
import type { RedisClient } from '@kerp/redis'
import { describe, expect, test } from 'vitest'
import { readRegisters } from '../../packages/registers/src/read-registers.lua.js'
import { stateOf, until, World } from '../registers/world.js'

export function readConformance(redis: () => RedisClient): void {
  describe('reading', () => {
    test('a row is loaded once, and then Redis answers', async () => {
      const world = await World.relayed(redis(), { 1101: [500n, 0n] })
      expect(stateOf(await world.get('1101'))).toEqual(['database', 1, '500', '0'])
      expect(stateOf(await world.get('1101'))).toEqual(['redis', 1, '500', '0'])
      expect(world.database.loads).toHaveLength(1)
    })

    test('answers stand in the order of the question, also when a row is asked for twice', async () => {
      const world = await World.relayed(redis(), { a: [1n, 0n], b: [2n, 0n], c: [3n, 0n] })
      await world.get('b')
      const refs = ['c', 'b', 'a', 'b', 'c'].map((account) => world.ref(account))
      const readings = await world.registers.getMany(world.companyId, refs)
      expect(readings.map(({ image }) => image.fields[0])).toEqual(['3', '2', '1', '2', '3'])
      expect(world.database.loads.map((load) => load.length)).toEqual([1, 2])
    })

    test('a row that was never written is zero with version 0, and that is cached too', async () => {
      const world = await World.relayed(redis(), { other: [1n, 0n] })
      expect(stateOf(await world.get('none'))).toEqual(['database', 0, '0', '0'])
      expect(stateOf(await world.get('none'))).toEqual(['redis', 0, '0', '0'])
      await world.registers.apply(world.commit({ none: [7n, 0n] }))
      expect(stateOf(await world.get('none'))).toEqual(['redis', 1, '7', '0'])
    })

    test('2^53 + 1, 38 digits and negative totals come back digit for digit', async () => {
      const world = new World(redis())
      const amounts = [9_007_199_254_740_993n, 10n ** 38n - 1n, -(10n ** 37n) - 1n]
      for (const [index, amount] of amounts.entries()) world.commit({ [`a${index}`]: [amount, -amount] })
      await world.relay.tick()
      const refs = amounts.map((_, index) => world.ref(`a${index}`))
      for (const source of ['database', 'redis']) {
        const readings = await world.registers.getMany(world.companyId, refs)
        expect(readings.map(({ image }) => image.fields)).toEqual(
          amounts.map((amount) => [String(amount), String(-amount)]),
        )
        expect(new Set(readings.map((reading) => reading.source))).toEqual(new Set([source]))
      }
    })

    test('1,001 rows are loaded in bounded statements, then all come from Redis', async () => {
      const world = new World(redis())
      world.commit(Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`n${n}`, [BigInt(n), 0n]])))
      await world.relay.tick()
      const refs = Array.from({ length: 1_001 }, (_, n) => world.ref(`n${n}`))
      const expected = refs.map((_, n) => String(n))
      for (const source of ['database', 'redis']) {
        const readings = await world.registers.getMany(world.companyId, refs)
        expect(readings.map(({ image }) => image.fields[0])).toEqual(expected)
        expect(readings.every((reading) => reading.source === source)).toBe(true)
      }
      expect(Math.max(...world.database.loads.map((load) => load.length))).toBeLessThanOrEqual(1_000)
    })

    test('a thousand reads of one cold row at once make one load', async () => {
      const world = await World.relayed(redis(), { hot: [5n, 0n] })
      const readings = await Promise.all(Array.from({ length: 1_000 }, () => world.get('hot')))
      expect(new Set(readings.map(({ image }) => image.fields[0]))).toEqual(new Set(['5']))
      expect(world.database.loads).toHaveLength(1)
    })

    test('readers of one process wait for its own load however long it takes', async () => {
      const world = await World.relayed(redis(), { hot: [5n, 0n] })
      const impatient = world.newRegisters({ waitMs: 0 })
      const before = world.observer.of('redisOperation').length
      const asked = (name: string) =>
        world.observer
          .of('redisOperation')
          .slice(before)
          .filter(({ operation }) => operation === name)
      world.database.holding = true
      const reads = Array.from({ length: 5 }, () => world.get('hot', impatient))
      await until(() => asked('mget').length === 5 && world.database.held.length === 1)
      world.database.held[0]?.release()
      await Promise.all(reads)
      expect(world.database.loads).toHaveLength(1)
      // They did not even look in Redis again.
      expect(asked('mget')).toHaveLength(5)
    })

    test('a watermark that vanishes between the look and the lease leaves no lease behind', async () => {
      const world = new World(redis())
      const watermark = world.keys.watermark(world.companyId)
      const moreKeys = [world.keys.register(world.ref('a'))]
      const args = { token: 'somebody:1', leaseMs: '1000' }
      const reply = await readRegisters.run(redis(), { watermark }, args, { moreKeys })
      expect(reply).toEqual({ watermark: undefined, outcomes: [] })
      expect(await world.raw('a')).toBeNull()
    })

    test('while another process loads a row, its answer is waited for, and not loaded again', async () => {
      const world = await World.relayed(redis())
      const other = world.newRegisters({ waitMs: 5_000 })
      world.database.holding = true
      const first = world.get('a')
      await until(() => world.database.held.length === 1)
      const second = world.get('a', other)
      await until(
        () =>
          world.observer.of('redisOperation').filter((o) => o['operation'] === 'read-registers').length === 2,
      )
      world.database.held[0]?.release()
      expect(stateOf(await first)).toEqual(['database', 1, '5', '0'])
      expect(stateOf(await second)).toEqual(['redis', 1, '5', '0'])
      expect(world.database.loads).toHaveLength(1)
    })

    test('a load that outlasts its lease is still the one load of four processes', async () => {
      const world = await World.relayed(redis())
      // Longer than a busy machine pauses a test, and short enough for several of them.
      const processes = [1, 2, 3, 4].map(() => world.newRegisters({ leaseMs: 600 }))
      const asked = (name: string): number =>
        world.observer.of('redisOperation').filter(({ operation }) => operation === name).length
      world.database.holding = true
      const reads = processes.flatMap((process) => [1, 2, 3].map(() => world.get('a', process)))
      await until(() => asked('keep-leases') >= 4)
      expect(await world.raw('a')).toMatch(/^L\|/)
      world.database.held[0]?.release()
      const states = (await Promise.all(reads)).map(({ image }) => image.fields[0])
      expect(new Set(states)).toEqual(new Set(['5']))
      expect(world.database.loads).toHaveLength(1)
      expect(stateOf(await world.get('a'))).toEqual(['redis', 1, '5', '0'])
    })

    test('of a load whose process died, one of those who wait makes another, and the rest wait for that', async () => {
      const world = await World.relayed(redis())
      // As if a process had leased the row and were never heard of again.
      const watermark = world.keys.watermark(world.companyId)
      const moreKeys = [world.keys.register(world.ref('a'))]
      await readRegisters.run(redis(), { watermark }, { token: 'dead:1', leaseMs: '60000' }, { moreKeys })
      const processes = [1, 2, 3, 4].map(() => world.newRegisters())
      const reads = processes.map((process) => world.get('a', process))
      await until(
        () =>
          world.observer.of('redisOperation').filter((o) => o['operation'] === 'read-registers').length === 4,
      )
      expect(world.database.loads).toEqual([])
      await redis().del(world.keys.register(world.ref('a')))
      const sources = (await Promise.all(reads)).map(({ source }) => source).sort()
      expect(sources).toEqual(['database', 'redis', 'redis', 'redis'])
      expect(world.database.loads).toHaveLength(1)
    })

    test('a row whose loader hangs is answered by the database, without storing it', async () => {
      const world = await World.relayed(redis())
      world.database.holding = true
      const hanging = world.get('a')
      await until(() => world.database.held.length === 1)
      world.database.holding = false
      const impatient = world.newRegisters({ waitMs: 50 })
      expect(stateOf(await world.get('a', impatient))).toEqual(['database', 1, '5', '0'])
      expect(await world.raw('a')).toMatch(/^L\|/)
      world.database.held[0]?.release()
      await hanging
    })

    test('a read with a token is never older than the posting that made it', async () => {
      const world = await World.cached(redis())
      const token = readTokenOf(world.commit({ a: [1n, 0n] }))
      const [plain] = await world.registers.getMany(world.companyId, [world.ref('a')])
      const [fresh] = await world.registers.getMany(world.companyId, [world.ref('a')], { atLeast: token })
      expect([plain, fresh].map((reading) => reading?.image.version)).toEqual([1, 2])
      expect(fresh?.source).toBe('database')
    })

    test('a read with a token that leaves rows unnamed is never older than the posting on those either', async () => {
      const world = await World.cached(redis(), { a: [5n, 0n], b: [5n, 0n] })
      const { companyId } = world
      const { epoch, images } = world.commit({ a: [1n, 0n], b: [1n, 0n] })
      const unnamed = { companyId, family: 'balance' } as const
      const atLeast = readTokenOf({ epoch, images: images.slice(0, 1), unnamed })
      const refs = [world.ref('a'), world.ref('b')]
      const plain = await world.registers.getMany(companyId, refs)
      const fresh = await world.registers.getMany(companyId, refs, { atLeast })
      expect([...plain, ...fresh].map(({ image }) => image.version)).toEqual([1, 1, 2, 2])
      const other = readTokenOf({ epoch, images: [], unnamed: { companyId, family: 'inventory' } })
      const [cached] = await world.registers.getMany(companyId, [world.ref('b')], { atLeast: other })
      expect(cached?.source).toBe('redis')
    })

    test('a token of another database history is refused by name', async () => {
      const world = new World(redis())
      const token = readTokenOf(world.commit({ a: [5n, 0n] }))
      world.database.epoch = '7340000000000000001.00000002.1767300000.16384.16400.16400'
      await world.relay.tick()
      const read = world.registers.getMany(world.companyId, [world.ref('a')], { atLeast: token })
      await expect(read).rejects.toMatchObject({ code: 'EPOCH_CHANGED', retryable: false })
    })

    test('a token that the database has not reached is refused by name', async () => {
      const world = new World(redis())
      const { epoch, images } = world.commit({ a: [5n, 0n] })
      await world.relay.tick()
      await world.get('a')
      const token = readTokenOf({ epoch, images: images.map((image) => ({ ...image, version: 3 })) })
      const read = world.registers.getMany(world.companyId, [world.ref('a')], { atLeast: token })
      await expect(read).rejects.toMatchObject({ code: 'VERSION_NOT_REACHED', retryable: true })
    })

    test('a ref of another company is refused before anything is read', async () => {
      const world = new World(redis())
      const foreign = { ...world.ref('a'), companyId: 'somebody-else' }
      const read = world.registers.getMany(world.companyId, [foreign])
      await expect(read).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'refs[0].companyId' })
    })

    test('nothing asked for is nothing answered', async () => {
      const world = new World(redis())
      expect(await world.registers.getMany(world.companyId, [])).toEqual([])
    })

    test('a damaged register or lease counts as missing, and is replaced', async () => {
      const world = await World.relayed(redis())
      const { generation } = await world.watermark()
      const version = '0000000000000001'
      const damaged = [
        'nonsense',
        `r1|${generation}|${version}|5|-`,
        `r1|${generation}|${version}|5`,
        `r1|${generation}|000000000000000x|5|0`,
        `r1|${generation}|${version}|5|0|0`,
        `r1|${generation}|1|5|0`,
        `L|${generation}||`,
        `L|${generation}|token|nonsense`,
      ]
      for (const text of damaged) {
        await world.putRaw('a', text)
        expect([text, ...stateOf(await world.get('a'))]).toEqual([text, 'database', 1, '5', '0'])
        expect([text, ...stateOf(await world.get('a'))]).toEqual([text, 'redis', 1, '5', '0'])
      }
    })

    test('a source that fails is heard, and the next read succeeds', async () => {
      const world = await World.relayed(redis())
      world.database.failLoads = 1
      const eager = world.newRegisters({ loadBackoffMs: 0 })
      await expect(world.get('a', eager)).rejects.toThrow('the database is down')
      // The lease is still there; a patient reader gets the row from the database all the same.
      expect(stateOf(await world.get('a', eager))).toEqual(['database', 1, '5', '0'])
    })
  })
}
