/** Posting when answers stay away: an unknown COMMIT is learned by the same key, and every call ends in time. */

import { setTimeout as wait } from 'node:timers/promises'
import { migrate } from '@kerp/postgres'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { FaultyPool } from './faulty-pool.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'
import { expectExact, versionOf, vouchersOf } from './posted.js'
import { openSocketProxy } from './socket-proxy.js'

/** As the word alone goes over the wire, unlike the COMMITTED of an isolation level. */
const COMMIT = 'COMMIT\u0000'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

describe('a COMMIT whose answer is lost', () => {
  test('is learned by posting the same voucher again: it was done, and is not done twice', async () => {
    const company = freshCompany()
    const pool = new FaultyPool(database.pool)
    let isLost = false
    pool.intercept = async (statement, run) => {
      const answer = await run()
      if (statement.text !== 'COMMIT' || isLost) return answer
      isLost = true
      throw new Error('Connection terminated unexpectedly')
    }
    const ledger = database.ledger({ pool })
    const posted = await Promise.all([1, 2, 3].map((n) => ledger.post(twoLines(company, `v${n}`, 1n))))
    expect(posted.map(versionOf)).toEqual([1, 2, 3])
    expect(posted.map(({ replayed }) => replayed)).toEqual([false, false, false])
    await expectExact(ledger, company, 3)
  })

  test('is learned by posting the same voucher again: it was not done, and is done now', async () => {
    const company = freshCompany()
    const pool = new FaultyPool(database.pool)
    let isLost = false
    pool.intercept = async (statement, run) => {
      if (statement.text !== 'COMMIT' || isLost) return run()
      isLost = true
      throw new Error('Connection terminated unexpectedly')
    }
    const ledger = database.ledger({ pool })
    const posted = await Promise.all([1, 2, 3].map((n) => ledger.post(twoLines(company, `v${n}`, 1n))))
    expect(posted.map(({ replayed }) => replayed)).toEqual([false, false, false])
    await expectExact(ledger, company, 3)
  })

  test('is waited for while the server still works on it, although the socket is cut', async () => {
    await migrate(database.pool, { schema: 'slow' })
    await database.pool.query(
      `CREATE FUNCTION slow.nap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$;
       CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON slow.voucher DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (NEW.id = 'v1') EXECUTE FUNCTION slow.nap()`,
    )
    await using proxy = await openSocketProxy(database.url)
    const pool = new pg.Pool({ connectionString: proxy.url, max: 4, connectionTimeoutMillis: 300 })
    pool.on('error', () => undefined)
    const company = freshCompany()
    const ledger = database.ledger({ pool, schema: 'slow', lockTimeoutMs: 100 })
    proxy.plan.cutAfter = COMMIT
    const first = ledger.post(twoLines(company, 'v1', 1n))
    await expect.poll(() => proxy.hits()).toBe(1)
    proxy.plan.cutAfter = undefined
    // Looking would say that it is not there; only the key itself knows.
    expect(await vouchersOf(database, company, 'slow')).toBe(0)
    expect((await first).replayed).toBe(false)
    await expectExact(ledger, company, 1)
    await ledger.close()
    await pool.end()
  })

  test('stays unknown when the deadline passes first, and is answered to whoever asks later', async () => {
    await using proxy = await openSocketProxy(database.url)
    const pool = new pg.Pool({ connectionString: proxy.url, max: 4, connectionTimeoutMillis: 300 })
    pool.on('error', () => undefined)
    const company = freshCompany()
    const ledger = database.ledger({ pool, deadlineMs: 600, outageMs: 100 })
    proxy.plan.cutAfter = COMMIT
    await expect(ledger.post(twoLines(company, 'v1', 1n))).rejects.toMatchObject({
      code: 'POSTING_UNKNOWN',
      retryable: true,
      voucherId: 'v1',
    })
    expect(proxy.hits()).toBeGreaterThan(1)
    proxy.plan.cutAfter = undefined
    expect((await ledger.post(twoLines(company, 'v1', 1n))).replayed).toBe(true)
    await expectExact(ledger, company, 1)
    await ledger.close()
    await pool.end()
  })
})

