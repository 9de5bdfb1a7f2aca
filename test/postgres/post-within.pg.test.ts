/** Posting inside a transaction of the host: its commit decides, and nothing else. */

import type { Queryable } from '@kerp/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  await database.pool.query('CREATE TABLE public.invoice (id text PRIMARY KEY)')
})

afterAll(() => database.close())

async function withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await database.pool.connect()
  try {
    return await work(client)
  } finally {
    client.release()
  }
}

test('the voucher is posted with the host’s own rows, and its answer is that of post', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  const posted = await withClient(async (client) => {
    await client.query('BEGIN')
    await client.query('INSERT INTO public.invoice VALUES ($1)', [company])
    const answer = await ledger.postWithin(client, twoLines(company, 'v1', 5n))
    expect(await database.one('SELECT count(*) FROM kerp.voucher WHERE company = $1', [company])).toBe('0')
    await client.query('COMMIT')
    return answer
  })
  expect(posted).toEqual({ ...(await ledger.post(twoLines(company, 'v1', 5n))), replayed: false })
  expect(await database.one('SELECT count(*) FROM public.invoice WHERE id = $1', [company])).toBe('1')
  expect((await ledger.audit(company)).ok).toBe(true)
})

test('a voucher of another fiscal year than its date is refused before any statement, where the host says which that is', async () => {
  const ledger = database.ledger({ fiscalYearOf: () => 2025 })
  const silent: Queryable = { query: () => Promise.reject(new TypeError('a statement was sent')) }
  await expect(ledger.postWithin(silent, twoLines(freshCompany(), 'v1'))).rejects.toMatchObject({
    code: 'VOUCHER_INVALID',
    field: 'fiscalYear',
  })
})

test('a rolled back transaction leaves nothing, and the voucher can be posted later', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  await withClient(async (client) => {
    await client.query('BEGIN')
    await ledger.postWithin(client, twoLines(company, 'v1', 5n))
    await client.query('ROLLBACK')
  })
  for (const table of ['voucher_key', 'voucher', 'line', 'balance', 'outbox']) {
    expect(await database.one(`SELECT count(*) FROM kerp.${table} WHERE company = $1`, [company])).toBe('0')
  }
  expect((await ledger.post(twoLines(company, 'v1', 6n))).replayed).toBe(false)
})

test('the same voucher again, inside or outside, is answered and not posted; another content is refused', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  const first = await ledger.post(twoLines(company, 'v1', 5n))
  await withClient(async (client) => {
    await client.query('BEGIN')
    expect(await ledger.postWithin(client, twoLines(company, 'v1', 5n))).toEqual({ ...first, replayed: true })
    const conflict = ledger.postWithin(client, twoLines(company, 'v1', 6n))
    await expect(conflict).rejects.toMatchObject({ code: 'VOUCHER_CONFLICT' })
    // A refusal of the library is not an error of the database: the transaction goes on.
    await client.query('INSERT INTO public.invoice VALUES ($1)', [company])
    const { command } = await client.query('COMMIT')
    expect(command).toBe('COMMIT')
  })
})

test('after a caught error of the database COMMIT commits nothing, unless a savepoint was set before', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  await withClient(async (client) => {
    const failing = (): Promise<unknown> => client.query('SELECT 1 / 0').catch(() => undefined)
    await client.query('BEGIN')
    await ledger.postWithin(client, twoLines(company, 'v1', 5n))
    await failing()
    // This is what the rule is about: no error, and yet nothing was committed.
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK')
    expect(await database.one('SELECT count(*) FROM kerp.voucher WHERE company = $1', [company])).toBe('0')

    await client.query('BEGIN')
    await ledger.postWithin(client, twoLines(company, 'v1', 5n))
    await client.query('SAVEPOINT mine')
    await failing()
    await client.query('ROLLBACK TO SAVEPOINT mine')
    expect((await client.query('COMMIT')).command).toBe('COMMIT')
  })
  expect((await ledger.audit(company)).vouchers).toBe(1)
})

test('without an open transaction nothing is written', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  await expect(ledger.postWithin(database.pool, twoLines(company, 'v1'))).rejects.toMatchObject({
    code: 'TRANSACTION_REQUIRED',
    retryable: false,
  })
  await withClient(async (client) => {
    await expect(ledger.postWithin(client, twoLines(company, 'v1'))).rejects.toMatchObject({
      code: 'TRANSACTION_REQUIRED',
    })
  })
  expect(await database.one('SELECT count(*) FROM kerp.voucher_key WHERE company = $1', [company])).toBe('0')
})

test('many host transactions and the queue on the same accounts: every voucher once, versions gapless', async () => {
  const company = freshCompany()
  const ledger = database.ledger({ batchMax: 10 })
  const within = async (n: number): Promise<void> => {
    await withClient(async (client) => {
      await client.query('BEGIN')
      await ledger.postWithin(
        client,
        twoLines(company, `w${n}`, 3n, n % 2 ? {} : { debit: '4101', credit: '1101' }),
      )
      await client.query(n % 5 === 0 ? 'ROLLBACK' : 'COMMIT')
    })
  }
  await Promise.all([
    ...Array.from({ length: 40 }, (_, n) => within(n)),
    ...Array.from({ length: 100 }, (_, n) => ledger.post(twoLines(company, `p${n}`, 1n))),
  ])
  const audit = await ledger.audit(company)
  expect(audit.differences).toEqual([])
  expect(audit.vouchers).toBe(132)
})

test('the host’s own lock timeout is respected and restored, and an endless wait for a row is bounded', async () => {
  const company = freshCompany()
  const ledger = database.ledger({ lockTimeoutMs: 80 })
  await ledger.post(twoLines(company, 'v1'))
  await withClient(async (client) => {
    await client.query('BEGIN')
    await ledger.postWithin(client, twoLines(company, 'v2'))
    expect((await client.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '0' }])
    await client.query(`SET LOCAL lock_timeout = '7s'`)
    await ledger.postWithin(client, twoLines(company, 'v3'))
    expect((await client.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '7s' }])
    const waiting = withClient(async (other) => {
      await other.query('BEGIN')
      // The driver's own error, for the host to decide.
      await expect(ledger.postWithin(other, twoLines(company, 'v4'))).rejects.toMatchObject({ code: '55P03' })
      await other.query('ROLLBACK')
    })
    await waiting
    await client.query('COMMIT')
  })
  expect((await ledger.audit(company)).vouchers).toBe(3)
})

test('a driver that knows nothing but text parameters is enough', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  await withClient(async (client) => {
    const asked: unknown[] = []
    const queryable: Queryable = {
      async query(text, values) {
        asked.push(...values)
        const { rows } = await client.query<Record<string, unknown>>(text, [...values])
        return { rows }
      },
    }
    await client.query('BEGIN')
    await ledger.postWithin(queryable, twoLines(company, 'v1', 2n ** 53n + 1n))
    await client.query('COMMIT')
    expect(asked.every((value) => typeof value === 'string' || value === null)).toBe(true)
  })
  expect((await ledger.audit(company)).debit).toBe(2n ** 53n + 1n)
})

test('in a serializable transaction of the host a conflict is the driver’s own 40001', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  await ledger.post(twoLines(company, 'v1'))
  await withClient(async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await client.query('SELECT 1')
    await ledger.post(twoLines(company, 'v2'))
    await expect(ledger.postWithin(client, twoLines(company, 'v3'))).rejects.toMatchObject({ code: '40001' })
    await client.query('ROLLBACK')
  })
})
