/** What calls answer is what is printed, copied, compared and sent. */

import 'reflect-metadata'
import { inspect } from 'node:util'
import { formatAmount, InsufficientStockError, type StockMovement } from '@kerp/core'
import { stockLevel } from '@kerp/inventory-lock'
import { anyAccount, anyWarehouse, EventLog, StockLedger } from '@kerp/postgres'
import { Realtime } from '@kerp/realtime'
import { mockRedis } from '@kerp/redis/testing'
import { Controller, Get, Logger, Module, Param } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type OwnDatabase, ownDatabase } from '../postgres/own-database.js'

const COMPANY = 'values'
/** More than a double, or 64 bits, can hold. */
const AMOUNT = 123_456_789_012_345_678_901_234n
const year = { companyId: COMPANY, fiscalYear: 2026 }
const sales = { ...year, account: '4001' }
const goods = { companyId: COMPANY, item: 'A', warehouse: 'W1' }
const register = { companyId: COMPANY, family: 'balance', parts: ['4001', '2026'] } as const

let database: OwnDatabase
let realtime: Realtime

/** By what it is: a call that answers it. */
const calls: Readonly<Record<string, () => Promise<object>>> = {
  'a posted voucher': () =>
    realtime.ledger.post({
      ...year,
      id: 'V-1',
      date: '2026-01-02',
      lines: [
        { account: '1101', debit: AMOUNT },
        { account: '4001', credit: AMOUNT },
      ],
    }),
  'a balance': () => realtime.balances.get(sales),
  'a register': () => only(realtime.registers.getMany(COMPANY, [register])),
  'a voucher': () => realtime.ledger.voucher(COMPANY, 'V-1'),
  'a line of a voucher': async () => first((await realtime.ledger.voucher(COMPANY, 'V-1')).lines),
  'a trial balance': () => realtime.ledger.trialBalance(COMPANY, 2026),
  'an account of a trial balance': async () =>
    first((await realtime.ledger.trialBalance(COMPANY, 2026)).rows),
  "a page of an account's lines": () => realtime.ledger.accountLedger({ ...sales, limit: 10 }),
  'a line of an account': async () =>
    first((await realtime.ledger.accountLedger({ ...sales, limit: 10 })).lines),
  'a turnover': () =>
    only(realtime.ledger.turnover({ companyId: COMPANY, from: '2026-01-01', to: '2026-12-31' })),
  'an audit of the books': () => realtime.ledger.audit(COMPANY),
  'an audit of balances': () => realtime.balances.audit(COMPANY, { fiscalYear: 2026 }),
  'a movement': () => realtime.stock.adjust({ ...goods, movementId: 'IN-1', quantity: 2_500n }),
  'a level': () => realtime.stock.get(goods),
  'a level in an image': async () =>
    stockLevel(first(((await calls['a movement']?.()) as StockMovement).images)),
  'a reservation': () =>
    realtime.stock.reserve({
      companyId: COMPANY,
      reservationId: 'R-1',
      lines: [{ ...goods, quantity: 500n }],
      ttlMs: 60_000,
    }),
  'an audit of stock': () => new StockLedger({ pool: database.pool }).audit(COMPANY),
  'a shortage': async () => {
    const refusal: unknown = await realtime.stock
      .adjust({ ...goods, movementId: 'OUT-1', quantity: -9_000n })
      .catch((error: unknown) => error)
    return refusal instanceof InsufficientStockError ? first(refusal.shortages) : {}
  },
  'a page of events': async () => {
    const log = new EventLog({ pool: database.pool })
    await log.advance({ limit: 100 })
    return log.read({ companyId: COMPANY, after: '0', limit: 100 })
  },
  'a lock': () =>
    realtime.locks.withLock({ companyId: COMPANY, type: 'stock', id: 'A' }, {}, () =>
      only(realtime.locks.list(COMPANY)),
    ),
}

function first<T>(values: readonly T[]): T {
  const [value] = values
  if (value === undefined) throw new Error('there is nothing')
  return value
}

async function only(values: Promise<readonly (object | undefined)[]>): Promise<object> {
  return first(await values) ?? {}
}

/** Every bigint below a value, wherever it stands. */
function bigintsIn(value: unknown): readonly bigint[] {
  if (typeof value === 'bigint') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(bigintsIn) : []
}

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  realtime = new Realtime({
    redis: mockRedis(),
    pool: database.pool,
    accounts: anyAccount,
    warehouses: anyWarehouse,
    localTier: false,
    background: false,
    logger: false,
  })
  await calls['a posted voucher']?.()
  await calls['a movement']?.()
})
afterAll(async () => {
  await realtime.close()
  await database.close()
})

describe('of whatever a call answers', () => {
  test.each(Object.entries(calls))(
    '%s shows, copies, compares and sends all that it says',
    async (_, call) => {
      const value = await call()
      const copy = { ...value }
      expect(Object.keys(copy)).not.toEqual([])
      expect(value).toEqual(copy)
      expect(structuredClone(value)).toEqual(copy)
      for (const name of Object.keys(copy)) expect(inspect(value)).toContain(`${name}:`)
      const json = JSON.stringify(value)
      for (const amount of bigintsIn(value)) expect(json).toContain(`"${amount}"`)
    },
  )

  test('amounts of any size are sent as decimal text', async () => {
    const balance = await realtime.balances.get(sales)
    expect(balance.balance).toBe(-AMOUNT)
    expect(JSON.parse(JSON.stringify(balance))).toMatchObject({
      debit: '0',
      credit: String(AMOUNT),
      balance: String(-AMOUNT),
    })
    expect(formatAmount(balance.credit, 'USD')).toBe('1234567890123456789012.34')
  })
})

describe('a handler that returns what a call answers', () => {
  const answers = new Map<string, object>()

  @Controller()
  class Answers {
    @Get(':name')
    answer(@Param('name') name: string): object | undefined {
      return answers.get(name)
    }
  }

  @Module({ controllers: [Answers] })
  class Answering {}

  beforeAll(async () => {
    for (const [name, call] of Object.entries(calls)) answers.set(name, await call())
  })

  test('sends it with Fastify', async () => {
    const app = fastify()
    app.get<{ Params: { name: string } }>('/:name', ({ params }) => Promise.resolve(answers.get(params.name)))
    for (const [name, answer] of answers) {
      const { statusCode, json } = await app.inject(`/${encodeURIComponent(name)}`)
      expect([name, statusCode, json()]).toEqual([name, 200, JSON.parse(JSON.stringify(answer))])
    }
  })

  test('sends it with NestJS', async () => {
    Logger.overrideLogger(false)
    const app = await NestFactory.create(Answering)
    await app.listen(0, '127.0.0.1')
    try {
      for (const [name, answer] of answers) {
        const response = await fetch(`${await app.getUrl()}/${encodeURIComponent(name)}`)
        const sent: unknown = await response.json()
        expect([name, response.status, sent]).toEqual([name, 200, JSON.parse(JSON.stringify(answer))])
      }
    } finally {
      await app.close()
    }
  })
})
