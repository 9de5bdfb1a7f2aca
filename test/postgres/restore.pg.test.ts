/** A database that was restored is another history: what transaction ids of the old one say is never believed. */

import { EventLog, Ledger, migrate, Outbox, RegisterRows, anyAccount, databaseEpoch } from '@kerp/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type DebianPostgres, dumpAndRestore, openDebianPostgres } from '../support/debian-postgres.js'
import { freshCompany } from '../support/fresh-company.js'
import { databaseUrl, onServer, openPool, type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let old: DebianPostgres
let fresh: DebianPostgres

beforeAll(async () => {
  ;[old, fresh] = await Promise.all([openDebianPostgres(), openDebianPostgres()])
}, 120_000)
afterAll(async () => {
  await Promise.all([old.close(), fresh.close()])
})

/** Lets the counter of transactions run on. */
async function letPass(pool: pg.Pool, transactions: number): Promise<void> {
  await pool.query(
    `DO $$ BEGIN FOR i IN 1..${transactions} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$`,
  )
}

async function advanceAll(log: EventLog): Promise<void> {
  for (let isMore = true; isMore; ) isMore = (await log.advance({ limit: 1_000 })).isMore
}

async function postMany(pool: pg.Pool, companyId: string, from: number, count: number): Promise<void> {
  const ledger = new Ledger({ pool, accounts: anyAccount })
  for (let n = from; n < from + count; n += 1) await ledger.post(twoLines(companyId, `v${n}`, 1n))
  await ledger.close()
}

async function firstId(outbox: Outbox, after: string): Promise<readonly string[]> {
  return (await outbox.tick({ after, limit: 1_000 })).rows.map(({ id }) => id)
}

/** Lets the old cluster be 5,000 transactions ahead of the fresh one, which therefore reaches its ids soon. */
async function runAhead(): Promise<void> {
  const pools = [openPool(old.url, 1), openPool(fresh.url, 1)] as const
  const [ahead, behind] = await Promise.all(
    pools.map(async (pool) => {
      const { rows } = await pool.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid')
      return Number(rows[0]?.xid)
    }),
  )
  const missing = 5_000 - (Number(ahead) - Number(behind))
  await letPass(missing > 0 ? pools[0] : pools[1], Math.abs(missing))
  await Promise.all(pools.map((pool) => pool.end()))
}

/** A database with ten vouchers, of which the events of seven have numbers. */
async function history(name: string, companyId: string): Promise<pg.Pool> {
  await onServer(old.url, `CREATE DATABASE ${name}`)
  const pool = openPool(databaseUrl(old.url, name), 5)
  await runAhead()
  await migrate(pool)
  await postMany(pool, companyId, 0, 7)
  await advanceAll(new EventLog({ pool }))
  await postMany(pool, companyId, 7, 3)
  return pool
}

describe('a dump that is restored into a new cluster', () => {
  test.each([
    ['migrate() runs first', true, [] as string[]],
    ['nobody calls migrate()', false, []],
    ['it is restored in one transaction', false, ['--single-transaction']],
  ])(
    'numbers each event once, also when 10,000 transactions have passed: %s',
    async (what, isMigrated, options) => {
      const companyId = freshCompany()
      const name = `r_${companyId.replaceAll('-', '_').toLowerCase()}`
      const before = await history(name, companyId)
      const epochBefore = await databaseEpoch(before)
      await before.end()
      await onServer(fresh.url, `CREATE DATABASE ${name}`)
      await dumpAndRestore(databaseUrl(old.url, name), databaseUrl(fresh.url, name), options)
      const pool = openPool(databaseUrl(fresh.url, name), 5)
      if (isMigrated) await migrate(pool)
      const log = new EventLog({ pool })
      const outbox = new Outbox({ pool })
      const { target, epoch } = await outbox.tick({ limit: 1 })
      expect(epoch, what).not.toBe(epochBefore)
      await advanceAll(log)
      await postMany(pool, companyId, 10, 1)
      for (let round = 0; round < 10; round += 1) {
        await letPass(pool, 1_000)
        await advanceAll(log)
      }
      expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '33', pending: 0 })
      // What a relay reads from its first look on is what was posted since, and nothing of before.
      const rows = await new RegisterRows({ pool }).load(companyId, [
        { companyId, family: 'balance', parts: ['1101', '2026'] },
      ])
      expect(rows.images[0]).toMatchObject({ version: 11 })
      expect(await firstId(outbox, target)).toHaveLength(2)
      // Retention counts from the restore, and then takes what came from elsewhere, too.
      const trims = [await outbox.trim({ olderThanMs: 0 }), await outbox.trim({ olderThanMs: 0 })]
      expect(trims.reduce((sum, { deleted }) => sum + deleted, 0)).toBe(32)
      expect(await databaseEpoch(pool)).toBe((await outbox.tick({ limit: 1 })).epoch)
      await pool.end()
    },
    120_000,
  )
})

test('a schema that is dropped and restored into its own database is another history, too', async () => {
  const companyId = freshCompany()
  const pool = await history('same_place', companyId)
  const epochBefore = await databaseEpoch(pool)
  await onServer(old.url, 'CREATE DATABASE copy_of_it')
  await dumpAndRestore(databaseUrl(old.url, 'same_place'), databaseUrl(old.url, 'copy_of_it'))
  await pool.query('DROP SCHEMA kerp CASCADE')
  await dumpAndRestore(databaseUrl(old.url, 'copy_of_it'), databaseUrl(old.url, 'same_place'))
  const log = new EventLog({ pool })
  await advanceAll(log)
  const [identityBefore] = epochBefore.split('.')
  const [identityAfter] = (await databaseEpoch(pool)).split('.')
  expect(identityAfter).not.toBe(identityBefore)
  expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '30' })
  await pool.end()
}, 120_000)

test('a database that nobody has restored keeps its identity through migrate() and restarts of processes', async () => {
  const own = await ownDatabase(inject('databaseUrl'))
  const epoch = await databaseEpoch(own.pool)
  await migrate(own.pool)
  await new Outbox({ pool: own.pool }).tick({ limit: 1 })
  await new EventLog({ pool: own.pool }).advance({ limit: 10 })
  expect(await databaseEpoch(own.pool)).toBe(epoch)
  await own.close()
})

describe('a server that refuses to tell of its log', () => {
  let database: OwnDatabase

  beforeAll(async () => {
    database = await ownDatabase(inject('databaseUrl'))
    await database.pool.query('DROP SCHEMA kerp CASCADE')
    await database.pool.query('CREATE ROLE kerp_hosted LOGIN')
    await database.pool.query('CREATE SCHEMA kerp AUTHORIZATION kerp_hosted')
  })
  afterAll(async () => {
    await database.pool.query('DROP OWNED BY kerp_hosted; DROP ROLE kerp_hosted')
    await database.close()
  })

  test('is migrated, posted to and read from all the same, by a role without any rights of its own', async () => {
    await database.pool.query(
      'REVOKE EXECUTE ON FUNCTION pg_control_system(), pg_current_wal_lsn() FROM PUBLIC',
    )
    const url = new URL(database.url)
    url.username = 'kerp_hosted'
    const pool = openPool(url.href, 5)
    await migrate(pool)
    const companyId = freshCompany()
    await postMany(pool, companyId, 0, 2)
    const log = new EventLog({ pool })
    await advanceAll(log)
    expect(await log.audit(companyId)).toMatchObject({ ok: true, position: '6' })
    expect(await databaseEpoch(pool)).toMatch(/^[0-9a-f-]{36}(\.\d+){6}$/)
    await pool.end()
  })
})
