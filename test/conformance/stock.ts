/** Conformance: stock that is moved in a store and read through Redis, on the mock as on a server. */

import type { StockStore } from '@kerp/core'
import { type ManualClock, manualClock } from '@kerp/core/testing'
import { ReservationSweeper, Stock, stockLevel, stockLevelJson } from '@kerp/inventory-lock'
import { createRedis, type RedisClient } from '@kerp/redis'
import type { Registers } from '@kerp/registers'
import { describe, expect, test } from 'vitest'
import { MemoryStock } from '@kerp/postgres/testing'
import { World } from '../registers/world.js'
import type { Backend } from './backend.js'

interface StockWorld extends Pick<World, 'companyId' | 'database' | 'observer' | 'relay'> {
  readonly stock: Stock
  readonly store: StockStore
  readonly clock: ManualClock
  /** Of the same database, on another Redis. */
  readonly newRegisters: (redis: RedisClient) => Registers
}

async function stockWorld(redis: RedisClient): Promise<StockWorld> {
  const world = new World(redis)
  const clock = manualClock()
  const store = new MemoryStock(world.database, clock)
  const { registers, database, observer, relay, companyId } = world
  const stock = new Stock({ store, registers, source: database, observer })
  await stock.adjust({ companyId, movementId: 'opening', item: 'A', warehouse: 'W1', quantity: 10_000n })
  await relay.tick()
  const newRegisters = (other: RedisClient): Registers => world.newRegisters({ redis: other })
  return { companyId, database, observer, relay, stock, store, clock, newRegisters }
}

