/** Conformance: rows in the memory of a process, and how they follow what is committed. */

import { readTokenOf } from '@kerp/core'
import type { RedisClient } from '@kerp/redis'
import { describe, expect, test } from 'vitest'
import { LocalWorld, seen } from '../registers/local-world.js'

export function localTierConformance(redis: () => RedisClient): void {
  async function held(): Promise<LocalWorld> {
    const world = new LocalWorld(redis())
    world.commit({ a: [5n, 0n], b: [6n, 0n] })
    await world.relay.tick()
    return world
  }

  describe('a process that holds rows', () => {
    test('answers a row that it read from its own memory, and says so', async () => {
      await using world = await held()
      await using process = world.process()
      expect(seen(await process.get('a'))).toEqual(['database', 1, '5', '0'])
      await world.warm(process, 'a')
      expect(seen(process.peek('a'))).toEqual(['l1', 1, '5', '0'])
      expect(seen(await process.get('a'))).toEqual(['l1', 1, '5', '0'])
      expect(process.peek('never-read')).toBeUndefined()
    })

    test('answers from Redis what another process stored, and from memory from then on', async () => {
      await using world = await held()
      await using first = world.process()
      await using second = world.process()
      await world.warm(first, 'a')
      await world.warm(second, 'b')
      expect(seen(await second.get('a'))).toEqual(['redis', 1, '5', '0'])
      expect(seen(await second.get('a'))).toEqual(['l1', 1, '5', '0'])
    })

    test('sees a change at once by the fast path, and without it by the relay', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.registers.apply(world.commit({ a: [2n, 0n] }))
      await world.settle()
      expect(seen(process.peek('a'))).toEqual(['l1', 2, '7', '0'])
      world.commit({ a: [0n, 3n] })
      await world.beat()
      expect(seen(process.peek('a'))).toEqual(['l1', 3, '7', '3'])
    })

    test('goes on to Redis and the database for a reader whose token is newer', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      const token = readTokenOf(world.commit({ a: [2n, 0n] }))
      const [reading] = await process.registers.getMany(world.companyId, [world.ref('a')], { atLeast: token })
      expect(seen(reading)).toEqual(['database', 2, '7', '0'])
      await world.beat()
      const [later] = await process.registers.getMany(world.companyId, [world.ref('a')], { atLeast: token })
      expect(seen(later)).toEqual(['l1', 2, '7', '0'])
    })

    test('forgets a row that was invalidated, and all of them when all were', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.warm(process, 'b')
      await world.registers.invalidate(world.ref('a'))
      await world.settle()
      expect(process.peek('a')).toBeUndefined()
      expect(seen(process.peek('b'))).toEqual(['l1', 1, '6', '0'])
      await world.registers.invalidateAll(world.companyId)
      await world.settle()
      expect(process.peek('b')).toBeUndefined()
    })

    test('answers a mixed read in the order asked for, each row from the nearest place', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      const refs = [world.ref('none'), world.ref('a'), world.ref('b'), world.ref('a')]
      const readings = await process.registers.getMany(world.companyId, refs)
      expect(readings.map(({ image }) => image.ref.parts[0])).toEqual(['none', 'a', 'b', 'a'])
      expect(readings.map(({ source }) => source)).toEqual(['database', 'l1', 'database', 'l1'])
    })

    test('tells how many rows were read for its company, those from memory too, each once', async () => {
      await using world = await held()
      const process = world.process()
      await world.warm(process, 'a')
      await world.beat()
      const before = readsOf(world)
      for (let peek = 0; peek < 3; peek += 1) process.peek('a')
      await process.registers.getMany(world.companyId, [world.ref('none'), world.ref('a'), world.ref('b')])
      await process.registers.getMany(world.companyId, [world.ref('b'), world.ref('none')], { cut: true })
      await world.beat()
      expect(readsOf(world) - before).toBe(8)
      process.peek('a')
      await process[Symbol.asyncDispose]()
      expect(readsOf(world) - before).toBe(9)
    })

    test('finds a row under every spelling of its name, and updates it under one', async () => {
      await using world = new LocalWorld(redis())
      const [composed, decomposed] = ['매출'.normalize('NFC'), '매출'.normalize('NFD')]
      world.commit({ [composed]: [5n, 0n] })
      await using process = world.process()
      await process.registers.getMany(world.companyId, [world.ref(decomposed)])
      await world.warm(process, composed)
      await process.registers.getMany(world.companyId, [world.ref(decomposed)])
      world.commit({ [composed]: [2n, 0n] })
      await world.beat()
      expect(seen(process.peek(composed))).toEqual(['l1', 2, '7', '0'])
      expect(process.peek(decomposed)).toBeUndefined()
    })

    test('an answer stays what it was when its row moves on, and no caller can change it for another', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      const before = process.peek('a')
      expect(process.peek('a')).toBe(before)
      expect([before, before?.image].every(Object.isFrozen)).toBe(true)
      await world.registers.apply(world.commit({ a: [2n, 0n] }))
      await world.settle()
      expect(seen(process.peek('a'))).toEqual(['l1', 2, '7', '0'])
      expect(seen(before)).toEqual(['l1', 1, '5', '0'])
    })

    test('holds no more rows and bytes than it may, and keeps those that are read', async () => {
      await using world = new LocalWorld(redis())
      const accounts = Array.from({ length: 40 }, (_, index) => `n${index}`)
      world.commit(Object.fromEntries(accounts.map((account) => [account, [1n, 0n] as const])))
      await using process = world.process({ entriesMax: 10 })
      await world.warm(process, 'n0')
      for (const account of accounts) {
        await process.get(account)
        expect(seen(process.peek('n0')), `after ${account}`).toEqual(['l1', 1, '1', '0'])
      }
      expect(process.registers.freshness()?.entries).toBe(10)
      await using small = world.process({ bytesMax: 1_024 })
      await world.warm(small, 'n0')
      for (const account of accounts) await small.get(account)
      expect(small.registers.freshness()?.bytes).toBeLessThanOrEqual(1_024)
    })

    test('leaves nothing behind when it is closed, and answers from Redis and the database', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await process.registers.close()
      expect(process.peek('a')).toBeUndefined()
      expect(world.clock.timersPending).toBe(0)
      expect((await process.get('a')).image.version).toBe(1)
    })
  })

  describe('a cut', () => {
    test('comes from memory when every row stands where the relay is', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.warm(process, 'b')
      await world.beat()
      const refs = [world.ref('a'), world.ref('b')]
      const readings = await process.registers.getMany(world.companyId, refs, { cut: true })
      expect(readings.map(seen)).toEqual([
        ['l1', 1, '5', '0'],
        ['l1', 1, '6', '0'],
      ])
    })

    test('never shows half a voucher, of which the fast path brought one row further than the other', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.warm(process, 'b')
      await world.beat()
      const { epoch, images } = world.commit({ a: [0n, 2n], b: [2n, 0n] })
      await world.registers.apply({ epoch, images: images.slice(0, 1) })
      await world.settle()
      expect(seen(process.peek('a'))).toEqual(['l1', 2, '5', '2'])
      expect(seen(process.peek('b'))).toEqual(['l1', 1, '6', '0'])
      const loads = world.database.loads.length
      const refs = [world.ref('a'), world.ref('b')]
      const readings = await process.registers.getMany(world.companyId, refs, { cut: true })
      expect(readings.map(seen)).toEqual([
        ['database', 2, '5', '2'],
        ['database', 2, '8', '0'],
      ])
      expect(world.database.loads.slice(loads)).toHaveLength(1)
      await world.beat()
      const relayed = await process.registers.getMany(world.companyId, refs, { cut: true })
      expect(relayed.map(seen)).toEqual([
        ['l1', 2, '5', '2'],
        ['l1', 2, '8', '0'],
      ])
    })

    test('does not take a row that was read a moment ago for one of an earlier moment', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.beat()
      // Committed and loaded after the relay's target: `b` is ahead of where `a` stands.
      world.commit({ a: [0n, 2n], b: [2n, 0n] })
      expect(seen(await process.get('b'))).toEqual(['database', 2, '8', '0'])
      expect(seen(process.peek('b'))).toEqual(['l1', 2, '8', '0'])
      const refs = [world.ref('a'), world.ref('b')]
      const readings = await process.registers.getMany(world.companyId, refs, { cut: true })
      expect(readings.map(seen)).toEqual([
        ['database', 2, '5', '2'],
        ['database', 2, '8', '0'],
      ])
    })
  })
}

function readsOf({ observer, companyId }: LocalWorld): number {
  const work = observer.of('companyWork')
  expect(work.every((one) => one.companyId === companyId && one.work === 'read')).toBe(true)
  return work.reduce((sum, { count }) => sum + Number(count), 0)
}
