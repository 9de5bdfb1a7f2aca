/** Conformance: leases, and what a fill may store. Each test is a schedule that goes wrong without its rule. */

import type { RedisClient } from '@kerp/redis'
import { describe, expect, test } from 'vitest'
import { stateOf, until, World } from '../registers/world.js'

export function fillConformance(redis: () => RedisClient): void {
  /** A world in which a load of account `a` has read version 1 and is held back. */
  async function loading(): Promise<{ world: World; read: Promise<unknown>; release: () => void }> {
    const world = await World.relayed(redis())
    world.database.holding = true
    const read = world.get('a')
    await until(() => world.database.held.length === 1)
    world.database.holding = false
    return { world, read, release: () => world.database.held[0]?.release() }
  }

  describe('filling', () => {
    test('a commit that a load did not see waits beside the lease, and wins', async () => {
      const { world, read, release } = await loading()
      expect(await world.registers.apply(world.commit({ a: [2n, 0n] }))).toMatchObject({ pending: 1 })
      release()
      await read
      expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '0'])
    })

    test('of several commits beside a lease the newest wins, in whatever order they arrive', async () => {
      const { world, read, release } = await loading()
      const second = world.commit({ a: [2n, 0n] })
      const third = world.commit({ a: [3n, 0n] })
      await world.registers.apply(third)
      expect(await world.registers.apply(second)).toMatchObject({ skipped: 1 })
      release()
      await read
      expect(stateOf(await world.get('a'))).toEqual(['redis', 3, '10', '0'])
    })

    test('a load that saw more than what waits beside its lease wins', async () => {
      const world = await World.relayed(redis())
      const second = world.commit({ a: [2n, 0n] })
      world.commit({ a: [3n, 0n] })
      world.database.holding = true
      const read = world.get('a')
      await until(() => world.database.held.length === 1)
      await world.registers.apply(second)
      world.database.held[0]?.release()
      await read
      expect(stateOf(await world.get('a'))).toEqual(['redis', 3, '10', '0'])
    })

    test('a fill whose lease was removed by an invalidation stores nothing', async () => {
      const { world, read, release } = await loading()
      await world.registers.invalidate(world.ref('a'))
      release()
      await read
      expect(await world.raw('a')).toBeNull()
    })

    test('a fill whose lease is of an old generation stores nothing', async () => {
      const { world, read, release } = await loading()
      world.database.tamper({ ref: world.ref('a'), version: 1, fields: ['9', '0'] })
      await world.registers.invalidateAll(world.companyId)
      release()
      await read
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '9', '0'])
      expect(stateOf(await world.get('a'))).toEqual(['redis', 1, '9', '0'])
    })

    test('two processes never take each other for the holder of a lease', async () => {
      const { world, read, release } = await loading()
      // The lease is lost, a commit passes by, and a second process leases and loads: its own lease is also
      // the first that it ever took.
      await world.registers.invalidate(world.ref('a'))
      await world.registers.apply(world.commit({ a: [2n, 0n] }))
      await world.relay.tick()
      world.database.holding = true
      const second = world.get('a', world.newRegisters())
      await until(() => world.database.held.length === 2)
      release()
      await read
      expect(await world.raw('a')).toMatch(/^L\|/)
      world.database.held[1]?.release()
      await second
      expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '0'])
    })

    test('one process never takes an earlier lease of its own for the present one', async () => {
      const { world, read, release } = await loading()
      await world.registers.invalidate(world.ref('a'))
      await world.registers.apply(world.commit({ a: [2n, 0n] }))
      await world.relay.tick()
      const second = world.get('a')
      await until(
        () =>
          world.observer.of('redisOperation').filter((o) => o['operation'] === 'read-registers').length === 2,
      )
      release()
      await read
      await second
      expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '0'])
    })

    test('a load that began before the lease is never stored under it', async () => {
      const world = new World(redis())
      world.commit({ a: [5n, 0n] })
      // Without a watermark this load has no lease.
      world.database.holding = true
      const early = world.get('a')
      await until(() => world.database.held.length === 1)
      world.database.holding = false
      await world.registers.apply(world.commit({ a: [2n, 0n] }))
      await world.relay.tick()
      const leased = world.get('a')
      await until(() => world.observer.of('redisOperation').some((o) => o['operation'] === 'read-registers'))
      world.database.held[0]?.release()
      expect(stateOf(await early)).toEqual(['database', 1, '5', '0'])
      expect(stateOf(await leased)).toEqual(['database', 2, '7', '0'])
      expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '0'])
    })

    test('a load from a database of another epoch is answered, and not stored', async () => {
      const { world, read, release } = await loading()
      // The relay has met the new primary; the load is still of the old one.
      world.database.epoch = '7340000000000000001.00000002.1767300000.16384.16400.16400'
      await world.relay.tick()
      release()
      expect(stateOf((await read) as never)).toEqual(['database', 1, '5', '0'])
      expect(await world.raw('a')).not.toMatch(/^r1\|/)
    })

    test('a lease of the new generation does not take a fill of the old epoch', async () => {
      const world = await World.relayed(redis())
      const { epoch } = world.database
      world.database.epoch = '7340000000000000001.00000002.1767300000.16384.16400.16400'
      await world.relay.tick()
      await world.get('b')
      // A reader that knows of the new primary, and whose load still goes to the lost one.
      world.database.epoch = epoch
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
      expect(await world.raw('a')).toMatch(/^L\|/)
    })

    test('a load that contradicts what waits beside its lease proves a fork: everything is void', async () => {
      const { world, read, release } = await loading()
      const { generation } = await world.watermark()
      const { epoch } = world.database
      await world.registers.apply({
        epoch,
        images: [{ ref: world.ref('a'), version: 1, fields: ['6', '0'] }],
      })
      release()
      await read
      expect((await world.watermark()).generation).not.toBe(generation)
      expect(world.observer.of('registerFork')).toHaveLength(1)
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
    })
  })
}
