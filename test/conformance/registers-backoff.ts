/** Conformance: what keeps a database that fails from being asked by every reader again. */

import { InvalidInputError, KerpError, type RegisterSource } from '@kerp/core'
import type { RedisClient } from '@kerp/redis'
import type { Registers } from '@kerp/registers'
import { describe, expect, test } from 'vitest'
import { stateOf, World } from '../registers/world.js'

/** Longer than any test. */
const LONG_MS = 60_000

export function backoffConformance(redis: () => RedisClient): void {
  async function failing(loadBackoffMs: number): Promise<{ world: World; processes: readonly Registers[] }> {
    const world = await World.relayed(redis(), { a: [5n, 0n], b: [6n, 0n] })
    world.database.failLoads = Number.POSITIVE_INFINITY
    // Long waits for each other's loads, for a process of a test may be paused at any time.
    const processes = [1, 2, 3, 4].map(() => world.newRegisters({ loadBackoffMs, waitMs: 1_000 }))
    return { world, processes }
  }

  async function codeOf(read: Promise<unknown>): Promise<unknown> {
    return read.then(
      () => 'answered',
      (error: unknown) =>
        error instanceof RangeError ? error.message : error instanceof KerpError && error.code,
    )
  }

  async function readInTime(read: () => Promise<unknown>): Promise<void> {
    await expect.poll(() => codeOf(read()), { timeout: 20_000, interval: 20 }).toBe('answered')
  }

  describe('a load that failed', () => {
    test('is not tried again by any of four processes before its back-off is over', async () => {
      const { world, processes } = await failing(LONG_MS)
      const reads = processes.flatMap((process) => [1, 2, 3].map(() => codeOf(world.get('a', process))))
      const codes = await Promise.all(reads)
      for (const process of processes) codes.push(await codeOf(world.get('a', process)))
      expect(new Set(codes)).toEqual(new Set(['the database is down', 'LOAD_BACKOFF']))
      expect(world.database.loads).toHaveLength(1)
    })

    test('is told with the code of its failure, as retryable, and with its cause where it happened', async () => {
      const { world, processes } = await failing(LONG_MS)
      const [first, second] = processes
      await expect(world.get('a', first)).rejects.toThrow('the database is down')
      const told = { code: 'LOAD_BACKOFF', retryable: true, loaderCode: 'UNEXPECTED' }
      await expect(world.get('a', second)).rejects.toMatchObject(told)
      await expect(world.get('a', second)).rejects.not.toHaveProperty('cause')
      await world.registers.invalidate(world.ref('a'))
      const cause: unknown = expect.any(RangeError)
      await expect(world.get('a', first)).rejects.toMatchObject({ ...told, cause })
      // The lease that it took to no purpose is given back.
      world.database.failLoads = 0
      await readInTime(() => world.get('a', second))
    })

    test('is tried again when its back-off is over, by itself', async () => {
      const { world, processes } = await failing(50)
      expect(await codeOf(world.get('a', processes[0]))).toBe('the database is down')
      world.database.failLoads = 0
      await readInTime(() => world.get('a', processes[1]))
      expect(stateOf(await world.get('a', processes[0]))).toEqual(['redis', 1, '5', '0'])
    })

    test('holds up no other row', async () => {
      const { world, processes } = await failing(LONG_MS)
      expect(await codeOf(world.get('a', processes[0]))).toBe('the database is down')
      world.database.failLoads = 0
      expect(stateOf(await world.get('b', processes[0]))).toEqual(['database', 1, '6', '0'])
      expect(stateOf(await world.get('b', processes[1]))).toEqual(['redis', 1, '6', '0'])
    })

    test('does not hide a commit: what comes meanwhile is there when its back-off is over', async () => {
      const { world, processes } = await failing(50)
      expect(await codeOf(world.get('a', processes[0]))).toBe('the database is down')
      await world.registers.apply(world.commit({ a: [2n, 0n] }))
      await world.relay.tick()
      world.database.failLoads = 0
      await readInTime(() => world.get('a', processes[1]))
      expect(stateOf(await world.get('a', processes[2]))).toEqual(['redis', 2, '7', '0'])
    })

    test('never takes the place of a row that another process has stored', async () => {
      const { world } = await failing(LONG_MS)
      const held: (() => void)[] = []
      const source: RegisterSource = {
        list: (listing) => world.database.list(listing),
        readEpoch: () => world.database.readEpoch(),
        load: () =>
          new Promise((_, reject) => held.push(() => reject(new RangeError('the database is down')))),
      }
      const hanging = codeOf(world.get('a', world.newRegisters({ source, loadBackoffMs: LONG_MS })))
      await expect.poll(() => held.length, { timeout: 20_000 }).toBe(1)
      world.database.failLoads = 0
      await world.registers.invalidate(world.ref('a'))
      await world.get('a')
      held[0]?.()
      expect(await hanging).toBe('the database is down')
      expect(stateOf(await world.get('a'))).toEqual(['redis', 1, '5', '0'])
    })

    test('is tried at once when it was no failure of the database, but a refusal', async () => {
      const { world } = await failing(LONG_MS)
      const source: RegisterSource = {
        list: (listing) => world.database.list(listing),
        load: () => Promise.reject(new InvalidInputError('account', 'an account of the ledger', 'a')),
      }
      const process = world.newRegisters({ source, loadBackoffMs: LONG_MS })
      expect(await codeOf(world.get('a', process))).toBe('INVALID_INPUT')
      expect(await codeOf(world.get('a', process))).toBe('INVALID_INPUT')
      world.database.failLoads = 0
      expect(stateOf(await world.get('a'))).toEqual(['database', 1, '5', '0'])
    })
  })
}