/** Runs the suite on one backend. */
export function stockConforms(backend: Backend): void {
  const open = (): Promise<StockWorld> => stockWorld(backend.client())

  describe(`stock on ${backend.name}`, () => {
    test('a level is loaded once, then Redis answers, and each movement replaces it in place', async () => {
      const { stock, companyId } = await open()
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      expect(await stock.get(ref)).toMatchObject({ onHand: 10_000n, version: 1, source: 'database' })
      await stock.adjust({ ...ref, movementId: 'm1', quantity: -2_500n })
      expect(await stock.get(ref)).toMatchObject({
        ...ref,
        onHand: 7_500n,
        reserved: 0n,
        available: 7_500n,
        version: 2,
        source: 'redis',
      })
    })

    test('a transfer and a reservation are seen in every row they touch', async () => {
      const { stock, companyId } = await open()
      const refs = ['W1', 'W2', 'W3'].map((warehouse) => ({ item: 'A', warehouse }))
      await stock.getMany(companyId, refs)
      await stock.transfer({ companyId, movementId: 't', item: 'A', from: 'W1', to: 'W2', quantity: 4_000n })
      const lines = [{ item: 'A', warehouse: 'W2', quantity: 1_500n }]
      await stock.reserve({ companyId, reservationId: 'r', lines, ttlMs: 1_000 })
      const levels = await stock.getMany(companyId, refs)
      expect(
        levels.map(({ onHand, available, version, source }) => [onHand, available, version, source]),
      ).toEqual([
        [6_000n, 6_000n, 2, 'redis'],
        [4_000n, 2_500n, 2, 'redis'],
        [0n, 0n, 0, 'redis'],
      ])
    })

    test('movements of one moment are one call to Redis', async () => {
      const { stock, companyId, observer } = await open()
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      await stock.get(ref)
      const before = observer.of('redisOperation').length
      await Promise.all(
        Array.from({ length: 40 }, (_, n) => stock.adjust({ ...ref, movementId: `m${n}`, quantity: -1n })),
      )
      expect(observer.of('redisOperation').length - before).toBe(1)
      expect(await stock.get(ref)).toMatchObject({ onHand: 9_960n, version: 41, source: 'redis' })
    })

    test('a refusal changes nothing that is cached, and says what is there', async () => {
      const { stock, companyId } = await open()
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      await stock.get(ref)
      const refused = stock.adjust({ ...ref, movementId: 'm1', quantity: -10_001n })
      await expect(refused).rejects.toMatchObject({
        code: 'INSUFFICIENT_STOCK',
        shortages: [{ requested: 10_001n, available: 10_000n }],
      })
      expect(await stock.get(ref)).toMatchObject({ onHand: 10_000n, version: 1 })
    })

    test('a read that shows a movement’s token never sees less than it', async () => {
      const { stock, store, companyId } = await open()
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      await stock.get(ref)
      // As another process moves it, whose fast path is lost.
      const { token } = await store.adjust({ ...ref, movementId: 'm1', quantity: -1n })
      expect(await stock.get(ref)).toMatchObject({ version: 1, source: 'redis' })
      expect(await stock.get(ref, { atLeast: token })).toMatchObject({ version: 2, source: 'database' })
    })

    test('the relay brings what the fast path did not', async () => {
      const { stock, store, relay, companyId } = await open()
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      await stock.get(ref)
      await store.adjust({ ...ref, movementId: 'm1', quantity: -1n })
      expect(await stock.audit(companyId)).toMatchObject({ rows: 1, behind: 1 })
      await relay.tick()
      expect(await stock.get(ref)).toMatchObject({ version: 2, source: 'redis' })
      expect(await stock.audit(companyId)).toMatchObject({ rows: 1, equal: 1, different: 0 })
    })

    test('an audit finds a cached level that its row never was', async () => {
      const { stock, database, companyId } = await open()
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      await stock.get(ref)
      database.tamper({
        ref: { companyId, family: 'inventory', parts: ['A', 'W1'] },
        version: 1,
        fields: ['9999', '0'],
      })
      expect(await stock.audit(companyId)).toMatchObject({ rows: 1, different: 1 })
    })

    test('a lower fence than the row has seen is refused', async () => {
      const { stock, companyId } = await open()
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      await stock.adjust({ ...ref, movementId: 'm1', quantity: -1n, fence: '12' })
      const late = stock.adjust({ ...ref, movementId: 'm2', quantity: -1n, fence: '11' })
      await expect(late).rejects.toMatchObject({ code: 'FENCED', rowFence: '12' })
    })

    test('a sweeper frees goods when their time is up, and not before', async () => {
      const { stock, clock, companyId } = await open()
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      await stock.get(ref)
      const lines = [{ item: 'A', warehouse: 'W1', quantity: 6_000n }]
      await stock.reserve({ companyId, reservationId: 'r', lines, ttlMs: 5_000 })
      await using sweeper = new ReservationSweeper({ stock, clock, everyMs: 1_000 })
      sweeper.start()
      await clock.advance(4_000)
      expect(await stock.get(ref)).toMatchObject({ reserved: 6_000n, available: 4_000n })
      await clock.advance(2_000)
      await sweeper.close()
      expect(await stock.get(ref)).toMatchObject({ reserved: 0n, available: 10_000n, source: 'redis' })
      const late = stock.confirm({ companyId, reservationId: 'r' })
      await expect(late).rejects.toMatchObject({ code: 'RESERVATION_EXPIRED' })
    })

    test('a movement is done whether or not Redis can be reached', async () => {
      const { database, store, companyId, newRegisters } = await open()
      const lost = createRedis({ path: '/nowhere/redis.sock' }, {})
      lost.on('error', () => undefined)
      const stock = new Stock({ store, registers: newRegisters(lost), source: database })
      const ref = { companyId, item: 'A', warehouse: 'W1' }
      await stock.adjust({ ...ref, movementId: 'm1', quantity: -1n })
      expect(await stock.get(ref)).toMatchObject({ onHand: 9_999n, version: 2, source: 'database' })
      lost.disconnect()
    })
  })

  test('a level in JSON is in units, in shortest form', () => {
    const ref = { companyId: 'c1', family: 'inventory', parts: ['A', 'W1'] } as const
    expect(stockLevelJson(stockLevel({ ref, version: 3, fields: ['12500', '500'] }))).toEqual({
      item: 'A',
      warehouse: 'W1',
      quantity: '12.5',
      reserved: '0.5',
      available: '12',
      version: 3,
    })
  })
}
