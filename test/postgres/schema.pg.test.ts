/** The schema guards itself, is made once by many, and names the history that it belongs to. */

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { databaseEpoch, migrate, Outbox, RegisterRows } from '@kerp/postgres'
import { openPrivatePostgres } from '@kerp/postgres/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { databaseUrl, onServer, openPool, type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

describe('migrate', () => {
  test('run by ten connections at once makes the schema once, and again does nothing', async () => {
    await onServer(inject('databaseUrl'), 'CREATE DATABASE migrated_by_many')
    const url = databaseUrl(inject('databaseUrl'), 'migrated_by_many')
    const pools = Array.from({ length: 10 }, () => openPool(url, 1))
    await Promise.all(pools.map((pool) => migrate(pool)))
    const [pool] = pools
    const versions = await pool?.query('SELECT m.version FROM kerp.migration m ORDER BY m.version')
    expect(new Set(versions?.rows.map((row: { version: number }) => row.version)).size).toBe(
      versions?.rows.length,
    )
    await migrate(pool ?? database.pool)
    await Promise.all(pools.map((each) => each.end()))
    await onServer(inject('databaseUrl'), 'DROP DATABASE migrated_by_many')
  })

  test('refuses a server that would lose committed vouchers in a crash, unless that is allowed by name', async () => {
    await using server = await openPrivatePostgres({ settings: { fsync: 'off' } })
    const pool = openPool(server.url, 1)
    await expect(migrate(pool)).rejects.toMatchObject({
      code: 'DATABASE_UNSUITABLE',
      message: expect.stringContaining('fsync = off') as string,
    })
    expect((await pool.query(`SELECT to_regnamespace('kerp') AS schema`)).rows).toEqual([{ schema: null }])
    await migrate(pool, { allowFsyncOff: true })
    await pool.end()
  })

  test('refuses a database whose texts are not UTF8', async () => {
    await onServer(
      inject('databaseUrl'),
      `CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`,
    )
    const pool = openPool(databaseUrl(inject('databaseUrl'), 'latin'), 1)
    await expect(migrate(pool)).rejects.toMatchObject({ message: expect.stringContaining('UTF8') as string })
    await pool.end()
    await onServer(inject('databaseUrl'), 'DROP DATABASE latin')
  })

  test.each(['Kerp', 'k-erp', '1k', '"k"', 'k'.repeat(41), '', 5])(
    'refuses the schema name %j',
    async (schema) => {
      await expect(migrate(database.pool, { schema: schema as string })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
      })
    },
  )
})

describe('a balance row', () => {
  async function refusal(sql: string): Promise<unknown> {
    const company = freshCompany()
    await database.ledger().post(twoLines(company, 'v1', 5n))
    await database.ledger().post(twoLines(company, 'v2', 5n))
    const where = `WHERE company = '${company}' AND account = '1101'`
    const error: unknown = await database.pool
      .query(sql.replace('WHERE', where))
      .catch((caught: unknown) => caught)
    expect(await database.one(`SELECT version || ' ' || debit FROM kerp.balance ${where}`)).toBe('2 10')
    return error
  }

  test.each([
    ['changed without a new version', 'UPDATE kerp.balance SET debit = 1 WHERE'],
    ['set back', 'UPDATE kerp.balance SET version = 1, debit = 5 WHERE'],
    ['renamed', `UPDATE kerp.balance SET account = 'x', version = version + 1 WHERE`],
    ['moved to another year', 'UPDATE kerp.balance SET fiscal_year = 2030, version = version + 1 WHERE'],
    ['deleted', 'DELETE FROM kerp.balance WHERE'],
    ['deleted with all others', 'TRUNCATE kerp.balance'],
  ])('cannot be %s', async (_what, sql) => {
    expect(await refusal(sql)).toMatchObject({
      code: '23001',
      message: expect.stringContaining('is refused') as string,
    })
  })

  test.each([
    ['a fraction', 'UPDATE kerp.balance SET debit = 1.5, version = version + 1 WHERE'],
    ['less than zero', 'UPDATE kerp.balance SET debit = -1, version = version + 1 WHERE'],
    ['no number', `UPDATE kerp.balance SET debit = 'NaN', version = version + 1 WHERE`],
    ['no bound', `UPDATE kerp.balance SET debit = 'Infinity', version = version + 1 WHERE`],
    ['a version beyond 2^53', 'UPDATE kerp.balance SET version = 9007199254740992 WHERE'],
  ])('cannot hold %s', async (_what, sql) => {
    expect(await refusal(sql)).toMatchObject({ code: '23514' })
  })

  test('can be repaired with a new version', async () => {
    const company = freshCompany()
    await database.ledger().post(twoLines(company, 'v1', 5n))
    const { rowCount } = await database.pool.query(
      'UPDATE kerp.balance SET debit = 6, version = version + 1 WHERE company = $1',
      [company],
    )
    expect(rowCount).toBe(2)
  })
})

