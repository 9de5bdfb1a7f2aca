/** Posting when the database misbehaves: nobody hears "posted" that is not, nobody is posted twice, all hear in time. */

import { recordingObserver } from '@kerp/core/testing'
import { migrate } from '@kerp/postgres'
import pg from 'pg'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { FaultyPool, serverError } from './faulty-pool.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'
import { expectExact, versionOf, vouchersOf } from './posted.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

describe('a COMMIT that answers ROLLBACK', () => {
  async function failQuietly(pool: FaultyPool, times: number): Promise<void> {
    let left = times
    pool.intercept = async (statement, run) => {
      if (statement.text !== 'COMMIT' || left === 0) return run()
      left -= 1
      // What a caught error inside the transaction does: the server rolls back, pg does not throw.
      await run({ text: 'SELECT 1 / 0' }).catch(() => undefined)
      const answer = await run()
      expect(answer.command).toBe('ROLLBACK')
      return answer
    }
    return Promise.resolve()
  }

  test('is not done: the vouchers are posted again, once', async () => {
    const company = freshCompany()
    const pool = new FaultyPool(database.pool)
    await failQuietly(pool, 1)
    const ledger = database.ledger({ pool })
    const posted = await Promise.all([1, 2, 3].map((n) => ledger.post(twoLines(company, `v${n}`, 1n))))
    expect(posted.map(versionOf)).toEqual([1, 2, 3])
    expect(posted.map(({ replayed }) => replayed)).toEqual([false, false, false])
    await expectExact(ledger, company, 3)
  })

  test('tells nobody "posted" when it goes on', async () => {
    const company = freshCompany()
    const pool = new FaultyPool(database.pool)
    await failQuietly(pool, Number.POSITIVE_INFINITY)
    const ledger = database.ledger({ pool, outageMs: 100 })
    const settled = await Promise.allSettled([1, 2, 3].map((n) => ledger.post(twoLines(company, `v${n}`))))
    for (const end of settled) {
      expect(end).toMatchObject({
        status: 'rejected',
        reason: { code: 'DATABASE_UNAVAILABLE', retryable: true },
      })
    }
    expect(await vouchersOf(database, company)).toBe(0)
  })
})

describe('a voucher that the database refuses', () => {
  async function poisonedSchema(name: string, sql: string): Promise<void> {
    await migrate(database.pool, { schema: name })
    await database.pool.query(sql.replaceAll('SCHEMA', name))
  }

  test('fails alone among a hundred, by a CHECK of the host', async () => {
    await poisonedSchema('checked', 'ALTER TABLE SCHEMA.line ADD CHECK (debit <> 666)')
    const company = freshCompany()
    const observer = recordingObserver()
    const ledger = database.ledger({ schema: 'checked', observer })
    const settled = await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) => ledger.post(twoLines(company, `v${n}`, n === 41 ? 666n : 1n))),
    )
    const refused = settled.flatMap((end, n) =>
      end.status === 'rejected' ? [[n, end.reason as unknown]] : [],
    )
    expect(refused).toEqual([
      [41, expect.objectContaining({ code: 'VOUCHER_REJECTED', sqlState: '23514', retryable: false })],
    ])
    expect(observer.of('postingBatch')[0]).toMatchObject({ vouchers: 100, result: 'bisected' })
    const versions = settled.flatMap((end) => (end.status === 'fulfilled' ? [versionOf(end.value)] : []))
    expect(versions.sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 99 }, (_, n) => n + 1),
    )
    await expectExact(ledger, company, 99)
  })

  test('shows its amounts in no error, not even in what the server said of the row', async () => {
    await poisonedSchema('quoting', 'ALTER TABLE SCHEMA.line ADD CHECK (debit <> 98765432123)')
    const ledger = database.ledger({ schema: 'quoting' })
    const refused: unknown = await ledger
      .post(twoLines(freshCompany(), 'v1', 98_765_432_123n))
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'VOUCHER_REJECTED', cause: { code: '23514', table: 'line' } })
    expect(inspect(refused, { depth: 12, showHidden: true })).not.toContain('98765432123')
  })

  test('fails alone when the refusal comes only with COMMIT', async () => {
    await poisonedSchema(
      'deferred',
      `CREATE FUNCTION SCHEMA.refuse_13() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'the thirteenth' USING ERRCODE = 'P0001'; END $$;
       CREATE CONSTRAINT TRIGGER no_13 AFTER INSERT ON SCHEMA.voucher DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (NEW.id = 'v13') EXECUTE FUNCTION SCHEMA.refuse_13()`,
    )
    const company = freshCompany()
    const ledger = database.ledger({ schema: 'deferred' })
    const settled = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => ledger.post(twoLines(company, `v${n}`, 1n))),
    )
    expect(settled.map((end) => end.status).filter((status) => status === 'fulfilled')).toHaveLength(19)
    expect(settled[13]).toMatchObject({ reason: { code: 'VOUCHER_REJECTED', sqlState: 'P0001' } })
    await expectExact(ledger, company, 19)
  })

  test('can be posted later under the same id, as nothing was kept of it', async () => {
    await poisonedSchema('later', 'ALTER TABLE SCHEMA.line ADD CONSTRAINT no_5 CHECK (debit <> 5)')
    const company = freshCompany()
    const ledger = database.ledger({ schema: 'later' })
    await expect(ledger.post(twoLines(company, 'v1', 5n))).rejects.toMatchObject({ code: 'VOUCHER_REJECTED' })
    await database.pool.query('ALTER TABLE later.line DROP CONSTRAINT no_5')
    expect((await ledger.post(twoLines(company, 'v1', 5n))).replayed).toBe(false)
  })

  test.each([
    ['changes an amount', 'UPDATE ON SCHEMA.balance', 'NEW.debit := NEW.debit + 1; RETURN NEW;'],
    ['drops a line', 'INSERT ON SCHEMA.line', 'RETURN NULL;'],
    ['drops a voucher', 'INSERT ON SCHEMA.voucher', 'RETURN NULL;'],
    ['drops an outbox row', 'INSERT ON SCHEMA.outbox', 'RETURN NULL;'],
  ])('is refused as well when a trigger of the host quietly %s', async (what, event, body) => {
    const schema = what.replaceAll(' ', '_')
    await poisonedSchema(
      schema,
      `CREATE FUNCTION SCHEMA.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
       CREATE TRIGGER meddle BEFORE ${event} FOR EACH ROW EXECUTE FUNCTION SCHEMA.meddle()`,
    )
    const company = freshCompany()
    const ledger = database.ledger({ schema })
    await expect(ledger.post(twoLines(company, 'v1'))).rejects.toMatchObject({ code: 'DATABASE_UNSUITABLE' })
    expect(await database.one(`SELECT count(*) FROM ${schema}.voucher_key`)).toBe('0')
    expect(await database.one(`SELECT count(*) FROM ${schema}.balance`)).toBe('0')
  })

  test('and all vouchers, without trying each, when migrate() was never run', async () => {
    const observer = recordingObserver()
    const ledger = database.ledger({ schema: 'nowhere', observer })
    const settled = await Promise.allSettled(
      [1, 2, 3].map((n) => ledger.post(twoLines(freshCompany(), `v${n}`))),
    )
    for (const end of settled) {
      expect(end).toMatchObject({ reason: { code: 'DATABASE_UNSUITABLE', retryable: false } })
      expect(end).toMatchObject({
        reason: { message: expect.stringContaining('was migrate() run?') as string },
      })
    }
    expect(observer.of('postingBatch')).toHaveLength(1)
  })
})

