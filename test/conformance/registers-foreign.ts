/** Conformance: registers and relays of two databases that share one Redis without a namespace. */

import { manualClock } from '@kerp/core/testing'
import type { RedisClient } from '@kerp/redis'
import { MemoryDatabase } from '@kerp/registers/testing'
import { describe, expect, test } from 'vitest'
import { stateOf, World } from '../registers/world.js'

const OURS =
  '0a4b8c1e-1111-4111-8111-000000000001.7340000000000000001.00000001.16384.1767225600.16400.16400.16410.16410'
const THEIRS =
  '0a4b8c1e-2222-4222-8222-000000000002.7350000000000000002.00000001.16384.1767225601.16400.16400.16410.16410'
/** The standby of ours, which got an identity of its own when it was promoted. */
const PROMOTED =
  '0a4b8c1e-3333-4333-8333-000000000003.7340000000000000001.00000002.16384.1767225602.16400.16400.16410.16410'

const SILENT_MS = 5_000

export function foreignConformance(redis: () => RedisClient): void {
  /** Ours is cached; theirs has the same company, with other amounts. */
  async function sharing() {
    const world = new World(redis())
    world.database.epoch = OURS
    world.commit({ a: [5n, 0n] })
    await world.relay.tick()
    await world.get('a')
    const theirs = new MemoryDatabase()
    theirs.epoch = THEIRS
    theirs.commit(world.companyId, { a: [9n, 0n] })
    return { world, theirs }
  }

  describe('two databases on one Redis', () => {
    test('a reader answers from its own database what another one left in Redis, stores nothing over it, and says so once', async () => {
      const { world, theirs } = await sharing()
      const stored = await world.raw('a')
      const reader = world.newRegisters({ source: theirs })
      for (let read = 0; read < 3; read += 1) {
        expect(stateOf(await world.get('a', reader))).toEqual(['database', 1, '9', '0'])
        expect(stateOf(await world.get('b', reader))).toEqual(['database', 0, '0', '0'])
      }
      expect(await world.raw('a')).toBe(stored)
      expect(await world.raw('b')).toBeNull()
      expect(await reader.cached(world.companyId, [world.ref('a')])).toEqual([undefined])
      expect(stateOf(await world.get('a'))).toEqual(['redis', 1, '5', '0'])
      const { companyId } = world
      expect(world.observer.of('registerForeign')).toEqual([
        { companyId, databaseEpoch: THEIRS, registersEpoch: OURS },
      ])
      const said = world.observer.of('backgroundError').map(({ source, code }) => [source, code])
      expect(said).toEqual([['Registers', 'FOREIGN_DATABASE']])
      expect(reader.foreign()).toMatchObject({ companyId, registersEpoch: OURS })
      expect(world.registers.foreign()).toBeUndefined()
    })

    test('a process asks once of which database it is, and a thousand first reads share the question', async () => {
      const { world } = await sharing()
      let asked = 0
      const source = Object.assign(Object.create(world.database) as MemoryDatabase, {
        readEpoch: () => {
          asked += 1
          return world.database.readEpoch()
        },
      })
      const reader = world.newRegisters({ source })
      const reads = await Promise.all(Array.from({ length: 1_000 }, () => world.get('a', reader)))
      for (const reading of reads) expect(stateOf(reading)).toEqual(['redis', 1, '5', '0'])
      await world.get('a', reader)
      expect(asked).toBe(1)
    })

    test('whoever cannot say of which database it is answers nothing that Redis holds', async () => {
      const { world } = await sharing()
      const down = (): Promise<never> => Promise.reject(new RangeError('the database is down'))
      const source = Object.assign(Object.create(world.database) as MemoryDatabase, {
        readEpoch: down,
        load: down,
      })
      const reader = world.newRegisters({ source })
      await expect(world.get('a', reader)).rejects.toThrow('the database is down')
    })

    test('a database that was promoted is no other one: its relay starts over at once, its readers go on', async () => {
      const { world } = await sharing()
      world.database.epoch = PROMOTED
      expect(await world.relay.tick()).toMatchObject({ ok: true })
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
      expect(stateOf(await world.get('a'))).toEqual(['redis', 1, '5', '0'])
      expect(world.observer.of('registerForeign')).toEqual([])
      world.database.epoch = OURS
      expect(await world.relay.tick()).toMatchObject({ ok: false, error: { code: 'TIMELINE_BEHIND' } })
      expect(await world.watermark()).toMatchObject({ epoch: PROMOTED })
    })

    test('a relay leaves the company to the other database for as long as that one lives, and says so', async () => {
      const { world, theirs } = await sharing()
      const clock = manualClock()
      const relay = world.newRelay({ outbox: theirs, clock })
      for (let pass = 0; pass < 20; pass += 1) {
        await relay.tick()
        await clock.advance(SILENT_MS - 1)
        world.database.asOfMs += 1
        await world.relay.tick()
      }
      const error = { code: 'FOREIGN_DATABASE', companyId: world.companyId, registersEpoch: OURS }
      expect(await relay.tick()).toMatchObject({ ok: false, behind: 1, error })
      expect(relay.foreign).toMatchObject(error)
      expect(world.renewals()).toEqual(['absent'])
      expect(await world.watermark()).toMatchObject({ epoch: OURS })
      await relay.close()
    })

    test('a database that was restored into another one takes over when nobody moves what the former left', async () => {
      const { world, theirs } = await sharing()
      const clock = manualClock()
      const relay = world.newRelay({ outbox: theirs, clock })
      expect(await relay.tick()).toMatchObject({ ok: false, behind: 1, error: undefined })
      await clock.advance(SILENT_MS - 1)
      expect(await relay.tick()).toMatchObject({ ok: false, behind: 1, error: undefined })
      await clock.advance(1)
      expect(await relay.tick()).toMatchObject({ ok: true })
      expect(relay.foreign).toBeUndefined()
      expect(await world.watermark()).toMatchObject({ epoch: THEIRS })
      const reader = world.newRegisters({ source: theirs })
      await world.get('a', reader)
      expect(stateOf(await world.get('a', reader))).toEqual(['redis', 1, '9', '0'])
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
      await relay.close()
    })
  })
}
