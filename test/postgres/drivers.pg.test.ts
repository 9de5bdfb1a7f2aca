/** Posting inside the host's transaction through the drivers that hosts use, each in its own way of doing it. */

import { BalanceCache } from '@kerp/balance-cache'
import { createKeys } from '@kerp/keys'
import { Outbox, RegisterRows } from '@kerp/postgres'
import { driverConforms } from '@kerp/postgres/testing'
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
})

afterAll(() => database.close())

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

  driverConforms({
    test,
    open: () => ({
      pool: database.pool,
      transaction: (work) => host.transaction(work),
      sqlStateOf: (error) => host.sqlStateOf(error),
    }),
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
