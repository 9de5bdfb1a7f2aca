/** Conformance: a process sees what it committed itself, whatever its caches have heard of it. */

import type { RedisClient } from '@kerp/redis'
import { describe, expect, test } from 'vitest'
import { LocalWorld, type Process, seen } from '../registers/local-world.js'
import { until } from '../registers/world.js'

export function ownWritesConformance(redis: () => RedisClient): void {
  async function held(): Promise<LocalWorld> {
    const world = new LocalWorld(redis())
    world.commit({ a: [5n, 0n], b: [6n, 0n] })
    await world.relay.tick()
    return world
  }

  /** Commits, and hands the images to the process, as whoever posts does. */
  function write(world: LocalWorld, process: Process, account: string) {
    return process.registers.apply(world.commit({ [account]: [2n, 0n] }))
  }

  /** Redis answers the process again, as it finds out when somebody reads. */
  async function isBack(world: LocalWorld, { registers, line }: Process): Promise<void> {
    line.refuse(false)
    for (let look = 0; look < 50; look += 1) {
      const [cached] = await registers.cached(world.companyId, [world.ref('a')])
      if (cached !== undefined) return
      await world.settle()
    }
    throw new RangeError('it does not ask again')
  }

  describe('a process sees what it wrote', () => {
    test('when the call returns, before any message of it arrives', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      process.line.hold()
      await write(world, process, 'a')
      expect(seen(process.peek('a'))).toEqual(['l1', 2, '7', '0'])
      expect(seen(await process.get('a'))).toEqual(['l1', 2, '7', '0'])
      process.line.release()
      expect(seen(process.peek('a'))).toEqual(['l1', 2, '7', '0'])
    })

    test('while Redis is down', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      process.line.refuse(true)
      expect(await write(world, process, 'a')).toMatchObject({ unreachable: 1 })
      expect(seen(process.peek('a'))).toEqual(['l1', 2, '7', '0'])
      expect(seen(await process.get('a'))).toEqual(['l1', 2, '7', '0'])
    })

    test('when Redis is there again and holds what was before', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.get('b')
      process.line.refuse(true)
      await write(world, process, 'b')
      await isBack(world, process)
      for (let read = 0; read < 3; read += 1) {
        expect((await process.get('b')).image).toMatchObject({ version: 2, fields: ['8', '0'] })
      }
      expect(process.peek('b')?.image.version ?? 2).toBe(2)
    })

    test('although a load that had read the row before puts it in afterwards', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      world.database.holding = true
      const before = process.get('b')
      await until(() => world.database.held.length === 1)
      process.line.refuse(true)
      await write(world, process, 'b')
      await isBack(world, process)
      world.database.holding = false
      for (const load of world.database.held) load.release()
      await before
      expect(process.peek('b')?.image.version ?? 2).toBe(2)
      expect((await process.get('b')).image.version).toBe(2)
    })

    test('in a cut', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.warm(process, 'b')
      await world.beat()
      process.line.hold()
      await write(world, process, 'a')
      const refs = [world.ref('a'), world.ref('b')]
      const readings = await process.registers.getMany(world.companyId, refs, { cut: true })
      expect(readings.map(({ image }) => image.version)).toEqual([2, 1])
    })

    test('after the database was replaced, although Redis still has the history of before', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      world.database.epoch = world.database.epoch.replace('00000001', '00000002')
      await write(world, process, 'a')
      expect(process.peek('a')).toBeUndefined()
      expect(seen(await process.get('a'))).toEqual(['database', 2, '7', '0'])
    })

    test('when it wrote more rows in a moment than it remembers', async () => {
      await using world = await held()
      await using process = world.process({ maxStalenessMs: 3_600_000 })
      await world.warm(process, 'a')
      await world.get('b')
      process.line.refuse(true)
      const others = Array.from({ length: 10_000 }, (_, n) => [`n${n}`, [1n, 0n]] as const)
      await process.registers.apply(world.commit({ b: [2n, 0n], ...Object.fromEntries(others) }))
      await isBack(world, process)
      expect(seen(await process.get('b'))).toEqual(['database', 2, '8', '0'])
      // A probe that was sent later proves enough again.
      for (let beat = 0; beat < 5; beat += 1) await world.clock.advance(720_000).then(() => world.beat())
      expect((await process.get('b')).source).not.toBe('database')
    })

    test('without rows in its memory, although a Redis that was down holds what was before', async () => {
      await using world = await held()
      await using process = world.bareProcess()
      await process.get('a')
      process.line.refuse(true)
      await write(world, process, 'a')
      await isBack(world, process)
      for (let read = 0; read < 3; read += 1) expect((await process.get('a')).image.version).toBe(2)
      expect((await world.get('a')).image.version).toBe(1)
    })

    test('although another process stores the row of before while it waits for that', async () => {
      await using world = await held()
      await using process = world.bareProcess()
      await world.get('a')
      world.database.holding = true
      const other = world.get('b')
      await until(() => world.database.held.length === 1)
      process.line.refuse(true)
      await write(world, process, 'b')
      await isBack(world, process)
      const reading = process.get('b')
      for (let turn = 0; turn < 20; turn += 1) await world.settle()
      world.database.holding = false
      for (const load of world.database.held) load.release()
      expect((await other).image.version).toBe(1)
      await world.clock.advance(100)
      for (let turn = 0; turn < 5; turn += 1) await world.clock.advance(100)
      expect((await reading).image.version).toBe(2)
    })

    test('when it voided a row, or all of a company', async () => {
      await using world = await held()
      await using process = world.process()
      const tamper = (account: string, debit: string): void => {
        const { ref, version } = world.database.row(world.ref(account))
        world.database.tamper({ ref, version, fields: [debit, '0'] })
      }
      await world.warm(process, 'a')
      await world.warm(process, 'b')
      process.line.hold()
      tamper('a', '50')
      await process.registers.invalidate(world.ref('a'))
      expect(process.peek('a')).toBeUndefined()
      expect((await process.get('a')).image.fields[0]).toBe('50')
      tamper('b', '60')
      await process.registers.invalidateAll(world.companyId)
      expect(process.peek('b')).toBeUndefined()
      expect((await process.get('b')).image.fields[0]).toBe('60')
    })

    test('when it voided a row, or all of a company, and Redis did not hear of it', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.warm(process, 'b')
      for (const [account, voided] of [
        ['a', () => process.registers.invalidate(world.ref('a'))],
        ['b', () => process.registers.invalidateAll(world.companyId)],
      ] as const) {
        const before = world.database.row(world.ref(account))
        world.database.tamper({ ...before, fields: ['50', '0'] })
        process.line.refuse(true)
        await expect(voided()).rejects.toMatchObject({ retryable: true })
        await isBack(world, process)
        expect(process.peek(account)).toBeUndefined()
        // What was committed before comes late, and says nothing of the row now.
        await process.registers.apply({ epoch: world.database.epoch, images: [before] })
        const reading = await process.get(account)
        expect([reading.source, reading.image.fields[0]]).toEqual(['database', '50'])
        expect(process.peek(account)).toBeUndefined()
      }
    })
  })
}
