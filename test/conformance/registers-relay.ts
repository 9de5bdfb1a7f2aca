/** Conformance: the relay, and what it does about a Redis or a database that is not what it was. */

import type { RedisClient } from '@kerp/redis'
import { describe, expect, test } from 'vitest'
import { stateOf, World } from '../registers/world.js'

const LATER_EPOCH = '7340000000000000001.00000002.1767300000.16384.16400.16400'

export function relayConformance(redis: () => RedisClient): void {
  const cached = (): Promise<World> => World.cached(redis())

  describe('relaying', () => {
    test('committed changes reach registers without the fast path', async () => {
      const world = await cached()
      world.commit({ a: [2n, 0n] })
      world.commit({ a: [3n, 0n], b: [1n, 0n] })
      expect(await world.relay.tick()).toMatchObject({ ok: true, rows: 3, behind: 0 })
      expect(stateOf(await world.get('a'))).toEqual(['redis', 3, '10', '0'])
      expect(await world.raw('b')).toBeNull()
    })

    test('an answer of Redis is as new as the moment up to which the relay has read', async () => {
      const world = await cached()
      world.database.asOfMs += 60_000
      await world.relay.tick()
      expect((await world.get('a')).asOfMs).toBe(world.database.asOfMs)
    })

    test('before any relay ran, the database answers and nothing is stored', async () => {
      const world = new World(redis())
      world.commit({ a: [5n, 0n] })
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
      expect(await world.raw('a')).toBeNull()
    })

    test('a lost watermark: the database answers, nothing is stored, and the next pass starts a new generation', async () => {
      const world = await cached()
      const { generation } = await world.watermark()
      await world.dropWatermark()
      world.commit({ a: [2n, 0n] })
      expect(stateOf(await world.get('a'))).toEqual(['database', 2, '7', '0'])
      expect(await world.raw('a')).toContain('|5|0')
      await world.relay.tick()
      expect((await world.watermark()).generation).not.toBe(generation)
      expect(world.renewals()).toEqual(['absent', 'absent'])
      // The register of before is still there, with a generation that never returns.
      expect(await world.raw('a')).toContain('|5|0')
      expect(stateOf(await world.get('a'))).toEqual(['database', 2, '7', '0'])
      expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '0'])
    })

    test('a watermark that is no watermark is replaced likewise', async () => {
      const world = await cached()
      const { generation, epoch } = await world.watermark()
      for (const text of [
        'nonsense',
        `w1|${generation}|${epoch}|no position at all|1`,
        `w1|12|${epoch}|s1|1`,
      ]) {
        await world.putWatermark(text)
        expect(await world.relay.tick()).toMatchObject({ ok: true })
        expect((await world.watermark()).position).toBe('s1')
        expect((await world.watermark()).generation).not.toBe(generation)
      }
    })

    test('a generation is never used twice', async () => {
      const world = await cached()
      const seen = [(await world.watermark()).generation]
      for (let loss = 0; loss < 20; loss += 1) {
        await world.dropWatermark()
        await world.relay.tick()
        seen.push((await world.watermark()).generation)
      }
      await world.registers.invalidateAll(world.companyId)
      seen.push((await world.watermark()).generation)
      expect(new Set(seen).size).toBe(seen.length)
    })

    test('an outbox that was trimmed behind an old watermark voids what it can no longer bring up to date', async () => {
      const world = await cached()
      const [watermark, register] = [await world.rawWatermark(), await world.raw('a')]
      world.commit({ a: [2n, 0n] })
      world.commit({ b: [1n, 0n] })
      await world.relay.tick()
      world.database.trim()
      await world.putWatermark(watermark ?? '')
      await world.putRaw('a', register ?? '')
      await world.newRelay().tick()
      expect(world.renewals()).toEqual(['absent', 'trimmed'])
      expect(stateOf(await world.get('a'))).toEqual(['database', 2, '7', '0'])
    })

    test('an outbox that is trimmed while a backlog is being read voids likewise', async () => {
      const world = await cached()
      const [watermark, register] = [await world.rawWatermark(), await world.raw('a')]
      world.commit({ a: [2n, 0n] })
      world.commit({ b: [1n, 0n] })
      await world.relay.tick()
      await world.putWatermark(watermark ?? '')
      await world.putRaw('a', register ?? '')
      world.database.beforePage = () => world.database.trim()
      // The relay sees the regress, reads a page that misses a row, notices, and starts over.
      expect(await world.relay.tick()).toMatchObject({ ok: false, behind: 1 })
      expect(await world.relay.tick()).toMatchObject({ ok: true })
      expect(world.renewals()).toEqual(['absent', 'trimmed'])
      expect(stateOf(await world.get('a'))).toEqual(['database', 2, '7', '0'])
    })

    test('a Redis that went back in time is noticed although the company is idle', async () => {
      const world = await cached()
      const [watermark, register] = [await world.rawWatermark(), await world.raw('a')]
      world.commit({ a: [2n, 0n] })
      await world.relay.tick()
      await world.putWatermark(watermark ?? '')
      await world.putRaw('a', register ?? '')
      expect(await world.relay.tick()).toMatchObject({ ok: true, rows: 0 })
      expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '0'])
    })

    test('a database of another epoch starts a new generation, and images of the old one are refused', async () => {
      const world = await cached()
      const lost = world.commit({ a: [100n, 0n] })
      await world.registers.apply(lost)
      // A standby that never got the last commit takes over, and goes another way with the same version.
      world.database.epoch = LATER_EPOCH
      world.database.tamper({ ref: world.ref('a'), version: 2, fields: ['6', '0'] })
      await world.relay.tick()
      expect(world.renewals()).toEqual(['absent', 'epoch'])
      expect(stateOf(await world.get('a'))).toEqual(['database', 2, '6', '0'])
      expect(await world.registers.apply(lost)).toMatchObject({ refused: 1 })
      expect(stateOf(await world.get('a', world.newRegisters()))).toEqual(['redis', 2, '6', '0'])
    })

    test('a lost primary never takes the registers back from its successor', async () => {
      const world = await cached()
      const { epoch } = world.database
      world.database.epoch = LATER_EPOCH
      await world.relay.tick()
      const { generation } = await world.watermark()
      world.database.epoch = epoch
      expect(await world.relay.tick()).toMatchObject({ ok: false, behind: 1 })
      expect(await world.watermark()).toMatchObject({ generation, epoch: LATER_EPOCH })
      expect(world.observer.of('backgroundError')).toContainEqual(
        expect.objectContaining({
          source: 'OutboxRelay',
          code: 'TIMELINE_BEHIND',
        }),
      )
    })

    test('another system may take over whatever its timeline', async () => {
      const world = await cached()
      world.database.epoch = LATER_EPOCH
      await world.relay.tick()
      const restored = '7350000000000000009.00000001.1767300001.5.6.7'
      world.database.epoch = restored
      await world.relay.tick()
      expect(await world.watermark()).toMatchObject({ epoch: restored })
    })

    test('an invalidation through the outbox removes one register', async () => {
      const world = await cached()
      world.commit({ b: [1n, 0n] })
      await world.relay.tick()
      await world.get('b')
      world.database.tamper({ ref: world.ref('a'), version: 1, fields: ['8', '0'] })
      await world.database.invalidate(world.ref('a'))
      await world.relay.tick()
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '8', '0'])
      expect(stateOf(await world.get('b'))).toEqual(['redis', 1, '1', '0'])
    })

    test('an image in the same pass does not survive an invalidation that came with it', async () => {
      const world = await cached()
      world.commit({ a: [2n, 0n] })
      await world.database.invalidate(world.ref('a'))
      world.commit({ a: [3n, 0n] })
      await world.relay.tick()
      expect(await world.raw('a')).toBeNull()
    })

    test('invalidateAll through the outbox survives a Redis that lost its immediate effect', async () => {
      const world = await cached()
      const [watermark, register] = [await world.rawWatermark(), await world.raw('a')]
      world.database.tamper({ ref: world.ref('a'), version: 1, fields: ['8', '0'] })
      await world.database.invalidateAll(world.companyId)
      await world.registers.invalidateAll(world.companyId)
      // A failover loses the new generation: the registers of before are valid again, until the relay comes.
      await world.putWatermark(watermark ?? '')
      await world.putRaw('a', register ?? '')
      await world.relay.tick()
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '8', '0'])
    })

    test('an outbox row that no register can hold is left out and named, and the others go on', async () => {
      const world = await World.cached(redis(), { a: [5n, 0n], b: [6n, 0n] })
      const long = world.ref('한'.repeat(43))
      world.database.write({ ref: long, version: 1, fields: ['1', '0'] })
      world.database.write({ ref: world.ref('a'), version: 2, fields: ['1e3', '0'] })
      world.commit({ b: [1n, 0n] })
      expect(await world.relay.tick()).toMatchObject({ ok: true })
      expect(world.renewals()).toEqual(['absent'])
      expect(world.observer.of('registerUnusable')).toEqual([long, world.ref('a')])
      // A register of before must not outlive an image that it cannot hold.
      expect(await world.raw('a')).toBeNull()
      expect(stateOf(await world.get('b'))).toEqual(['redis', 2, '7', '0'])
    })

    test('a row that no key has room for does not keep an audit from comparing the others', async () => {
      const world = await cached()
      const long = world.ref('한'.repeat(43))
      expect((await world.registers.cached(world.companyId, [long, world.ref('a')])).map(Boolean)).toEqual([
        false,
        true,
      ])
      expect([world.registers.canHold(long), world.registers.canHold(world.ref('a'))]).toEqual([false, true])
    })

    test('two rows that contradict each other prove a fork', async () => {
      const world = await cached()
      world.database.write({ ref: world.ref('a'), version: 1, fields: ['6', '0'] })
      await world.relay.tick()
      expect(world.renewals()).toEqual(['absent', 'fork'])
      expect(world.observer.of('registerFork')).toHaveLength(1)
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '6', '0'])
    })

    test('companies do not see each other: what one loses, the other keeps', async () => {
      const world = await cached()
      const other = await cached()
      await world.registers.invalidateAll(world.companyId)
      expect(stateOf(await other.get('a'))).toEqual(['redis', 1, '5', '0'])
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
    })
  })
}
