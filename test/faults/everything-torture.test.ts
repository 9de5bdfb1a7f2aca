/**
 * Vouchers and movements of stock from several processes, each sent until it is acknowledged and many of them again,
 * while the processes are killed, Redis is killed, frozen, emptied, full and cut off, and PostgreSQL is restarted and
 * killed. At the end one check of everything: each effect once, books that balance, caches that are the rows, and every
 * event heard once and in order.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { BalanceCache } from '@kerp/balance-cache'
import { seededRandom } from '@kerp/core/testing'
import { createKeys } from '@kerp/keys'
import {
  anyAccount,
  anyWarehouse,
  EventLog,
  Ledger,
  migrate,
  RegisterRows,
  StockLedger,
} from '@kerp/postgres'
import { openPrivatePostgres, type PrivatePostgres } from '@kerp/postgres/testing'
import { EventRelay, erpEvents, Subscriber } from '@kerp/pubsub'
import { closeRedis, connectRedis } from '@kerp/redis'
import { openPrivateRedis } from '@kerp/redis/testing'
import { Registers } from '@kerp/registers'
import { Redis } from 'ioredis'
import pg from 'pg'
import { expect, test } from 'vitest'
import { EventHearing } from './event-hearing.js'
import { type ServerFault, serverFaults } from './server-faults.js'
import { judgeStock, openStock } from './stock-judge.js'
import { Sender, strike, Told } from './torture-senders.js'
import { isVoucher, voucherOp } from './voucher-ops.js'

const FULL = process.env['KERP_TEST_FULL'] === '1'
const OPERATIONS = FULL ? 1_000_000 : 2_000
const PROCESSES = FULL ? 3 : 2
const CALLERS = FULL ? 400 : 50
const VOUCHER_SHARE = 0.5
const SEED = 20_261_127
const COMPANY = 'torture'
/** A million lines are added up. */
const AUDIT_MS = FULL ? 60_000 : 5_000
/** How often each happens; a short run leaves out what a kill of the database shows as well. */
const FAULTS: Readonly<Record<ServerFault | 'killedWorker', number>> = {
  killedWorker: FULL ? 40 : 1,
  killedRedis: FULL ? 10 : 1,
  frozenRedis: FULL ? 10 : 1,
  emptiedRedis: FULL ? 10 : 1,
  fullRedis: FULL ? 10 : 1,
  resetConnections: FULL ? 20 : 1,
  restartedDatabase: FULL ? 5 : 0,
  killedDatabase: FULL ? 5 : 1,
}
/** In a short run a fault lasts a quarter of the time. */
const PACE = FULL ? 1 : 0.25

/** All faults in an order of chance. */
function blowsOf(faults: Readonly<Record<keyof typeof FAULTS, () => unknown>>): readonly (() => unknown)[] {
  const random = seededRandom(SEED)
  const blows = Object.entries(FAULTS).flatMap(([name, times]) =>
    Array.from({ length: times }, () => ({ name: name as keyof typeof FAULTS, place: random.fraction() })),
  )
  return blows.sort((one, other) => one.place - other.place).map(({ name }) => faults[name])
}

/** What the vouchers add up to, by account. */
function expectedBalances(seeds: readonly number[], each: number) {
  const ids: string[] = []
  const balances = new Map<string, { debit: bigint; credit: bigint }>()
  for (const seed of seeds) {
    for (let n = 0; n < each; n += 1) {
      if (!isVoucher(seed, n, VOUCHER_SHARE)) continue
      const { id, lines } = voucherOp(COMPANY, seed, n)
      ids.push(id)
      for (const { account, debit = 0n, credit = 0n } of lines) {
        const before = balances.get(account) ?? { debit: 0n, credit: 0n }
        balances.set(account, { debit: before.debit + debit, credit: before.credit + credit })
      }
    }
  }
  return { ids: ids.sort(), balances }
}

