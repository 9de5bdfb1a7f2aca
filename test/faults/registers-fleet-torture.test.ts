/**
 * A fleet of processes on real servers while everything breaks: Redis is killed, frozen, emptied, starved and put back
 * to an old dump, PostgreSQL is restarted, the relay is killed and suspended, connections lose replies and are cut.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { seededRandom } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import { migrate, Outbox } from '@kerp/postgres'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { openPrivateRedis, type PrivateRedis } from '@kerp/redis/testing'
import { OutboxRelay } from '@kerp/registers'
import { Redis } from 'ioredis'
import pg from 'pg'
import { expect, test } from 'vitest'
import { type FaultProxy, openFaultProxy } from '../support/fault-proxy.js'
import { freshCompany } from '../support/fresh-company.js'
import { Fleet } from './fleet.js'
import type { Outage } from './fleet-judge.js'
import { nowMs } from './fleet-words.js'
import { serverFaults } from './server-faults.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const READS = FULL ? 1_000_000 : 10_000
/** How often each kind of fault happens, at least. */
const ROUNDS = FULL ? 6 : 1
/** Short runs leave out what is most like another. */
const LEFT_OUT = new Set(['restartedDatabase', 'swallowedReplies', 'slowReplies'])
const PEACE_READS = 1_000
const PEACE_WAITS = 150
const SEED = 20_261_125
/** In a short run all times are half as long, the bound too. */
const PACE = FULL ? 1 : 0.5
const MAX_STALENESS_MS = 1_000 * PACE

class Torture implements AsyncDisposable {
  readonly companyId = freshCompany()
  readonly random = seededRandom(SEED)
  readonly outages: Outage[] = []
  readonly deeds: Record<string, number> = {}
  readonly admin: Redis
  readonly pool: pg.Pool
  readonly #servers: ReturnType<typeof serverFaults>
  #fleet: Fleet | undefined

  private constructor(
    readonly redis: PrivateRedis,
    readonly postgres: PrivatePostgres,
    readonly proxy: FaultProxy,
  ) {
    // From outside, past the proxy.
    this.admin = new Redis({ path: redis.socketPath, retryStrategy: () => 20, maxRetriesPerRequest: null })
    this.admin.on('error', () => undefined)
    this.pool = new pg.Pool({ connectionString: postgres.url, max: 4 })
    this.pool.on('error', () => undefined)
    const last = (ms: number): Promise<void> => this.#while(ms)
    this.#servers = serverFaults({ redis, postgres, admin: this.admin, last })
  }

  static async open(): Promise<Torture> {
    const redis = await openPrivateRedis()
    const postgres = await openPrivatePostgres({ settings: { max_connections: 80 } })
    const torture = new Torture(redis, postgres, await openFaultProxy(redis.socketPath))
    await migrate(torture.pool)
    return torture
  }

  get fleet(): Fleet {
    if (this.#fleet === undefined) throw new Error('not started')
    return this.#fleet
  }

  async start(): Promise<void> {
    const { companyId } = this
    const common = { redisPath: this.proxy.socketPath, databaseUrl: this.postgres.url }
    this.#fleet = await Fleet.start({ ...common, companyId, maxStalenessMs: MAX_STALENESS_MS }, SEED)
  }

  /** One fault after the other, in an order of chance; each is over when its function returns. */
  readonly faults: Readonly<Record<string, () => Promise<unknown>>> = {
    killedRedis: () => this.#servers.killedRedis(),
    frozenRedis: () => this.#servers.frozenRedis(),
    emptiedRedis: () => this.#servers.emptiedRedis(),
    starvedRedis: async () => {
      await this.admin.config('SET', 'maxmemory-policy', 'allkeys-random')
      await this.admin.config('SET', 'maxmemory', '1500kb')
      for (let index = 0; index < 300; index += 1) {
        await this.admin.set(`noise:${index}`, 'x'.repeat(2_000)).catch(() => undefined)
      }
      await this.#while(300)
      await this.admin.config('SET', 'maxmemory', '0')
      await this.admin.config('SET', 'maxmemory-policy', 'noeviction')
    },
    oldRedis: async () => {
      await this.admin.save()
      await this.#while(800)
      await this.redis.kill()
      await this.redis.restart({ keepData: true })
    },
    restartedDatabase: () => this.#withoutDatabase(() => this.#servers.restartedDatabase()),
    killedDatabase: () => this.#withoutDatabase(() => this.#servers.killedDatabase()),
    killedRelay: async () => {
      this.fleet.killRelay()
      await this.#while(1_200)
      await this.fleet.startRelay()
    },
    suspendedRelay: () => this.fleet.suspend('relay', 1_800 * PACE),
    suspendedReader: () => this.fleet.suspend(Math.floor(this.random.fraction() * 3), 1_800 * PACE),
    cutConnections: async () => {
      for (let cuts = 3; cuts > 0; cuts -= 1) {
        this.proxy.cut()
        await this.#while(150)
      }
    },
    lostReplies: async () => {
      this.proxy.plan.losesReply = () => this.random.fraction() < 0.05
      await this.#while(800)
      this.proxy.heal()
    },
    swallowedReplies: async () => {
      this.proxy.plan.blackhole = this.random.fraction() < 0.5 ? 'replies' : 'both'
      await this.#while(1_500)
      this.proxy.heal()
    },
    slowReplies: async () => {
      this.proxy.plan.replyDelayMs = 30
      await this.#while(600)
      this.proxy.heal()
    },
  }

  /** Some time under a fault; half to one and a half times of it. */
  #while(meanMs: number): Promise<void> {
    return wait(PACE * meanMs * (0.5 + this.random.fraction()))
  }

