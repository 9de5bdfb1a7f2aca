/** Conformance: balances without versions are cached while nobody is about to change them, and not otherwise. */

import { type AccountRef, GuardedBalances, type GuardedBalancesOptions } from '@kerp/balance-cache'
import { manualClock, recordingObserver } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { describe, expect, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import type { Backend } from './backend.js'

const PATIENCE = { timeout: 20_000, interval: 20 }

interface Totals {
  readonly debit: bigint
  readonly credit: bigint
}

/** A table that holds nothing but totals, and processes that read and change it. */
class World {
  readonly companyId = freshCompany()
  readonly table = new Map<string, Totals>()
  readonly failures: string[] = []
  loads = 0
  /** Awaited between the reading of rows and the answer. */
  hesitate: () => Promise<void> = () => Promise.resolve()

  constructor(readonly backend: Backend) {}

  process(options: Partial<GuardedBalancesOptions> = {}): GuardedBalances {
    return new GuardedBalances({
      redis: this.backend.client(),
      keys: createKeys(),
      redisDeadlineMs: 60_000,
      guardDeadlineMs: 60_000,
      observer: { backgroundError: ({ code }) => this.failures.push(code) },
      source: {
        load: async (_companyId, refs) => {
          this.loads += 1
          const rows = refs.map(({ account }) => this.table.get(account) ?? { debit: 0n, credit: 0n })
          await this.hesitate()
          return rows
        },
      },
      ...options,
    })
  }

  ref(account: string): AccountRef {
    return { companyId: this.companyId, account, fiscalYear: 2026 }
  }

  /** What a process answers, and from where. */
  async seen(process: GuardedBalances, account = 'a'): Promise<readonly [bigint, string]> {
    const { debit, source } = await process.get(this.ref(account))
    return [debit, source]
  }

  set(debit: bigint, account = 'a'): void {
    this.table.set(account, { debit, credit: 0n })
  }

  /** Another debit total, under a guard. */
  commit(process: GuardedBalances, debit: bigint, account = 'a'): Promise<void> {
    return process.guard([this.ref(account)], async (operation) => {
      await operation.confirm()
      this.set(debit, account)
    })
  }

  /** How long the rows of the company stay marked, in ms; 0 when none is. */
  async markedMs(): Promise<number> {
    const lefts = await Promise.all((await this.#marks()).map((key) => this.backend.client().pttl(key)))
    return Math.max(0, ...lefts)
  }

  /** Lets all but so much of the marks' time pass. */
  async leaveMarked(ms: number): Promise<void> {
    for (const key of await this.#marks()) await this.backend.client().pexpire(key, ms)
  }

  async #marks(): Promise<readonly string[]> {
    const keys = await this.backend.client().keys(`*{${this.companyId}}*`)
    const types = await Promise.all(keys.map((key) => this.backend.client().type(key)))
    return keys.filter((_, index) => types[index] === 'hash')
  }

  /** Redis forgets everything of the company. */
  async forget(): Promise<void> {
    const redis = this.backend.client()
    for (const key of await redis.keys(`*{${this.companyId}}*`)) await redis.del(key)
  }
}

/** Runs the suite. */
export function guardedConforms(backend: Backend): void {
  describe(`on ${backend.name} a balance without a version`, () => {
    guardedReads(backend)
    guardedCommits(backend)
    lostGuards(backend)
  })
}

function guardedReads(backend: Backend): void {
  test('is loaded once and then comes from Redis, to the last digit', async () => {
    const world = new World(backend)
    const [one, other] = [world.process(), world.process()]
    const totals = { debit: 9_007_199_254_740_993n, credit: 10n ** 37n + 1n }
    world.table.set('a', totals)
    expect(await one.get(world.ref('a'))).toMatchObject({ ...totals, source: 'database' })
    const cached = await other.get(world.ref('a'))
    expect(cached).toMatchObject({ ...totals, balance: totals.debit - totals.credit, source: 'redis' })
    expect(world.loads).toBe(1)
  })

  test('is told of as a hit or a miss, and of what there was none nothing is told', async () => {
    const world = new World(backend)
    const observer = recordingObserver()
    const process = world.process({ observer })
    await world.seen(process)
    await world.seen(process)
    expect(observer.of('cacheRequest')).toEqual([
      { type: 'balance', result: 'miss', count: 1 },
      { type: 'balance', result: 'hit', count: 1 },
    ])
  })

  test('comes in the order asked for, twice if asked for twice, of several companies', async () => {
    const world = new World(backend)
    const elsewhere = { ...world.ref('b'), companyId: freshCompany() }
    world.set(1n, 'a')
    world.set(2n, 'b')
    await world.seen(world.process(), 'a')
    const read = await world.process().getMany([world.ref('b'), elsewhere, world.ref('a'), world.ref('b')])
    expect(read.map(({ debit, source }) => [debit, source])).toEqual([
      [2n, 'database'],
      [2n, 'database'],
      [1n, 'redis'],
      [2n, 'database'],
    ])
    expect(world.loads).toBe(3)
  })

  test('of a thousand readers of one process costs a few loads', async () => {
    const world = new World(backend)
    const observer = recordingObserver()
    const process = world.process({ observer })
    const asked = (): number =>
      observer.of('redisOperation').filter(({ operation }) => operation === 'read-guarded').length
    let goOn: () => void = () => undefined
    const held = new Promise<void>((resolve) => (goOn = resolve))
    world.hesitate = () => held
    const reads = Array.from({ length: 1_000 }, () => world.seen(process))
    await expect.poll(asked, PATIENCE).toBe(1_000)
    goOn()
    await Promise.all(reads)
    // One that began before the others asked, and one for all of these.
    expect(world.loads).toBe(2)
  })
}

function guardedCommits(backend: Backend): void {
  test('is not cached from before it may change until it is known how that ended', async () => {
    const world = new World(backend)
    const [writer, reader] = [world.process(), world.process()]
    await world.seen(reader)
    await writer.guard([world.ref('a')], async (operation) => {
      expect([await world.seen(reader), await world.seen(reader)]).toEqual([
        [0n, 'database'],
        [0n, 'database'],
      ])
      await operation.confirm()
      world.set(1n)
      expect(await world.seen(reader)).toEqual([1n, 'database'])
    })
    expect([await world.seen(reader), await world.seen(reader)]).toEqual([
      [1n, 'database'],
      [1n, 'redis'],
    ])
  })

  test('whose load began before a commit and ended after it is not stored', async () => {
    const world = new World(backend)
    const [writer, reader] = [world.process(), world.process()]
    let goOn: () => void = () => undefined
    const held = new Promise<void>((resolve) => (goOn = resolve))
    let began: () => void = () => undefined
    const begun = new Promise<void>((resolve) => (began = resolve))
    world.hesitate = () => {
      began()
      return held
    }
    const slow = world.seen(reader)
    await begun
    world.hesitate = () => Promise.resolve()
    await world.commit(writer, 1n)
    goOn()
    expect(await slow).toEqual([0n, 'database'])
    expect(await world.seen(writer)).toEqual([1n, 'database'])
  })

  test('that two operations are about to change is cached when both have ended', async () => {
    const world = new World(backend)
    const [one, other] = [world.process(), world.process()]
    await one.guard([world.ref('a')], async (first) => {
      await world.commit(other, 1n)
      expect([await world.seen(other), await world.seen(other)]).toEqual([
        [1n, 'database'],
        [1n, 'database'],
      ])
      await first.confirm()
      world.set(2n)
    })
    await world.seen(other)
    expect(await world.seen(one)).toEqual([2n, 'redis'])
  })

  test('is cached again at once when the work failed before it was confirmed', async () => {
    const world = new World(backend)
    const process = world.process()
    const failed = process.guard([world.ref('a')], () => Promise.reject(new Error('out of balance')))
    await expect(failed).rejects.toThrow('out of balance')
    await world.seen(process)
    expect(await world.seen(process)).toEqual([0n, 'redis'])
  })

  test('whose commit ended unknown is not cached before the database must have ended it', async () => {
    const world = new World(backend)
    const process = world.process({ operationMs: 60_000 })
    const failed = process.guard([world.ref('a')], async (operation) => {
      await operation.confirm()
      throw new Error('the connection was lost')
    })
    await expect(failed).rejects.toThrow('the connection was lost')
    expect([await world.seen(process), await world.seen(process)]).toEqual([
      [0n, 'database'],
      [0n, 'database'],
    ])
    world.set(1n)
    const markedMs = await world.markedMs()
    expect(markedMs > 0 && markedMs <= 60_000).toBe(true)
    await world.leaveMarked(1)
    await expect.poll(async () => (await world.seen(process))[1], PATIENCE).toBe('redis')
    expect(await world.seen(process)).toEqual([1n, 'redis'])
  })

  test('stays marked for as long as the work takes', async () => {
    const world = new World(backend)
    const clock = manualClock()
    const [writer, reader] = [world.process({ operationMs: 600_000, clock }), world.process()]
    await writer.guard([world.ref('a')], async (operation) => {
      for (let renewal = 0; renewal < 5; renewal += 1) {
        expect(await world.seen(reader)).toEqual([0n, 'database'])
        await world.leaveMarked(300_000)
        await clock.advance(200_000)
        await expect.poll(() => world.markedMs(), PATIENCE).toBeGreaterThan(300_000)
      }
      await operation.confirm()
    })
    expect(world.failures).toEqual([])
  })
}

function lostGuards(backend: Backend): void {
  test('refuses a commit whose mark Redis has lost', async () => {
    const world = new World(backend)
    const [writer, reader] = [world.process(), world.process()]
    const refused = writer.guard([world.ref('a'), world.ref('b')], async (operation) => {
      await world.forget()
      await world.seen(reader)
      await operation.confirm()
      world.set(1n)
    })
    await expect(refused).rejects.toMatchObject({
      code: 'OPERATION_LOST',
      retryable: true,
      rowsHeld: 0,
      rows: 2,
    })
    expect(await world.seen(reader)).toEqual([0n, 'database'])
    await world.commit(writer, 1n)
    expect(await world.seen(reader)).toEqual([1n, 'database'])
  })

  test('shows what was cached while its mark was lost until the commit is told, and that is observed', async () => {
    const world = new World(backend)
    const [writer, reader] = [world.process(), world.process()]
    await writer.guard([world.ref('a')], async (operation) => {
      await operation.confirm()
      await world.forget()
      await world.seen(reader)
      world.set(1n)
      expect(await world.seen(reader)).toEqual([0n, 'redis'])
    })
    expect(world.failures).toEqual(['OPERATION_LOST'])
    expect(await world.seen(reader)).toEqual([1n, 'database'])
  })

  test('refuses work that never confirmed, refs of two companies, and more operations than it may hold', async () => {
    const world = new World(backend)
    const process = world.process({ operationsMax: 1 })
    const here = [world.ref('a')]
    const silent = process.guard(here, () => Promise.resolve())
    await expect(silent).rejects.toMatchObject({ code: 'OPERATION_NOT_CONFIRMED', retryable: false })
    const mixed = process.guard([...here, { ...world.ref('a'), companyId: freshCompany() }], () =>
      Promise.resolve(),
    )
    await expect(mixed).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await process.guard(here, async (operation) => {
      const second = process.guard(here, () => Promise.resolve())
      await expect(second).rejects.toMatchObject({ code: 'OVERLOADED', retryable: true })
      await operation.confirm()
    })
  })
}
