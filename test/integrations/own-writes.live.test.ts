/** With the usual wiring on real servers, whoever wrote reads what he wrote. */

import { erpInvalidationRules, erpTags, Invalidator, ReadThrough } from '@kerp/cache'
import { jsonCodec } from '@kerp/core'
import { createKeys } from '@kerp/keys'
import { anyAccount, anyWarehouse } from '@kerp/postgres'
import { erpEvents } from '@kerp/pubsub'
import { Realtime, type RealtimeOptions } from '@kerp/realtime'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { type OwnDatabase, ownDatabase, twoLines } from '../postgres/own-database.js'
import { freshCompany } from '../support/fresh-company.js'
import { until } from '../registers/world.js'

const TIMES = 200

let database: OwnDatabase
beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})
afterAll(() => database.close())

interface Service {
  readonly realtime: Realtime
  readonly redis: Redis
  readonly companyId: string
}

/** A service that is trusted with what it caches. */
async function service(options: Partial<RealtimeOptions> = {}): Promise<Service> {
  const redis = new Redis({ path: inject('redisSocket') })
  const { pool } = database
  const realtime = new Realtime({
    logger: false,
    redis,
    pool,
    accounts: anyAccount,
    warehouses: anyWarehouse,
    ...options,
  })
  const companyId = freshCompany()
  realtime.start()
  onTestFinished(async () => {
    await realtime.close()
    redis.disconnect()
  })
  await realtime.balances.get({ companyId, account: '1101', fiscalYear: 2026 })
  await until(() => realtime.registers.freshness()?.trusted !== false)
  return { realtime, redis, companyId }
}

async function postings({ realtime, companyId }: Service, from: number): Promise<number> {
  const { ledger, balances } = realtime
  const ref = { companyId, account: '1101', fiscalYear: 2026 }
  let seen = 0
  for (let at = from; at < from + TIMES; at += 1) {
    await balances.get(ref)
    const posted = await ledger.post(twoLines(companyId, `V-${at}`, 1n))
    await balances.apply(posted)
    const peeked = balances.peek(ref)?.debit ?? BigInt(at + 1)
    const balance = await balances.get(ref)
    if (balance.debit === BigInt(at + 1) && peeked === balance.debit) seen += 1
  }
  return seen
}

test('a posting that was applied is in the balance that is read next, 200 of 200 times', async () => {
  expect(await postings(await service(), 0)).toBe(TIMES)
})

test('a posting that was applied is read next although Redis has gone away', async () => {
  const of = await service()
  await postings(of, 0)
  of.redis.disconnect()
  expect(await postings(of, TIMES)).toBe(TIMES)
})

test('a posting that was applied is read next where the process holds no rows', async () => {
  expect(await postings(await service({ localTier: false }), 0)).toBe(TIMES)
})

test('a posting is in the cached report that is read next, 200 of 200 times, although Redis goes away and comes back', async () => {
  const { realtime, redis, companyId } = await service()
  const keys = createKeys()
  const cache = new ReadThrough({ redis, keys })
  const report = cache.define({
    type: 'report',
    key: (ref: { companyId: string }) => keys.cached({ ...ref, type: 'report', id: '2026' }),
    tags: () => [erpTags.vouchers(2026)],
    load: async (ref) => String((await realtime.ledger.trialBalance(ref.companyId, 2026)).debit),
    codec: jsonCodec({ version: 1, check: String }),
    local: { ttlMs: 60_000 },
  })
  const invalidator = new Invalidator({ cache, events: erpEvents, rules: erpInvalidationRules })
  const posted = { companyId, type: 'events:voucher:created', payload: { fiscalYear: 2026 } }
  let seen = 0
  for (let at = 0; at < TIMES; at += 1) {
    await report.get({ companyId })
    await realtime.ledger.post(twoLines(companyId, `V-${at}`, 1n))
    if (at % 20 === 10) redis.disconnect(true)
    await invalidator.apply([posted])
    if ((await report.get({ companyId })) === String(at + 1)) seen += 1
  }
  expect(seen).toBe(TIMES)
})

test('a movement is in the level that is read next, 200 of 200 times', async () => {
  const { realtime, companyId } = await service()
  const { stock } = realtime
  const [item, warehouse] = ['A', 'W1']
  let seen = 0
  for (let at = 0; at < TIMES; at += 1) {
    await stock.get({ companyId, item, warehouse })
    await stock.adjust({ companyId, movementId: `M-${at}`, item, warehouse, quantity: 1_000n })
    const level = await stock.get({ companyId, item, warehouse })
    if (level.onHand === 1_000n * BigInt(at + 1)) seen += 1
  }
  expect(seen).toBe(TIMES)
})

test('a transfer, a reservation and every way in which it ends are seen by who asked for them', async () => {
  const { realtime, companyId } = await service()
  const { stock } = realtime
  const item = 'A'
  const levels = async () => {
    const read = await stock.getMany(companyId, [
      { item, warehouse: 'W1' },
      { item, warehouse: 'W2' },
    ])
    return read.map(({ onHand, reserved }) => [onHand, reserved])
  }
  await stock.adjust({ companyId, movementId: 'IN', item, warehouse: 'W1', quantity: 100n })
  for (let round = 0n; round < 20n; round += 1n) {
    const id = String(round)
    await stock.transfer({ companyId, movementId: `T-${id}`, item, from: 'W1', to: 'W2', quantity: 1n })
    const [one, other] = [100n - 2n * round - 1n, round + 1n]
    expect(await levels()).toEqual([
      [one, 0n],
      [other, 0n],
    ])
    const reserve = (reservationId: string, ttlMs: number) =>
      stock.reserve({
        companyId,
        reservationId,
        ttlMs,
        lines: [{ item, warehouse: 'W1', quantity: 1n }],
      })
    await reserve(`X-${id}`, 60_000)
    expect((await levels())[0]).toEqual([one, 1n])
    await stock.cancel({ companyId, reservationId: `X-${id}` })
    expect((await levels())[0]).toEqual([one, 0n])
    await reserve(`C-${id}`, 60_000)
    await stock.confirm({ companyId, reservationId: `C-${id}` })
    expect((await levels())[0]).toEqual([one - 1n, 0n])
  }
  await stock.reserve({
    companyId,
    reservationId: 'E',
    ttlMs: 1,
    lines: [{ item, warehouse: 'W2', quantity: 1n }],
  })
  // By this call, or by the sweeper, which is of the same process.
  let isExpired = false
  while (!isExpired) {
    const { expired } = await stock.expire({ limit: 100 })
    const [onHand, reserved] = (await levels())[1] ?? []
    expect([onHand, expired > 0 ? reserved : 0n]).toEqual([20n, 0n])
    isExpired = reserved === 0n
  }
})

test('a reversal, and a posting inside a transaction of the host, are seen when they were applied', async () => {
  const { realtime, companyId } = await service()
  const { ledger, balances } = realtime
  const ref = { companyId, account: '1101', fiscalYear: 2026 }
  for (let round = 0; round < 20; round += 1) {
    const client = await database.pool.connect()
    await client.query('BEGIN')
    const posted = await ledger.postWithin(client, twoLines(companyId, `V-${round}`, 5n))
    await client.query('COMMIT')
    client.release()
    await balances.apply(posted)
    expect((await balances.get(ref)).balance).toBe(5n)
    await balances.apply(await ledger.reverse(companyId, `V-${round}`, { id: `R-${round}` }))
    expect((await balances.get(ref)).balance).toBe(0n)
  }
})
