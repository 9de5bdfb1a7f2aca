/** Whose fault an error of the server is: a voucher or movement is refused only for what it can cause itself. */

import { recordingObserver } from '@kerp/core/testing'
import { anyAccount, anyWarehouse, type DatabasePool, Ledger, migrate, StockLedger } from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { failureKindOf } from '../../packages/postgres/src/sql-state.js'
import { freshCompany } from '../support/fresh-company.js'
import { FaultyPool, serverError } from './faulty-pool.js'
import { openPool, type OwnDatabase, ownDatabase, twoLines } from './own-database.js'
import { expectExact, vouchersOf } from './posted.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

test.each([
  ['rejected', ['22003', '22P02', '23505', '23514', '23P01', '44000', 'P0001', '27000']],
  ['unsuitable', ['28P01', '3D000', '3F000', '42501', '42P01', '54000', '54001', '55000']],
  ['lost', ['08006', '08P01', '25006', '25P02', '25P03', '25P04', '53300', '57P01', '57P03', '58030']],
  ['unprepared', ['26000', '42P05']],
  ['retry', ['40001', '40P01', '55006']],
  ['unforeseen', ['0A000', '24000', '2D000', '34000', '40003', '72000', 'F0000', 'XX000', 'ZZ999']],
])('is %s for what the server says with %j', (kind, states) => {
  expect(states.map((state) => failureKindOf(serverError(state)))).toEqual(states.map(() => kind))
})

describe('a connection that was cleaned by DISCARD ALL', () => {
  async function cleaned(work: (pool: DatabasePool) => Promise<void>): Promise<void> {
    const pool = openPool(database.url, 1)
    try {
      await work(pool)
    } finally {
      await pool.end()
    }
  }

  test('is replaced, and the voucher is posted', () =>
    cleaned(async (pool) => {
      const company = freshCompany()
      const ledger = database.ledger({ pool })
      for (const id of ['v1', 'v2', 'v3', 'v4', 'v5']) {
        expect(await ledger.post(twoLines(company, id))).toMatchObject({ replayed: false })
        const client = await pool.connect()
        await client.query({ text: 'DISCARD ALL' })
        client.release()
      }
      await expectExact(ledger, company, 5)
    }))

  test('is replaced, and the goods are moved', () =>
    cleaned(async (pool) => {
      const stock = new StockLedger({ pool, warehouses: anyWarehouse })
      const companyId = freshCompany()
      for (const movementId of ['m1', 'm2', 'm3']) {
        const move = { companyId, movementId, item: 'A', warehouse: 'W', quantity: 1_000n }
        expect(await stock.adjust(move)).toMatchObject({ replayed: false })
        const client = await pool.connect()
        await client.query({ text: 'DISCARD ALL' })
        client.release()
      }
      await stock.close()
    }))
})

test.each(['25P03', '25P04', '26000', '55006', '57P01', '58030', 'XX000'])(
  'a voucher is not refused for %s, which it cannot cause: it is posted again',
  async (state) => {
    const company = freshCompany()
    const pool = new FaultyPool(database.pool)
    let left = 1
    pool.intercept = (statement, run) => {
      if (left === 0 || statement.name?.endsWith('claimKeys') !== true) return run()
      left -= 1
      return Promise.reject(serverError(state))
    }
    const ledger = database.ledger({ pool })
    expect(await ledger.post(twoLines(company, 'v1'))).toMatchObject({ replayed: false })
    expect(left).toBe(0)
  },
)

test('an error that nobody foresaw stops only the voucher that meets it, and does not say that it was refused', async () => {
  const company = freshCompany()
  const pool = new FaultyPool(database.pool)
  pool.intercept = (statement, run) => {
    const isMet = statement.name?.endsWith('write') === true && JSON.stringify(statement).includes('v13')
    return isMet ? Promise.reject(serverError('XX000')) : run()
  }
  const ledger = database.ledger({ pool, outageMs: 200 })
  const settled = await Promise.allSettled(
    Array.from({ length: 30 }, (_, n) => ledger.post(twoLines(company, `v${n}`))),
  )
  expect(settled.flatMap((end, n) => (end.status === 'rejected' ? [n] : []))).toEqual([13])
  expect(settled[13]).toMatchObject({ reason: { code: 'DATABASE_UNAVAILABLE', retryable: true } })
  expect(await vouchersOf(database, company)).toBe(29)
})

test('a RAISE of the host refuses its voucher, with whatever state the host has chosen', async () => {
  await migrate(database.pool, { schema: 'own_states' })
  await database.pool.query(`
CREATE FUNCTION own_states.closed() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the month is closed' USING ERRCODE = 'KX001'; END $$;
CREATE TRIGGER closed BEFORE INSERT ON own_states.voucher FOR EACH ROW WHEN (NEW.id = 'v1')
  EXECUTE FUNCTION own_states.closed()`)
  const ledger = database.ledger({ schema: 'own_states' })
  await expect(ledger.post(twoLines(freshCompany(), 'v1'))).rejects.toMatchObject({
    code: 'VOUCHER_REJECTED',
    sqlState: 'KX001',
  })
})

test('what a constraint of the host refuses beside vouchers is said to be refused, and not to be repeated', async () => {
  await migrate(database.pool, { schema: 'no_approval' })
  await database.pool.query('ALTER TABLE no_approval.voucher ADD CHECK (approved_at IS NULL)')
  const company = freshCompany()
  const ledger = new Ledger({ pool: database.pool, schema: 'no_approval', accounts: anyAccount })
  await ledger.post(twoLines(company, 'v1'))
  await expect(ledger.approve(company, 'v1')).rejects.toMatchObject({
    code: 'DATABASE_UNSUITABLE',
    retryable: false,
  })
  await ledger.close()
})

test('statements that other clients prepare on the same connection are found out, and said once', async () => {
  const company = freshCompany()
  const observer = recordingObserver()
  const pool = new FaultyPool(database.pool)
  const prepared: string[] = []
  pool.intercept = (statement, run) => {
    if (statement.name === undefined) return run()
    prepared.push(statement.name)
    return Promise.reject(serverError('42P05'))
  }
  const ledger = database.ledger({ pool, observer })
  for (const id of ['v1', 'v2', 'v3']) {
    expect(await ledger.post(twoLines(company, id))).toMatchObject({ replayed: false })
  }
  expect(prepared).toHaveLength(1)
  expect(observer.of('backgroundError')).toMatchObject([
    expect.objectContaining({ source: 'PreparedStatements', code: 'DATABASE_UNSUITABLE' }),
  ])
})