  async #withoutDatabase(outage: () => Promise<unknown>): Promise<void> {
    const fromMs = nowMs()
    await outage()
    this.outages.push({ fromMs, toMs: nowMs() })
  }

  /** Until memory is believed again, so that the next fault meets a fleet at full speed; not for ever. */
  async peace(): Promise<void> {
    const seen = this.fleet.judge.counts['l1'] ?? 0
    for (let waits = 0; waits < PEACE_WAITS; waits += 1) {
      if ((this.fleet.judge.counts['l1'] ?? 0) > seen + PEACE_READS) return
      await wait(20)
    }
  }

  /** Every fault once, with some peace after each. */
  async round(): Promise<void> {
    const faults = Object.entries(this.faults).filter(([name]) => FULL || !LEFT_OUT.has(name))
    const order = faults.map((fault) => ({ fault, place: this.random.fraction() }))
    for (const { fault } of order.sort((a, b) => a.place - b.place)) {
      const [name, run] = fault
      this.deeds[name] = (this.deeds[name] ?? 0) + 1
      await run()
      await this.peace()
    }
  }

  /** Everybody stops; what the relay owes is brought; what is older than the bound is gone. Then all is compared. */
  async compareAtRest(): Promise<readonly string[]> {
    await this.fleet.rest()
    const outbox = new Outbox({ pool: this.pool })
    await using relay = new OutboxRelay({ redis: this.admin, keys: createKeys(), outbox })
    await relay.caughtUp({ deadlineMs: 60_000 })
    await wait(MAX_STALENESS_MS)
    const { rows } = await this.pool.query<{ state: string }>(
      `SELECT concat_ws(' ', account, version, debit, credit) AS state FROM kerp.balance WHERE company = $1`,
      [this.companyId],
    )
    const present = new Set(rows.map(({ state }) => state))
    const looked = await this.fleet.look()
    return looked.flat().filter((state) => !present.has(state) && !state.endsWith(' 0 0 0'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fleet?.[Symbol.asyncDispose]()
    this.admin.disconnect()
    await this.pool.end()
    await this.proxy.close()
    await this.redis.close()
    await this.postgres[Symbol.asyncDispose]()
  }
}

test('three processes read true balances, none older than promised, whatever breaks between them and the servers', {
  timeout: 3_600_000,
}, async () => {
  await using torture = await Torture.open()
  await torture.start()
  const { fleet, companyId, outages } = torture
  const wrongAtRest: string[] = []
  for (let round = 0; round < ROUNDS || fleet.judge.reads < READS; round += 1) {
    fleet.go()
    await torture.peace()
    await torture.round()
    wrongAtRest.push(...(await torture.compareAtRest()))
  }
  const verdict = await fleet.judge.judge(torture.pool, companyId, outages, MAX_STALENESS_MS)
  const worstMs = Math.round(fleet.judge.worstMs)
  console.log(`seed ${SEED}`, JSON.stringify({ ...fleet.judge.counts, worstMs, ...torture.deeds }))
  expect({ ...verdict, wrongAtRest }).toEqual({
    foreign: [],
    stale: [],
    wrong: [],
    failed: [],
    wrongAtRest: [],
  })
  expect(fleet.judge.counts['l1']).toBeGreaterThan(1_000)
  expect(fleet.judge.counts['redis']).toBeGreaterThan(0)
})