test.each(['40P01', '40001'])('a batch that fails with %s is repeated as it was', async (sqlState) => {
  const company = freshCompany()
  const pool = new FaultyPool(database.pool)
  let left = 2
  pool.intercept = async (statement, run) => {
    const answer = await run()
    if (statement.name?.endsWith('lockRows') !== true || left === 0) return answer
    left -= 1
    throw serverError(sqlState)
  }
  const observer = recordingObserver()
  const ledger = database.ledger({ pool, observer })
  const posted = await Promise.all([1, 2, 3].map((n) => ledger.post(twoLines(company, `v${n}`))))
  expect(posted.map(versionOf)).toEqual([1, 2, 3])
  expect(observer.of('postingBatch').map(({ result, vouchers }) => [result, vouchers])).toEqual([
    ['retried', 3],
    ['retried', 3],
    ['committed', 3],
  ])
})

describe('a lock that somebody keeps', () => {
  test('on one row holds up the vouchers on that row only', async () => {
    const company = freshCompany()
    const ledger = database.ledger({ lockTimeoutMs: 60 })
    await ledger.post(twoLines(company, 'v0', 1n, { debit: 'stuck' }))
    const host = await database.pool.connect()
    await host.query('BEGIN')
    await host.query(`SELECT FROM kerp.balance WHERE company = $1 AND account = 'stuck' FOR UPDATE`, [
      company,
    ])
    const stuck = ledger.post(twoLines(company, 'v1', 1n, { debit: 'stuck', credit: 'other' }))
    const others = [2, 3, 4].map((n) => ledger.post(twoLines(company, `v${n}`, 1n, { debit: 'free' })))
    // They are answered although the lock is still held.
    expect((await Promise.all(others)).map(versionOf)).toEqual([1, 2, 3])
    await host.query('COMMIT')
    host.release()
    expect(versionOf(await stuck)).toBe(2)
    await expectExact(ledger, company, 5)
  })

  test('on one key holds up the voucher of that key only', async () => {
    const company = freshCompany()
    const ledger = database.ledger({ lockTimeoutMs: 60 })
    const host = await database.pool.connect()
    await host.query('BEGIN')
    const held = twoLines(company, 'v1', 1n, { debit: 'a', credit: 'b' })
    await ledger.postWithin(host, held)
    const stuck = ledger.post(held)
    const others = [2, 3, 4].map((n) => ledger.post(twoLines(company, `v${n}`, 1n)))
    expect((await Promise.all(others)).map(({ replayed }) => replayed)).toEqual([false, false, false])
    await host.query('COMMIT')
    host.release()
    expect((await stuck).replayed).toBe(true)
    await expectExact(ledger, company, 4)
  })
})

test('synchronous_commit off on the server or role does not reach a posting', async () => {
  const pool = new pg.Pool({ connectionString: database.url, max: 2, options: '-c synchronous_commit=off' })
  const faulty = new FaultyPool(pool)
  const seen: unknown[] = []
  faulty.intercept = async (statement, run) => {
    if (statement.text === 'COMMIT') seen.push((await run({ text: 'SHOW synchronous_commit' })).rows[0])
    return run()
  }
  const ledger = database.ledger({ pool: faulty })
  await ledger.post(twoLines(freshCompany(), 'v1'))
  expect(seen).toEqual([{ synchronous_commit: 'on' }])
  await ledger.close()
  await pool.end()
})
