/** Conformance: how long what is cached may be answered. One case for each rule that a schedule has broken. */

import { Command } from 'ioredis'
import type { RedisClient } from '@kerp/redis'
import { describe, expect, test } from 'vitest'
import { LocalWorld, seen, STALENESS_MS } from '../registers/local-world.js'

export function localTrustConformance(redis: () => RedisClient): void {
  async function held(): Promise<LocalWorld> {
    const world = new LocalWorld(redis())
    world.commit({ a: [5n, 0n], b: [6n, 0n] })
    await world.relay.tick()
    return world
  }

  function drops(world: LocalWorld): readonly unknown[] {
    return world.observer.of('localTierDrop').map(({ reason }) => reason)
  }

  describe('what is cached is answered only while somebody vouches for it', () => {
    test('not before a relay has echoed a probe, though Redis holds it', async () => {
      await using world = await held()
      await world.get('a')
      expect(seen(await world.get('a'))).toEqual(['redis', 1, '5', '0'])
      await using process = world.process()
      expect(seen(await process.get('a'))).toEqual(['database', 1, '5', '0'])
      await world.settle()
      await world.relay.tick()
      await world.beat()
      expect((await process.get('a')).source).not.toBe('database')
    })

    test('not longer than the bound after the probe was sent, when no relay runs', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      await world.clock.advance(STALENESS_MS)
      expect(seen(process.peek('a'))).toEqual(['l1', 1, '5', '0'])
      await world.clock.advance(1)
      expect(process.peek('a')).toBeUndefined()
      world.commit({ a: [2n, 0n] })
      expect(seen(await process.get('a'))).toEqual(['database', 2, '7', '0'])
      expect(process.registers.freshness()).toMatchObject({ trusted: false })
    })

    test('not when the machine was suspended, which only the wall clock shows', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      world.clock.jumpWallClock(STALENESS_MS + 1)
      expect(process.peek('a')).toBeUndefined()
      expect((await process.get('a')).source).toBe('database')
    })

    test('not longer because the wall clock was set back', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      world.clock.jumpWallClock(-3_600_000)
      await world.clock.advance(STALENESS_MS + 1)
      expect(process.peek('a')).toBeUndefined()
    })

    test('not longer because the wall clock was set back to the millisecond of the last look', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      expect(process.peek('a')?.source).toBe('l1')
      world.clock.jumpWallClock(-(STALENESS_MS + 1))
      await world.clock.advance(STALENESS_MS + 1)
      expect(process.peek('a')).toBeUndefined()
    })

    test('not by heartbeats that waited in a buffer until the process went on', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      process.line.hold()
      for (let round = 0; round < 4; round += 1) await world.beat()
      world.commit({ a: [2n, 0n] })
      await world.clock.advance(STALENESS_MS + 1)
      expect(process.peek('a')).toBeUndefined()
      process.line.release()
      expect(process.peek('a')).toBeUndefined()
      expect((await process.get('a')).image.version).toBe(2)
    })

    test('not when its pushes stay away, though heartbeats arrive', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      process.line.lose('p1|', Number.POSITIVE_INFINITY)
      world.commit({ a: [2n, 0n] })
      for (let round = 0; round < 6; round += 1) {
        await world.beat()
        if (round >= 5) expect(process.peek('a'), `round ${round}`).toBeUndefined()
      }
      expect((await process.get('a')).image.version).toBe(2)
    })

    test('not when the relay cannot write to it, while other companies are trusted', async () => {
      await using world = await held()
      const other = `${world.companyId}-other`
      world.database.commit(other, { a: [1n, 0n] })
      const ref = { companyId: other, family: 'balance', parts: ['a', '2026'] } as const
      await using process = world.process()
      await world.warm(process, 'a')
      for (let round = 0; round < 3; round += 1) {
        await process.registers.getMany(other, [ref])
        await world.beat()
      }
      expect(process.registers.peek(ref)?.source).toBe('l1')
      const relay = world.newRelay({ redis: refusing(world.redis, world.keys.watermark(other)) })
      world.database.commit(other, { a: [1n, 0n] })
      for (let round = 0; round < 6; round += 1) await world.beat(relay)
      expect(process.registers.peek(ref)).toBeUndefined()
      expect(process.peek('a')?.source).toBe('l1')
      const [reading] = await process.registers.getMany(other, [ref])
      expect(seen(reading)).toEqual(['database', 2, '2', '0'])
    })

    test('not from a Redis that went back in time, though the company is idle', async () => {
      await using world = await held()
      await world.get('a')
      const [watermark, register] = [await world.rawWatermark(), await world.raw('a')]
      world.commit({ a: [2n, 0n] })
      await using process = world.process()
      await world.warm(process, 'b')
      await world.putWatermark(watermark ?? '')
      await world.putRaw('a', register ?? '')
      expect(seen(await world.get('a'))).toEqual(['redis', 1, '5', '0'])
      expect(seen(await process.get('a'))).toEqual(['database', 2, '7', '0'])
    })

    test('not by a load of another reader that began long before', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'b')
      world.database.holding = true
      const early = process.get('a')
      await waitFor(() => world.database.held.length === 1)
      world.database.holding = false
      await world.clock.advance(2 * STALENESS_MS)
      world.commit({ a: [2n, 0n] })
      const late = process.get('a')
      await world.settle()
      world.database.held[0]?.release()
      expect((await early).image.version).toBe(1)
      expect((await late).image.version).toBe(2)
    })
  })

  describe('what is held is dropped', () => {
    test('when a push is missing', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      process.line.lose('|s1|', 1)
      process.line.lose(':a:2026|0000000000000002', 1)
      world.commit({ a: [2n, 0n] })
      await world.beat()
      world.commit({ b: [2n, 0n] })
      await world.beat()
      expect(drops(world)).toContain('gap')
      expect(process.peek('a')).toBeUndefined()
      expect((await process.get('a')).image.version).toBe(2)
    })

    test('when a heartbeat is missing, for a push may be missing with it', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      process.line.lose('h1|', 1)
      await world.beat()
      await world.beat()
      expect(drops(world)).toContain('gap')
      expect(process.peek('a')).toBeUndefined()
    })

    test('when the subscription was interrupted', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      process.line.cut()
      expect(process.peek('a')).toBeUndefined()
      expect(drops(world)).toContain('reconnect')
    })

    test('when one version has two values', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      const { generation, epoch, asOfMs } = await world.watermark()
      const row = `${world.keys.register(world.ref('a'))}|0000000000000001|6|0`
      const push = `p1|${generation}|${epoch}|||${asOfMs}\n${row}`
      await world.redis.publish(world.keys.registersChannel(world.companyId), push)
      await world.settle()
      expect(process.peek('a')).toBeUndefined()
      expect(drops(world)).toContain('fork')
    })

    test('when the database has another history, and its versions begin anew', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      world.database.epoch = world.database.epoch.replace('.00000001.', '.00000002.')
      world.database.tamper({ ref: world.ref('a'), version: 1, fields: ['4', '0'] })
      await world.beat()
      expect(process.peek('a')).toBeUndefined()
      expect(seen(await process.get('a'))).toEqual(['database', 1, '4', '0'])
      await world.warm(process, 'a')
      expect(seen(process.peek('a'))).toEqual(['l1', 1, '4', '0'])
    })
  })

  describe('relays', () => {
    test('of which several run vouch together, and one goes on when another stops', async () => {
      await using world = await held()
      await using process = world.process()
      const [first, second] = [world.newRelay(), world.newRelay()]
      await world.warm(process, 'a')
      for (let round = 0; round < 6; round += 1) {
        world.commit({ a: [1n, 0n] })
        await world.beat(round % 2 === 0 ? first : second)
        expect(process.peek('a')?.image.version, `round ${round}`).toBe(2 + round)
      }
      await first.close()
      for (let round = 0; round < 6; round += 1) await world.beat(second)
      expect(process.peek('a')?.image.version).toBe(7)
      expect(drops(world)).toEqual([])
    })

    test('echo only probes that they read before they took their target', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      const probe = (): number => Number(/\n[0-9a-f]+\|(\d+)/.exec(process.line.delivered.at(-1) ?? '')?.[1])
      await world.clock.advance(STALENESS_MS / 5)
      await world.settle()
      const real = world.database.tick.bind(world.database)
      world.database.tick = async (query) => {
        const tick = await real(query)
        await world.clock.advance(STALENESS_MS / 5)
        await world.settle()
        return tick
      }
      await world.relay.tick()
      await world.settle()
      const echoed = probe()
      world.database.tick = real
      await world.relay.tick()
      await world.settle()
      expect(probe()).toBe(echoed + 1)
    })

    test('tell how far they are after every company was written to', async () => {
      await using world = await held()
      await using process = world.process()
      await world.warm(process, 'a')
      const before = process.line.delivered.length
      world.commit({ a: [2n, 0n] })
      await world.beat()
      const kinds = process.line.delivered.slice(before).map((message) => message.slice(0, 2))
      expect(kinds).toEqual(['p1', 'h1'])
    })
  })
}

/** A client whose scripts fail when they touch a key. */
function refusing(redis: RedisClient, key: string): RedisClient {
  return new Proxy(redis, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        const words = args
          .flat()
          .flatMap((each) => (each instanceof Command ? [each.name, ...each.args] : [each]))
        if (words.includes(key) && (words[0] === 'evalsha' || words[0] === 'eval')) {
          throw new RangeError('the connection is down')
        }
        return (await Reflect.apply(value, target, args)) as unknown
      }
    },
  })
}

async function waitFor(ready: () => boolean): Promise<void> {
  for (let turn = 0; turn < 5_000 && !ready(); turn += 1)
    await new Promise((resolve) => setTimeout(resolve, 2))
  if (!ready()) throw new RangeError('it did not happen')
}