describe('a database that does not answer', () => {
  test('before COMMIT was sent: nothing was done, said by the deadline, and nothing is done later', async () => {
    await using proxy = await openSocketProxy(database.url)
    const pool = new pg.Pool({ connectionString: proxy.url, max: 4, connectionTimeoutMillis: 300 })
    pool.on('error', () => undefined)
    const company = freshCompany()
    const ledger = database.ledger({ pool, deadlineMs: 400, readDeadlineMs: 300 })
    await ledger.post(twoLines(company, 'v1', 1n))
    proxy.plan.frozen = true
    await expect(ledger.post(twoLines(company, 'v2', 1n))).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    })
    await expect(ledger.voucher(company, 'v1')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await expect(ledger.trialBalance(company, 2026)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    proxy.plan.frozen = false
    await ledger.close()
    await pool.end()
    expect(await vouchersOf(database, company)).toBe(1)
  })

  test('before COMMIT was sent, and then answers after all: COMMIT is never sent', async () => {
    const company = freshCompany()
    const pool = new FaultyPool(database.pool)
    let release: (() => void) | undefined
    const texts: string[] = []
    pool.intercept = async (statement, run) => {
      texts.push(statement.text)
      const answer = await run()
      if (statement.name?.endsWith('write') === true)
        await new Promise<void>((resolve) => (release = resolve))
      return answer
    }
    const ledger = database.ledger({ pool, deadlineMs: 300 })
    await expect(ledger.post(twoLines(company, 'v1'))).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    release?.()
    await wait(50)
    await ledger.close()
    expect(texts).not.toContain('COMMIT')
    expect(await vouchersOf(database, company)).toBe(0)
  })

  test('while others wait behind: they are refused in time too, and later ones are posted', async () => {
    const company = freshCompany()
    const pool = new FaultyPool(database.pool)
    let isHeld = false
    pool.intercept = async (statement, run) => {
      const answer = await run()
      if (statement.name?.endsWith('write') !== true || isHeld) return answer
      isHeld = true
      return new Promise(() => undefined)
    }
    const ledger = database.ledger({ pool, deadlineMs: 400, batchesInFlightMax: 1, batchMax: 1 })
    const settled = await Promise.allSettled([1, 2, 3].map((n) => ledger.post(twoLines(company, `v${n}`))))
    for (const end of settled)
      expect(end).toMatchObject({ reason: { code: 'DATABASE_UNAVAILABLE', retryable: true } })
    expect((await ledger.post(twoLines(company, 'v4'))).replayed).toBe(false)
    await expectExact(ledger, company, 1)
  })

  test('after COMMIT was sent: nobody knows, and that is what is said', async () => {
    await using proxy = await openSocketProxy(database.url)
    const pool = new pg.Pool({ connectionString: proxy.url, max: 4, connectionTimeoutMillis: 300 })
    pool.on('error', () => undefined)
    const company = freshCompany()
    const ledger = database.ledger({ pool, deadlineMs: 400 })
    proxy.plan.swallowFrom = COMMIT
    const posted = ledger.post(twoLines(company, 'v1', 1n))
    await expect(posted).rejects.toMatchObject({ code: 'POSTING_UNKNOWN', retryable: true })
    proxy.plan.swallowFrom = undefined
    expect((await ledger.post(twoLines(company, 'v1', 1n))).replayed).toBe(false)
    await expectExact(ledger, company, 1)
    await ledger.close()
    await pool.end()
  })

  test('at all: a clear refusal that may be repeated', async () => {
    const pool = new pg.Pool({ host: '/nowhere', max: 2 })
    const ledger = database.ledger({ pool, outageMs: 50 })
    await expect(ledger.post(twoLines(freshCompany(), 'v1'))).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      retryable: true,
    })
    await expect(ledger.voucher('c1', 'v1')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await ledger.close()
    await pool.end()
  })

  test('because the host has taken all its connections: refused by the deadline', async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 })
    const taken = await pool.connect()
    const ledger = database.ledger({ pool, deadlineMs: 300 })
    await expect(ledger.post(twoLines(freshCompany(), 'v1'))).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    })
    taken.release()
    const company = freshCompany()
    expect((await ledger.post(twoLines(company, 'v1'))).replayed).toBe(false)
    await ledger.close()
    await pool.end()
  })
})
