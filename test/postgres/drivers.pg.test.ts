/** Posting inside the host's transaction through the drivers that hosts use, each in its own way of doing it. */

import { BalanceCache } from '@kerp/balance-cache'
import { createKeys } from '@kerp/keys'
import { Outbox, RegisterRows } from '@kerp/postgres'
import { mockRedis } from '@kerp/redis/testing'
import { OutboxRelay, Registers } from '@kerp/registers'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { HostDriver } from '../drivers/host-driver.js'
import { onDrizzle } from '../drivers/on-drizzle.js'
import { onKnex } from '../drivers/on-knex.js'
import { onPg } from '../drivers/on-pg.js'
import { onPostgresJs } from '../drivers/on-postgres-js.js'
import { onPrisma } from '../drivers/on-prisma.js'
import { onTypeOrm } from '../drivers/on-typeorm.js'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  await database.pool.query('CREATE TABLE public.invoice (id text PRIMARY KEY, total numeric NOT NULL)')
})

afterAll(() => database.close())

const INVOICE = 'INSERT INTO public.invoice VALUES ($1, $2::text::numeric) RETURNING total::text'
const DIGITS_38 = 10n ** 38n - 1n

function rowsOf(company: string): Promise<unknown> {
  return database.one(
    `SELECT (SELECT count(*) FROM public.invoice WHERE id LIKE $1 || '%') || ' '
       || (SELECT count(*) FROM kerp.voucher WHERE company = $1) || ' '
       || (SELECT count(*) FROM kerp.outbox WHERE company = $1 AND kind = 'image')`,
    [company],
  )
}

const DRIVERS: readonly (readonly [string, (url: string) => HostDriver | Promise<HostDriver>])[] = [
  ['pg', onPg],
  ['postgres.js', onPostgresJs],
  ['Prisma', onPrisma],
  ['Drizzle', onDrizzle],
  ['Knex', onKnex],
  ['TypeORM', onTypeOrm],
]

