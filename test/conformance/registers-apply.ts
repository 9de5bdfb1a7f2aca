/** Conformance: the fast path. */

import { type RedisClient, whenReady } from '@kerp/redis'
import { parsePush } from '@kerp/registers'
import { describe, expect, test } from 'vitest'
import { stateOf, World } from '../registers/world.js'

export function applyConformance(redis: () => RedisClient): void {
  const cached = (): Promise<World> => World.cached(redis())

  describe('applying', () => {
    test('a committed image replaces an older register', async () => {
      const world = await cached()
      expect(await world.registers.apply(world.commit({ a: [2n, 1n] }))).toMatchObject({ applied: 1 })
      expect(stateOf(await world.get('a'))).toEqual(['redis', 2, '7', '1'])
    })

    test('the same images again, and older ones, change nothing', async () => {
      const world = await cached()
      const second = world.commit({ a: [2n, 0n] })
      const third = world.commit({ a: [3n, 0n] })
      await world.registers.apply(third)
      expect(await world.registers.apply(second)).toMatchObject({ applied: 0, skipped: 1 })
      expect(await world.registers.apply(third)).toMatchObject({ applied: 0, skipped: 1 })
      expect(stateOf(await world.get('a'))).toEqual(['redis', 3, '10', '0'])
    })

    test('an image never creates a register: only a load under a lease does', async () => {
      const world = await cached()
      const images = world.commit({ b: [1n, 0n] })
      expect(await world.registers.apply(images)).toMatchObject({ absent: 1 })
      expect(await world.raw('b')).toBeNull()
    })

    test('without a watermark nothing is stored', async () => {
      const world = await cached()
      await world.dropWatermark()
      expect(await world.registers.apply(world.commit({ a: [2n, 0n] }))).toMatchObject({ absent: 1 })
      expect(await world.raw('a')).toContain('|5|0')
    })

    test('a delayed image does not bring a register of an old generation back to life', async () => {
      const world = await cached()
      const delayed = world.commit({ a: [2n, 0n] })
      world.commit({ a: [3n, 0n] })
      await world.dropWatermark()
      await world.relay.tick()
      expect(await world.registers.apply(delayed)).toMatchObject({ absent: 1 })
      expect(stateOf(await world.get('a'))).toEqual(['database', 3, '10', '0'])
    })

    test('images of another database epoch are refused', async () => {
      const world = await cached()
      const { images } = world.commit({ a: [2n, 0n] })
      const stranger = { epoch: '7340000000000000001.00000009.1.1.1.1', images }
      expect(await world.registers.apply(stranger)).toMatchObject({ refused: 1 })
      expect(stateOf(await world.get('a', world.newRegisters()))).toEqual(['redis', 1, '5', '0'])
      // Which history lives, only the database can tell the process that wrote another one.
      expect(stateOf(await world.get('a'))).toEqual(['database', 2, '7', '0'])
    })

    test('the same version with other bytes proves a fork: everything is void, and an alarm is raised', async () => {
      const world = await cached()
      const { generation } = await world.watermark()
      const { epoch } = world.database
      const forked = { epoch, images: [{ ref: world.ref('a'), version: 1, fields: ['6', '0'] }] } as const
      expect(await world.registers.apply(forked)).toMatchObject({ forked: 1, applied: 0 })
      expect((await world.watermark()).generation).not.toBe(generation)
      expect(world.observer.of('registerFork')).toEqual([{ count: 1 }])
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
    })

    test('an image that arrives after the relay brought it, or a later one, is skipped', async () => {
      const world = await cached()
      const second = world.commit({ a: [2n, 0n] })
      world.commit({ a: [3n, 0n] })
      await world.relay.tick()
      expect(await world.registers.apply(second)).toMatchObject({ skipped: 1 })
      expect(stateOf(await world.get('a'))).toEqual(['redis', 3, '10', '0'])
    })

    test('two images of one row in one call come to the newer one', async () => {
      const world = await cached()
      const [second, third] = [world.commit({ a: [2n, 0n] }), world.commit({ a: [3n, 0n] })]
      const images = [...third.images, ...second.images]
      expect(await world.registers.apply({ ...third, images })).toMatchObject({ applied: 1, skipped: 0 })
      expect(stateOf(await world.get('a'))).toEqual(['redis', 3, '10', '0'])
    })

    test('an amount that is not a plain whole number as text is refused before Redis is asked', async () => {
      const world = await cached()
      const before = await world.raw('a')
      for (const field of ['1e3', '1.5', '-0', '007', '', ' 1', 'NaN', '9'.repeat(81)]) {
        const images = [{ ref: world.ref('a'), version: 2, fields: [field, '0'] as const }]
        const apply = world.registers.apply({ epoch: world.database.epoch, images })
        await expect(apply).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'fields[0]' })
      }
      expect(await world.raw('a')).toBe(before)
    })

    test('every change is published with its generation, epoch and images', async () => {
      const world = await cached()
      const heard: string[] = []
      const subscriber = redis().duplicate()
      subscriber.on('message', (_channel: string, message: string) => heard.push(message))
      await whenReady(subscriber)
      await subscriber.subscribe(world.keys.registersChannel(world.companyId))
      const { generation, position } = await world.watermark()
      await world.registers.apply(world.commit({ a: [2n, 0n], b: [1n, 0n] }))
      await world.relay.tick()
      await world.registers.invalidate(world.ref('a'))
      await world.registers.invalidateAll(world.companyId)
      await expect.poll(() => heard.length).toBe(4)
      const pushes = heard.map(parsePush)
      const [keyA, keyB] = [world.keys.register(world.ref('a')), world.keys.register(world.ref('b'))]
      const entries = [
        { key: keyA, imageText: '0000000000000002|7|0' },
        { key: keyB, imageText: '0000000000000001|1|0' },
      ]
      const { epoch } = world.database
      expect(pushes[0]).toMatchObject({ generation, epoch, from: '', to: '', entries })
      expect(pushes[1]).toMatchObject({ generation, epoch, from: position, entries })
      expect(pushes[1]?.to).toBe((await world.watermark()).position)
      expect(pushes[2]?.entries).toEqual([{ key: keyA, imageText: undefined }])
      expect(pushes[3]).toMatchObject({ generation: (await world.watermark()).generation, entries: [] })
      await subscriber.quit()
    })
  })
}
