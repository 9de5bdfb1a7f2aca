/**
 * A process that holds balances, beside a database that hangs or a Redis that is slow or readonly: whatever answers is
 * not older than the bound, and whoever is not answered is told so by name.
 */

import { BalanceCache } from '@kerp/balance-cache'
import { KerpError } from '@kerp/core'
import { Outbox, RegisterRows } from '@kerp/postgres'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSocketProxy } from '../postgres/socket-proxy.js'
import { LiveWorld } from '../registers/live-world.js'
import { openFaultProxy } from '../support/fault-proxy.js'

const MAX_STALENESS_MS = 1_000

/** Waits that a busy machine does not use up. */
const PATIENCE = { timeout: 20_000, interval: 20 } as const

let postgres: PrivatePostgres
beforeAll(async () => {
  postgres = await openPrivatePostgres()
})
afterAll(() => postgres.close())

/** A reader with a memory of its own, which notes until when it answered which version, and what it was refused with. */
class Reader implements AsyncDisposable {
  readonly #lastMs = new Map<number, number>()
  readonly #redis: Redis
  readonly #pool: pg.Pool
  readonly #registers: Registers
  readonly #cache: BalanceCache
  readonly #relay: OutboxRelay

  /** Its relay asks the same database, by the same way. */
  constructor(
    private readonly world: LiveWorld,
    redisPath: string,
    databaseUrl: string,
  ) {
    this.#redis = new Redis({ path: redisPath, maxRetriesPerRequest: 0, enableOfflineQueue: false })
    this.#redis.on('error', () => undefined)
    this.#pool = new pg.Pool({ connectionString: databaseUrl, max: 4 })
    this.#pool.on('error', () => undefined)
    const [source, outbox] = [new RegisterRows({ pool: this.#pool }), new Outbox({ pool: this.#pool })]
    const { keys } = world
    const localTier = { positions: outbox, maxStalenessMs: MAX_STALENESS_MS }
    this.#registers = new Registers({ redis: this.#redis, keys, source, readDeadlineMs: 1_500, localTier })
    this.#cache = new BalanceCache({ registers: this.#registers, source })
    this.#relay = new OutboxRelay({ redis: world.connect(), keys, outbox, pollMs: 10, heartbeatMs: 50 })
    this.#relay.start()
  }

  /** Where the answer came from, or the code of what it was refused with. */
  async read(): Promise<string> {
    const ref = this.world.ref('cash')
    const beforeMs = performance.now()
    try {
      const balance = this.#cache.peek(ref) ?? (await this.#cache.get(ref))
      this.#lastMs.set(balance.version, beforeMs)
      return balance.source
    } catch (error) {
      if (error instanceof KerpError && error.retryable) return error.code
      throw error
    }
  }

  /** How long after `ackedMs` a version below `version` was still answered. */
  staleMs(version: number, ackedMs: number): number {
    const late = [...this.#lastMs]
      .filter(([served]) => served < version)
      .map(([, lastMs]) => lastMs - ackedMs)
    return Math.max(0, ...late)
  }

  get newest(): number {
    return Math.max(...this.#lastMs.keys())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#relay.close(), this.#registers.close()])
    this.#redis.disconnect()
    await this.#pool.end()
  }
}

/** Reads without a pause until each of these answers, or refusals, was met, and says all that were. */
async function readUntil(reader: Reader, wanted: (met: ReadonlySet<string>) => boolean): Promise<string[]> {
  const met = new Set<string>()
  const endMs = performance.now() + PATIENCE.timeout
  while (performance.now() < endMs && !wanted(met)) {
    met.add(await reader.read())
    await new Promise((resolve) => setImmediate(resolve))
  }
  return [...met]
}

test('with a database that hangs, reads are refused by name by their deadline, and nothing stale is answered', async () => {
  await using server = await openPrivateRedis()
  await using proxy = await openSocketProxy(postgres.url)
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  await world.post('sales', 'cash', 1n)
  await using reader = new Reader(world, server.socketPath, proxy.url)
  await expect.poll(() => reader.read(), PATIENCE).toBe('l1')
  proxy.plan.frozen = true
  await world.post('sales', 'cash', 1n)
  const ackedMs = performance.now()
  const met = await readUntil(reader, (codes) => codes.has('DEADLINE_EXCEEDED') && codes.has('LOAD_BACKOFF'))
  expect(met).toEqual(expect.arrayContaining(['DEADLINE_EXCEEDED', 'LOAD_BACKOFF']))
  expect(reader.staleMs(2, ackedMs)).toBeLessThanOrEqual(MAX_STALENESS_MS)
  proxy.plan.frozen = false
  await expect.poll(() => reader.read(), PATIENCE).toBe('l1')
  expect(reader.newest).toBe(2)
})

test('with a Redis that answers too late, every read is answered by the database, and nothing stale', async () => {
  await using server = await openPrivateRedis()
  await using proxy = await openFaultProxy(server.socketPath)
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  await world.post('sales', 'cash', 1n)
  await using reader = new Reader(world, proxy.socketPath, postgres.url)
  await expect.poll(() => reader.read(), PATIENCE).toBe('l1')
  proxy.plan.replyDelayMs = 3_000
  await world.post('sales', 'cash', 1n)
  const ackedMs = performance.now()
  const met = await readUntil(reader, (sources) => sources.has('database') && reader.newest === 2)
  expect(met.filter((source) => source !== 'l1')).toEqual(['database'])
  expect(reader.staleMs(2, ackedMs)).toBeLessThanOrEqual(MAX_STALENESS_MS)
  proxy.heal()
  await expect.poll(() => reader.read(), PATIENCE).toBe('l1')
})

test('with a Redis that became readonly, every read is answered by the database, and nothing stale', async () => {
  await using server = await openPrivateRedis()
  await using world = await LiveWorld.open(server.socketPath, postgres.url)
  await world.post('sales', 'cash', 1n)
  await using reader = new Reader(world, server.socketPath, postgres.url)
  await expect.poll(() => reader.read(), PATIENCE).toBe('l1')
  const operator = world.connect()
  await expect.poll(() => operator.replicaof('127.0.0.1', 1).catch(() => ''), PATIENCE).toBe('OK')
  await world.post('sales', 'cash', 1n)
  const ackedMs = performance.now()
  const met = await readUntil(reader, (sources) => sources.has('database') && reader.newest === 2)
  expect(met).toContain('database')
  expect(['l1', 'redis', 'database']).toEqual(expect.arrayContaining(met))
  expect(reader.staleMs(2, ackedMs)).toBeLessThanOrEqual(MAX_STALENESS_MS)
  await operator.replicaof('NO', 'ONE')
  await expect.poll(() => reader.read(), PATIENCE).toBe('l1')
})