test.each([
  'UPDATE kerp.line SET debit = 1',
  'DELETE FROM kerp.line',
  'TRUNCATE kerp.line',
  'DELETE FROM kerp.voucher_key',
  'UPDATE kerp.voucher_key SET id = id',
])('lines and keys stay as they are: %s', async (sql) => {
  await expect(database.pool.query(sql)).rejects.toMatchObject({ code: '23001' })
})

describe('the epoch', () => {
  test('is the same for everybody until the server is started again, and for a rebuilt table another', async () => {
    await using server = await openPrivatePostgres()
    let pool = openPool(server.url, 2)
    await migrate(pool)
    const first = await databaseEpoch(pool)
    expect(await databaseEpoch(pool)).toBe(first)
    expect(first).not.toMatch(/[|>#]/)
    await pool.query('VACUUM FULL kerp.balance')
    const rebuilt = await databaseEpoch(pool)
    expect(rebuilt).not.toBe(first)
    await pool.end()
    await server.kill()
    await server.restart()
    pool = openPool(server.url, 2)
    expect(await databaseEpoch(pool)).not.toBe(rebuilt)
    await pool.end()
  })

  test('is the same on all connections, also when a right is revoked after some of them have asked', async () => {
    await using server = await openPrivatePostgres()
    const admin = openPool(server.url, 1)
    await admin.query('CREATE ROLE app LOGIN; GRANT CREATE ON DATABASE postgres TO app')
    const url = new URL(server.url)
    url.username = 'app'
    const [early, late] = [openPool(url.href, 1), openPool(url.href, 1)]
    await migrate(early)
    const before = await databaseEpoch(early)
    await admin.query('REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC')
    const without = await databaseEpoch(early)
    expect(without).not.toBe(before)
    expect(await databaseEpoch(late)).toBe(without)
    await admin.query('GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC')
    expect([await databaseEpoch(early), await databaseEpoch(late)]).toEqual([before, before])
    for (const pool of [admin, early, late]) await pool.end()
  })

  test('is refused by a replica, as is every read of rows; promoted, it is another history', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'kerp-test-'))
    await chmod(parent, 0o755)
    const dataDir = join(parent, 'data')
    try {
      const primary = await openPrivatePostgres({ dataDir })
      let pool = openPool(primary.url, 2)
      await migrate(pool)
      const before = await databaseEpoch(pool)
      await pool.end()
      await primary.close()

      await writeFile(join(dataDir, 'standby.signal'), '')
      await using replica = await openPrivatePostgres({ dataDir })
      pool = openPool(replica.url, 2)
      const refs = [{ companyId: 'c1', family: 'balance', parts: ['1101', '2026'] } as const]
      const refused = { code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('replica') as string }
      await expect(databaseEpoch(pool)).rejects.toMatchObject(refused)
      await expect(new RegisterRows({ pool }).load('c1', refs)).rejects.toMatchObject(refused)
      await expect(new Outbox({ pool }).tick({ limit: 1 })).rejects.toMatchObject(refused)
      await expect(migrate(pool)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
      // As some hosted servers do always, a replica refuses to tell of its log (55000); reading it does not fail.
      expect((await pool.query(`SELECT kerp.server_facts() ~ '^\\d+\\.\\d+$' AS told`)).rows).toEqual([
        { told: true },
      ])

      expect((await pool.query('SELECT pg_promote()')).rows).toEqual([{ pg_promote: true }])
      const after = await databaseEpoch(pool)
      const [, systemBefore, timelineBefore] = before.split('.')
      const [, systemAfter, timelineAfter] = after.split('.')
      expect(systemAfter).toBe(systemBefore)
      expect([timelineBefore, timelineAfter]).toEqual(['00000001', '00000002'])
      await pool.end()
    } finally {
      await rm(parent, { recursive: true, force: true })
    }
  })
})