/** Every voucher once, in the books and in the cache. */
async function judgeVouchers(
  pool: pg.Pool,
  redis: Redis,
  expected: ReturnType<typeof expectedBalances>,
): Promise<void> {
  const ledger = new Ledger({ pool, accounts: anyAccount, readDeadlineMs: AUDIT_MS })
  const { ok, differences, vouchers, debit, credit } = await ledger.audit(COMPANY)
  expect({ ok, differences, vouchers }).toEqual({ ok: true, differences: [], vouchers: expected.ids.length })
  expect(debit).toBe(credit)
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM kerp.voucher WHERE company = $1', [
    COMPANY,
  ])
  expect(rows.map(({ id }) => id).sort()).toEqual(expected.ids)
  const source = new RegisterRows({ pool })
  const cache = new BalanceCache({ registers: new Registers({ redis, keys: createKeys(), source }), source })
  const refs = [...expected.balances.keys()].map((account) => ({
    companyId: COMPANY,
    account,
    fiscalYear: 2026,
  }))
  for (const balance of await cache.getMany(refs)) {
    expect([balance.account, { debit: balance.debit, credit: balance.credit }]).toEqual([
      balance.account,
      expected.balances.get(balance.account),
    ])
  }
  await cache.getMany(refs)
  const audit = await cache.audit(COMPANY, { fiscalYear: 2026, repair: false })
  expect(audit).toMatchObject({ rows: refs.length, equal: refs.length })
  await ledger.close()
}

/** A pool whose connections may be lost. */
function openPool({ url }: PrivatePostgres): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 8 })
  pool.on('error', () => undefined)
  return pool
}

test('through every fault at once each acknowledged operation has one effect, books balance, caches are the rows and events have no gap', {
  timeout: 7_200_000,
}, async () => {
  await using postgres = await openPrivatePostgres({ settings: { max_connections: 100 } })
  await using server = await openPrivateRedis()
  const admin = new Redis({ path: server.socketPath, retryStrategy: () => 20, maxRetriesPerRequest: null })
  admin.on('error', () => undefined)
  const pool = openPool(postgres)
  await migrate(pool)
  const store = new StockLedger({ pool, warehouses: anyWarehouse, readDeadlineMs: AUDIT_MS })
  await openStock(store, COMPANY)
  const own = await connectRedis({ path: server.socketPath }, 20_000, {})
  const keys = createKeys()
  const log = new EventLog({ pool, deadlineMs: AUDIT_MS })
  const relay = new EventRelay({ redis: own, keys, source: log, backoffMsMax: 500 })
  relay.start()
  const subscriber = new Subscriber({ redis: own, keys, events: erpEvents })
  const hearing = new EventHearing(log, COMPANY)
  await hearing.listen(subscriber)

  const seeds = Array.from({ length: PROCESSES }, (_, at) => SEED + at)
  const each = Math.ceil(OPERATIONS / PROCESSES)
  const told = new Told()
  const senders = seeds.map((seed) => {
    const common = { databaseUrl: postgres.url, redisPath: server.socketPath, companyId: COMPANY, seeds }
    return new Sender(
      { ...common, seed, from: 0, to: each, callers: CALLERS, voucherShare: VOUCHER_SHARE },
      told,
    )
  })
  const beganMs = performance.now()
  const running = Promise.all(senders.map((sender) => sender.run()))
  const random = seededRandom(SEED + 1)
  const last = (ms: number): Promise<unknown> => wait(ms * PACE)
  await strike(
    senders,
    blowsOf({
      ...serverFaults({ redis: server, postgres, admin, last }),
      killedWorker: () => senders[Math.floor(random.fraction() * senders.length)]?.kill(),
    }),
  )
  await running
  const seconds = Math.round((performance.now() - beganMs) / 1_000)

  const movements = await judgeStock({ pool, redis: admin, store, companyId: COMPANY, told })
  const expected = expectedBalances(seeds, each)
  expect([...told.answers.keys()].filter((name) => name.startsWith('voucher ')).length).toBe(
    expected.ids.length,
  )
  await judgeVouchers(pool, admin, expected)
  const events = await hearing.judge()
  expect([...hearing.vouchers].sort()).toEqual(expected.ids)
  const { sendings, retries } = told
  const counts = { operations: each * PROCESSES, sendings, retries, vouchers: expected.ids.length, movements }
  const refused = Object.fromEntries(told.refusals)
  console.log(`seed ${SEED}`, JSON.stringify({ ...counts, ...events, refused, seconds, faults: FAULTS }))

  await subscriber.close()
  await relay.close()
  await closeRedis(own)
  admin.disconnect()
  await store.close()
  await pool.end()
})
