/** What is wrong with a database or a pool is said in the server's own words, at once, and never with a password. */

import {
  anyAccount,
  anyWarehouse,
  ChunkLedger,
  effectOnce,
  EventLog,
  Ledger,
  migrate,
  Outbox,
  raiseFence,
  RegisterRows,
  StockLedger,
  viaDrizzle,
} from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { databaseUrl, openPool, type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  await database.pool.query(`CREATE ROLE kerp_small LOGIN PASSWORD 's3cret'`)
})

afterAll(async () => {
  await database.pool.query('DROP OWNED BY kerp_small; DROP ROLE kerp_small')
  await database.close()
})

function urlAs(role: string, name?: string): string {
  const url = new URL(name === undefined ? database.url : databaseUrl(database.url, name))
  url.username = role
  url.password = 's3cret'
  return url.href
}

/** The error of `work` on a pool of this URL. */
async function failureOn(url: string, work: (pool: pg.Pool) => Promise<unknown>): Promise<Error> {
  const pool = openPool(url, 2)
  try {
    return await work(pool).then(
      () => new Error('nothing failed'),
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    )
  } finally {
    await pool.end()
  }
}

describe('migrate() says in the words of the server that', () => {
  test.each([
    ['the role is unknown', 'nobody_here', undefined, 'role "nobody_here" does not exist'],
    ['the database is missing', 'postgres', 'no_such', 'database "no_such" does not exist'],
    ['the role may create no schema', 'kerp_small', undefined, 'permission denied for database'],
  ])('%s', async (_what, role, name, said) => {
    const error = await failureOn(urlAs(role, name), (pool) => migrate(pool, { schema: 'fresh' }))
    expect(error).toMatchObject({ code: 'DATABASE_UNSUITABLE', retryable: false })
    expect(error.message).toContain(said)
    expect(error.message).toContain(`role ${role}`)
    expect(error.message).not.toMatch(/s3cret|was migrate\(\) run/)
  })

  test('a table of the host stands in its way', async () => {
    await database.pool.query('CREATE SCHEMA taken; CREATE TABLE taken.balance (x int)')
    const error = await failureOn(database.url, (pool) => migrate(pool, { schema: 'taken' }))
    expect(error).toMatchObject({ code: 'DATABASE_UNSUITABLE', retryable: false })
    expect(error.message).toMatch(/relation "balance" already exists .*another `schema`/)
  })
})

test('migrate() needs no right to create schemas where its schema is there', async () => {
  await database.pool.query('CREATE SCHEMA prepared_for AUTHORIZATION kerp_small')
  const pool = openPool(urlAs('kerp_small'), 2)
  await migrate(pool, { schema: 'prepared_for' })
  const ledger = new Ledger({ pool, schema: 'prepared_for', accounts: anyAccount })
  expect(await ledger.post(twoLines(freshCompany(), 'v1'))).toMatchObject({ replayed: false })
  await ledger.close()
  await pool.end()
})

test('whether migrate() was run is asked only where a table, column or function is missing', async () => {
  const missing = await failureOn(database.url, (pool) =>
    new RegisterRows({ pool, schema: 'nowhere' }).load('c1', [
      { companyId: 'c1', family: 'balance', parts: ['1101', '2026'] },
    ]),
  )
  expect(missing.message).toMatch(/relation "nowhere\.balance" does not exist .*was migrate\(\) run\?/)
  const forbidden = await failureOn(urlAs('kerp_small'), (pool) =>
    new RegisterRows({ pool }).load('c1', [{ companyId: 'c1', family: 'balance', parts: ['1101', '2026'] }]),
  )
  expect(forbidden).toMatchObject({ code: 'DATABASE_UNSUITABLE' })
  expect(forbidden.message).toMatch(/permission denied for schema kerp \(SQLSTATE 42501, role kerp_small/)
  expect(forbidden.message).not.toMatch(/migrate|s3cret/)
})

describe('wrong wiring is refused at once, and not as a database that is away', () => {
  test.each([
    ['a URL for a pool', 'postgres://app:s3cret@db/erp'],
    ['the options of a pool', { connectionString: 'postgres://app:s3cret@db/erp' }],
    ['nothing', undefined],
  ])('%s', async (_what, wrong) => {
    const pool = wrong as never
    const refused = expect.objectContaining({
      message: expect.stringContaining('`pg.Pool`') as string,
    }) as Error
    for (const make of [
      () => new Ledger({ pool }),
      () => new StockLedger({ pool }),
      () => new Outbox({ pool }),
      () => new EventLog({ pool }),
      () => new RegisterRows({ pool }),
    ]) {
      expect(make).toThrow(refused)
      expect(make).not.toThrow(/s3cret/)
    }
    await expect(migrate(pool)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'pool' })
    await expect(migrate(pool)).rejects.not.toThrow(/s3cret/)
  })

  test('a pool that was ended', async () => {
    const pool = openPool(database.url, 2)
    await pool.end()
    await expect(migrate(pool)).rejects.toMatchObject({ code: 'DATABASE_UNSUITABLE', retryable: false })
    const ledger = new Ledger({ pool, accounts: anyAccount, outageMs: 10 })
    await expect(ledger.voucher('c1', 'v1')).rejects.toThrow(/The pool was ended/)
    await ledger.close()
  })

  test('a pool whose last connection a listener would keep', async () => {
    const pool = openPool(database.url, 2)
    const outbox = new Outbox({ pool })
    const first = await outbox.onWake(() => undefined)
    await expect(outbox.onWake(() => undefined)).rejects.toMatchObject({ code: 'DATABASE_UNSUITABLE' })
    await first.close()
    const again = await outbox.onWake(() => undefined)
    await again.close()
    await pool.end()
  })
})

