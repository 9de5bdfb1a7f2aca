/** The desk without a server, in milliseconds: Redis, ledger and rows are doubles, and faults are planned. */

import { BalanceCache } from '@kerp/balance-cache'
import { DeadlineExceededError } from '@kerp/core'
import { faulty, manualClock, recordingObserver } from '@kerp/core/testing'
import { Locks } from '@kerp/inventory-lock'
import { createKeys } from '@kerp/keys'
import { MemoryLedger } from '@kerp/postgres/testing'
import { mockRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import { MemoryDatabase } from '@kerp/registers/testing'
import { expect, test } from 'vitest'
import { CreditDesk, type Order } from '../src/credit-desk.js'

/** A desk on doubles; `plan` says what happens to postings. */
async function openDesk(creditLimit = 1_000n) {
  const [redis, keys, rows] = [mockRedis(), createKeys(), new MemoryDatabase()]
  const observer = recordingObserver()
  const registers = new Registers({ redis, keys, source: rows, observer })
  const balances = new BalanceCache({ registers, source: rows, invalidations: rows, observer })
  const relay = new OutboxRelay({ redis, keys, outbox: rows, observer })
  const { target: ledger, plan } = faulty(new MemoryLedger(rows), ['post'])
  const locks = new Locks({ redis, keys })
  rows.commit('c1', { opening: [1n, 0n] })
  await relay.tick()
  return { desk: new CreditDesk({ ledger, balances, locks, creditLimit }), rows, relay, plan, observer }
}

const owes = (rows: MemoryDatabase): readonly string[] =>
  rows.row({ companyId: 'c1', family: 'balance', parts: ['1300-kim', '2026'] }).fields

function order(orderId: string, amount: bigint): Order {
  return { companyId: 'c1', orderId, customer: 'kim', date: '2026-01-05', amount }
}

test('an order within the limit is posted, and one beyond it is not', async () => {
  const { desk, rows } = await openDesk()
  expect(await desk.take(order('o-1', 600n))).toEqual({ accepted: true, owed: 600n })
  expect(await desk.take(order('o-2', 600n))).toEqual({ accepted: false, owed: 600n })
  expect(await desk.take(order('o-3', 400n))).toEqual({ accepted: true, owed: 1_000n })
  expect(owes(rows)).toEqual(['1000', '0'])
})

test('of ten orders at once only those pass that the limit has room for', async () => {
  const { desk, rows } = await openDesk()
  const orders = Array.from({ length: 10 }, (_, index) => order(`o-${index}`, 300n))
  const decisions = await Promise.all(orders.map((each) => desk.take(each)))
  expect(decisions.filter(({ accepted }) => accepted)).toHaveLength(3)
  expect(owes(rows)).toEqual(['900', '0'])
})

test('an order that is sent twice counts once', async () => {
  const { desk, rows, plan } = await openDesk()
  plan.duplicate = true
  expect(await desk.take(order('o-1', 300n))).toEqual({ accepted: true, owed: 300n })
  plan.duplicate = false
  expect(await desk.take(order('o-1', 300n))).toEqual({ accepted: true, owed: 300n })
  expect(owes(rows)).toEqual(['300', '0'])
})

test('an order whose posting fails can be sent again', async () => {
  const { desk, rows, plan } = await openDesk()
  plan.fail = new DeadlineExceededError('post', 1_000, 'unknown')
  await expect(desk.take(order('o-1', 300n))).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    retryable: true,
  })
  expect(owes(rows)).toEqual(['0', '0'])
  plan.fail = undefined
  expect(await desk.take(order('o-1', 300n))).toEqual({ accepted: true, owed: 300n })
})

test('what is owed is read from Redis once it is there, and the relay brings what others post', async () => {
  const { desk, rows, relay, observer } = await openDesk()
  await desk.take(order('o-1', 300n))
  const loads = rows.loads.length
  expect(await desk.take(order('o-2', 900n))).toEqual({ accepted: false, owed: 300n })
  expect(rows.loads).toHaveLength(loads)
  rows.commit('c1', { '1300-kim': [0n, 300n] }) // paid at another desk
  await relay.tick()
  expect(await desk.take(order('o-2', 900n))).toEqual({ accepted: true, owed: 900n })
  expect(observer.of('cacheRequest').some(({ result }) => result === 'hit')).toBe(true)
})

test('time is moved, not waited for', async () => {
  const clock = manualClock()
  const locks = new Locks({ redis: mockRedis(), keys: createKeys(), clock })
  const held = await locks.tryAcquire(
    { companyId: 'c1', type: 'customer', id: 'kim' },
    { renew: false, ttlMs: 30_000 },
  )
  expect(held?.signal.aborted).toBe(false)
  await clock.advance(30_000)
  expect(held?.signal.aborted).toBe(true)
})
