/** Conformance: invalidations at once, and what Redis holds, looked at without touching it. */

import type { RedisClient } from '@kerp/redis'
import { describe, expect, test } from 'vitest'
import { stateOf, World } from '../registers/world.js'

export function renewConformance(redis: () => RedisClient): void {
  const cached = (): Promise<World> => World.cached(redis(), { a: [5n, 0n], b: [6n, 0n] })

  describe('invalidating', () => {
    test('one register at once loads it anew, and no other', async () => {
      const world = await cached()
      await world.registers.invalidate(world.ref('a'))
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
      expect(stateOf(await world.get('b'))).toEqual(['redis', 1, '6', '0'])
    })

    test('all registers at once costs the same whatever their number: one key is written', async () => {
      const world = await cached()
      const before = [await world.raw('a'), await world.raw('b')]
      await world.registers.invalidateAll(world.companyId)
      expect([await world.raw('a'), await world.raw('b')]).toEqual(before)
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
      expect(stateOf(await world.get('b'))).toEqual(['database', 1, '6', '0'])
    })

    test('all registers keeps the place of the relay', async () => {
      const world = await cached()
      const { position, epoch } = await world.watermark()
      await world.registers.invalidateAll(world.companyId)
      expect(await world.watermark()).toMatchObject({ position, epoch })
      expect(await world.relay.tick()).toMatchObject({ ok: true })
    })

    test('without a watermark is nothing to do', async () => {
      const world = new World(redis())
      await world.registers.invalidateAll(world.companyId)
      await world.registers.invalidate(world.ref('a'))
      expect(await world.rawWatermark()).toBeNull()
    })
  })

  describe('looking at what is cached', () => {
    test('neither loads nor leases', async () => {
      const world = await cached()
      const loads = world.database.loads.length
      const [a, none] = await world.registers.cached(world.companyId, [world.ref('a'), world.ref('none')])
      expect(a?.image.fields).toEqual(['5', '0'])
      expect(none).toBeUndefined()
      expect(world.database.loads).toHaveLength(loads)
      expect(await world.raw('none')).toBeNull()
    })
  })
}
