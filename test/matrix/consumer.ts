/**
 * A small service as a stranger writes it: balances, keys, a lock, a pool. Packed packages compile and run it in every
 * combination of the matrix (`npm run matrix`); it throws unless everything holds.
 *
 * `node consumer.js mock` runs on the double, `node consumer.js server` on a redis-server from PATH.
 */

import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { type AccountRef, type BalanceTotals, GuardedBalances } from '@kerp/balance-cache'
import { InvalidAmountError, KerpError, parseAmount } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { Locks } from '@kerp/inventory-lock'
import { createKeys, parseKey } from '@kerp/keys'
import { closeRedis, connectRedis, type RedisClient } from '@kerp/redis'
import { mockRedis, openPrivateRedis } from '@kerp/redis/testing'
import { createPool } from '@kerp/worker-pool'

const AMOUNT = 9_007_199_254_740_993n
const keys = createKeys()

async function balances(redis: RedisClient): Promise<void> {
  const table = new Map<string, BalanceTotals>()
  let statements = 0
  const guarded = new GuardedBalances({
    redis,
    keys,
    redisDeadlineMs: 10_000, // a busy machine is no fault here
    source: {
      load(_companyId, refs) {
        statements += 1
        return Promise.resolve(refs.map(({ account }) => table.get(account) ?? { debit: 0n, credit: 0n }))
      },
    },
  })
  const cash: AccountRef = { companyId: 'c1', account: '1101', fiscalYear: 2026 }
  await guarded.guard([cash], async (operation) => {
    await operation.confirm()
    table.set('1101', { debit: AMOUNT, credit: 1n })
  })
  const [loaded, cached] = [await guarded.get(cash), await guarded.get(cash)]
  deepEqual([loaded.balance, loaded.source], [AMOUNT - 1n, 'database'])
  deepEqual([cached.balance, cached.source, statements], [AMOUNT - 1n, 'redis', 1])
}

function names(): void {
  const key = keys.inventory({ companyId: 'c1', item: '연필 2B', warehouse: 'W1' })
  equal(key, 'inventory:{c1}:%EC%97%B0%ED%95%84%202B:W1')
  deepEqual(parseKey(key), {
    family: 'inventory',
    namespace: undefined,
    companyId: 'c1',
    item: '연필 2B',
    warehouse: 'W1',
  })
}

async function locks(redis: RedisClient): Promise<void> {
  const held = new Locks({ redis, keys })
  const resource = { companyId: 'c1', type: 'item', id: 'A' }
  const order: string[] = []
  const section = (name: string) =>
    held.withLock(resource, {}, async ({ fence }) => {
      order.push(`${name} in`)
      await Promise.resolve()
      order.push(`${name} out`)
      return BigInt(fence)
    })
  const [first, second] = await Promise.all([section('a'), section('b')])
  deepEqual(order, ['a in', 'a out', 'b in', 'b out'])
  ok(first < second)
  await held.close()
}

async function pool(): Promise<void> {
  const workers = createPool({ name: 'matrix', concurrency: 2, queueMax: 10, onFull: 'wait' })
  let sum = 0n
  for await (const slip of workers.map([1n, 2n, 3n], (each) => Promise.resolve(each * AMOUNT))) {
    if (slip.ok) sum += slip.value
  }
  equal(sum, 6n * AMOUNT)
  const { accepted, done } = await workers.stop({ mode: 'drain', deadlineMs: 10_000 })
  deepEqual([accepted, done], [3, 3])
}

async function errors(): Promise<void> {
  const clock = manualClock()
  await rejects(
    async () => {
      await clock.advance(1)
      return parseAmount('1.5', 'KRW')
    },
    (error) => error instanceof KerpError && error instanceof InvalidAmountError && !error.retryable,
  )
}

async function onServer(work: (redis: RedisClient) => Promise<void>): Promise<void> {
  const server = await openPrivateRedis()
  try {
    const redis = await connectRedis({ url: server.url }, 10_000, {})
    await work(redis)
    await closeRedis(redis)
  } finally {
    await server.close()
  }
}

async function everything(redis: RedisClient): Promise<void> {
  names()
  await errors()
  await balances(redis)
  await locks(redis)
  await pool()
}

const backend = process.argv[2]
const running = backend === 'server' ? onServer(everything) : everything(mockRedis())
running.then(
  () => console.log(`balances, keys, locks and pools hold on the ${backend ?? 'mock'}`),
  (error: unknown) => {
    console.error(error)
    process.exitCode = 1
  },
)