test.each([undefined, null, 5, 'text'])(
  '%s for the object that a call wants is refused by the name of its argument',
  async (wrong) => {
    const { pool } = database
    const given = wrong as never
    const ledger = new Ledger({ pool, accounts: anyAccount })
    const stock = new StockLedger({ pool, warehouses: anyWarehouse })
    const outbox = new Outbox({ pool })
    const log = new EventLog({ pool })
    const chunks = new ChunkLedger({ pool })
    const queryable = { query: () => Promise.resolve({ rows: [] }) }
    const move = { companyId: 'c1', movementId: 'm1', item: 'A', warehouse: 'W', quantity: 1n }
    const calls: Record<string, () => Promise<unknown>> = {
      post: () => ledger.post(given),
      postWithin: () => ledger.postWithin(given, twoLines('c1', 'v1')),
      accountLedger: () => ledger.accountLedger(given),
      turnover: () => ledger.turnover(given),
      adjust: () => stock.adjust(given),
      adjustWithin: () => stock.adjustWithin(given, move),
      expire: () => stock.expire(given),
      tick: () => outbox.tick(given),
      page: () => outbox.page(given),
      trim: () => outbox.trim(given),
      invalidate: () => outbox.invalidate(given),
      invalidateWithin: () => outbox.invalidateWithin(queryable, given),
      advance: () => log.advance(given),
      read: () => log.read(given),
      append: () => log.append(given),
      appendWithin: () => log.appendWithin(given, { companyId: 'c1', type: 'a', payload: {} }),
      open: () => chunks.open(given),
      chunkRead: () => chunks.read(given),
      effectOnce: () =>
        effectOnce(given, { group: 'g', companyId: 'c1', eventId: '1' }, () => Promise.resolve()),
      effectOf: () => effectOnce(queryable, given, () => Promise.resolve()),
      raiseFence: () => raiseFence(queryable, given),
    }
    for (const [name, call] of Object.entries(calls)) {
      await expect(call(), name).rejects.toMatchObject({
        code: expect.stringMatching(/_(INPUT|INVALID)$/) as string,
      })
    }
    await ledger.close()
    await stock.close()
  },
)

test('a bare transaction of Drizzle is told apart from a queryable, and named', async () => {
  const tx = { execute: () => Promise.resolve([]), query: {} }
  const ledger = new Ledger({ pool: database.pool, accounts: anyAccount })
  await expect(ledger.postWithin(tx as never, twoLines('c1', 'v1'))).rejects.toThrow(/viaDrizzle\(tx, sql\)/)
  expect(() => viaDrizzle(tx, undefined as never)).toThrow(/`sql` of drizzle-orm/)
  await ledger.close()
})

test('a PostgreSQL that restarts does not end a process whose pool nobody listens to', async () => {
  const server = await openPrivatePostgres()
  const pool = new pg.Pool({ connectionString: server.url, max: 3 })
  await migrate(pool)
  const ledger = new Ledger({ pool, accounts: anyAccount })
  const company = freshCompany()
  await ledger.post(twoLines(company, 'v1'))
  expect(pool.idleCount).toBeGreaterThan(0)
  await server.restart()
  expect(await ledger.post(twoLines(company, 'v2'))).toMatchObject({ replayed: false })
  await ledger.close()
  await pool.end()
  await server.close()
})