describe.each(DRIVERS)('with %s', (_, open) => {
  let host: HostDriver
  beforeAll(async () => {
    host = await open(database.url)
  })
  afterAll(() => host.close())

  test('the host’s rows and the voucher are committed together, and the answer is that of post', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    const posted = await host.transaction(async (queryable) => {
      const { rows } = await queryable.query(INVOICE, [company, '12345678901234567890.5'])
      expect(rows).toEqual([{ total: '12345678901234567890.5' }])
      const answer = await ledger.postWithin(queryable, twoLines(company, 'v1', 5n))
      expect(await rowsOf(company)).toBe('0 0 0')
      return answer
    })
    expect(await rowsOf(company)).toBe('1 1 2')
    expect(posted).toEqual({ ...(await ledger.post(twoLines(company, 'v1', 5n))), replayed: false })
  })

  test('a host that throws leaves neither its rows nor the voucher', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    const work = host.transaction(async (queryable) => {
      await queryable.query(INVOICE, [company, '1'])
      await ledger.postWithin(queryable, twoLines(company, 'v1'))
      throw new Error('the host changed its mind')
    })
    await expect(work).rejects.toThrow('the host changed its mind')
    expect(await rowsOf(company)).toBe('0 0 0')
    expect((await ledger.post(twoLines(company, 'v1'))).replayed).toBe(false)
  })

  test('the same voucher again is answered and not posted; another content is refused and nothing else is lost', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    const first = await ledger.post(twoLines(company, 'v1', 5n))
    await host.transaction(async (queryable) => {
      const again = await ledger.postWithin(queryable, twoLines(company, 'v1', 5n))
      expect(again).toEqual({ ...first, replayed: true })
      const conflict = ledger.postWithin(queryable, twoLines(company, 'v1', 6n))
      await expect(conflict).rejects.toMatchObject({ code: 'VOUCHER_CONFLICT' })
      await queryable.query(INVOICE, [company, '1'])
    })
    expect(await rowsOf(company)).toBe('1 1 2')
  })

  test('amounts of 38 digits come back digit for digit', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    for (const [index, amount] of [DIGITS_38, 2n ** 53n + 1n, 1n].entries()) {
      await host.transaction((queryable) =>
        ledger.postWithin(queryable, twoLines(company, `v${index}`, amount)),
      )
    }
    const { images } = await ledger.post(twoLines(company, 'v2', 1n))
    const total = String(DIGITS_38 + 2n ** 53n + 2n)
    expect(images.map(({ version, fields }) => [version, ...fields])).toEqual([
      [3, total, '0'],
      [3, '0', total],
    ])
    expect((await ledger.audit(company)).ok).toBe(true)
  })

  test('images are applied after COMMIT and seen at once; of a rolled back one nothing ever is', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    const redis = mockRedis()
    const [keys, source, outbox] = [
      createKeys(),
      new RegisterRows({ pool: database.pool }),
      new Outbox({ pool: database.pool }),
    ]
    const cache = new BalanceCache({
      registers: new Registers({ redis, keys, source }),
      source,
      invalidations: outbox,
    })
    await using relay = new OutboxRelay({ redis, keys, outbox })
    const ref = { companyId: company, account: '1101', fiscalYear: 2026 }
    await ledger.post(twoLines(company, 'v1', 5n))
    await relay.caughtUp({ deadlineMs: 20_000 })
    await cache.get(ref)
    const posted = await host.transaction(async (queryable) => {
      const answer = await ledger.postWithin(queryable, twoLines(company, 'v2', 7n))
      expect(await cache.get(ref)).toMatchObject({ debit: 5n, version: 1 })
      return answer
    })
    expect(await cache.apply(posted)).toMatchObject({ applied: 1 })
    expect(await cache.get(ref, { atLeast: posted.token })).toMatchObject({
      debit: 12n,
      version: 2,
      source: 'redis',
    })
    const undone = host.transaction(async (queryable) => {
      await ledger.postWithin(queryable, twoLines(company, 'v3', 100n))
      throw new Error('no')
    })
    await expect(undone).rejects.toThrow('no')
    await relay.caughtUp({ deadlineMs: 20_000 })
    expect(await cache.get(ref)).toMatchObject({ debit: 12n, version: 2 })
    redis.disconnect()
  })

  test('an error of the database keeps its SQLSTATE, and after a caught one nothing can be posted', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    const states: unknown[] = []
    const work = host.transaction(async (queryable) => {
      await queryable.query('SELECT 1 / 0', []).catch((error: unknown) => states.push(host.sqlStateOf(error)))
      try {
        await ledger.postWithin(queryable, twoLines(company, 'v1'))
      } catch (error) {
        states.push(host.sqlStateOf(error))
        throw error
      }
    })
    await expect(work).rejects.toThrow()
    expect(states).toEqual(['22012', '25P02'])
    expect(await rowsOf(company)).toBe('0 0 0')
  })
})

test('twelve hosts on six drivers and the queue on the same accounts: every voucher once, versions gapless', async () => {
  const company = freshCompany()
  const ledger = database.ledger({ batchMax: 10 })
  const hosts = await Promise.all(DRIVERS.map(async ([, open]) => open(database.url)))
  const swapped = { debit: '4101', credit: '1101' }
  await Promise.all([
    ...hosts.flatMap((host) =>
      [0, 1].map(async (half) => {
        for (let n = 0; n < 10; n += 1) {
          const voucher = twoLines(company, `${host.name}-${half}-${n}`, 3n, n % 2 ? {} : swapped)
          await host.transaction((queryable) => ledger.postWithin(queryable, voucher))
        }
      }),
    ),
    ...Array.from({ length: 100 }, (_, n) => ledger.post(twoLines(company, `p${n}`, 1n))),
  ])
  await Promise.all(hosts.map((host) => host.close()))
  const audit = await ledger.audit(company)
  expect(audit.differences).toEqual([])
  expect(audit.vouchers).toBe(220)
})
