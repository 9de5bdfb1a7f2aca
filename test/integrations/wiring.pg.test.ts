/** `Realtime` on databases, poolers and pools that are not as the quick start has them. */

import { recordingObserver } from '@kerp/core/testing'
import { anyAccount, anyWarehouse, migrate } from '@kerp/postgres'
import { Realtime, type RealtimeOptions } from '@kerp/realtime'
import { mockRedis } from '@kerp/redis/testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  databaseUrl,
  onServer,
  openPool,
  type OwnDatabase,
  ownDatabase,
  twoLines,
} from '../postgres/own-database.js'
import { freshCompany } from '../support/fresh-company.js'
import { openPgBouncer } from '../support/pgbouncer.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})
afterAll(() => database.close())

function openRealtime(options: Partial<RealtimeOptions> & Pick<RealtimeOptions, 'pool'>): Realtime {
  return new Realtime({
    redis: mockRedis(),
    accounts: anyAccount,
    warehouses: anyWarehouse,
    logger: false,
    ...options,
  })
}

test('behind a real PgBouncer in transaction mode every voucher is posted once, and what was found out is said once', async () => {
  const pooler = await openPgBouncer(database.url, 4)
  const pool = openPool(pooler.url, 10)
  const observer = recordingObserver()
  const realtime = openRealtime({ pool, observer })
  try {
    realtime.start()
    const company = freshCompany()
    const posts: Promise<boolean>[] = []
    const moves: Promise<boolean>[] = []
    for (let n = 0; n < 100; n += 1) {
      posts.push(realtime.ledger.post(twoLines(company, `v${n}`)).then(({ replayed }) => replayed))
      const move = { companyId: company, movementId: `m${n}`, item: 'A', warehouse: 'W', quantity: 1_000n }
      moves.push(realtime.stock.adjust(move).then(({ replayed }) => replayed))
      if (n % 10 === 9) await Promise.all([...posts, ...moves])
    }
    expect(new Set(await Promise.all([...posts, ...moves]))).toEqual(new Set([false]))
    expect(await realtime.ledger.audit(company)).toMatchObject({ ok: true, vouchers: 100 })
    const said = observer.of('backgroundError').filter(({ source }) => source === 'PreparedStatements')
    expect(said).toEqual([expect.objectContaining({ code: 'DATABASE_UNSUITABLE' })])
  } finally {
    await realtime.close()
    await pool.end()
    await pooler.close()
  }
})

test('options of the parts reach them: another schema, nothing prepared, deadlines and bounds', async () => {
  await migrate(database.pool, { schema: 'books' })
  const names: (string | undefined)[] = []
  const pool = new pg.Pool({ connectionString: database.url, max: 5 })
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    Reflect.set(client, 'query', (...args: unknown[]) => {
      const [statement] = args
      if (typeof statement === 'object' && statement !== null)
        names.push(Reflect.get(statement, 'name') as string | undefined)
      return query(...args)
    })
  })
  const realtime = openRealtime({ pool, schema: 'books', prepare: 'off' })
  const company = freshCompany()
  await realtime.ledger.post(twoLines(company, 'v1'))
  await realtime.stock.adjust({
    companyId: company,
    movementId: 'm',
    item: 'A',
    warehouse: 'W',
    quantity: 1n,
  })
  const cash = { companyId: company, account: '1101', fiscalYear: 2026 }
  expect(await realtime.balances.get(cash)).toMatchObject({ version: 1 })
  expect(await realtime.health()).toMatchObject({ ready: true })
  expect(names.filter((name) => name !== undefined)).toEqual([])
  await realtime.close()
  await pool.end()

  for (const [part, wrong] of [
    ['ledger', { queueMax: 0 }],
    ['stock', { batchMax: 0 }],
    ['outbox', { deadlineMs: 0 }],
    ['rows', { deadlineMs: 0 }],
    ['registers', { readDeadlineMs: 0 }],
    ['locks', { eviction: 'sometimes' as never }],
    ['relay', { pollMs: 0 }],
    ['sweeper', { everyMs: 0 }],
    ['retention', { everyMs: 0 }],
  ] as const) {
    expect(() => openRealtime({ pool: database.pool, parts: { [part]: wrong } }), part).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }) as Error,
    )
  }
})

describe('a process is not ready, and says why in words, on', () => {
  async function causes(url: string, options: Partial<RealtimeOptions> = {}): Promise<unknown> {
    const pool = openPool(url, 3)
    const realtime = openRealtime({ pool, ...options })
    const report = await realtime.health()
    await realtime.close()
    await pool.end()
    expect(report.ready).toBe(false)
    return report.causes.filter(({ part }) => part === 'database').map(({ cause }) => cause)
  }

  test('a database that was never migrated', async () => {
    expect(await causes(database.url, { schema: 'nowhere' })).toEqual([
      'the database was never migrated: run migrate()',
    ])
  })

  test('a database of an earlier version', async () => {
    await migrate(database.pool, { schema: 'earlier' })
    await database.pool.query('DELETE FROM earlier.migration WHERE version = 6')
    expect(await causes(database.url, { schema: 'earlier' })).toEqual([
      'the database has a schema of an earlier version: run migrate()',
    ])
  })

  test('a database that does not exist, and for a role that does not', async () => {
    expect(await causes(databaseUrl(database.url, 'no_such_database'))).toEqual(['there is no such database'])
    const url = new URL(database.url)
    url.username = 'nobody_here'
    expect(await causes(url.href)).toEqual(['the database does not know the role'])
  })

  test('a schema that its role may not read', async () => {
    await database.pool.query('CREATE ROLE kerp_reader LOGIN')
    const url = new URL(database.url)
    url.username = 'kerp_reader'
    expect(await causes(url.href)).toEqual(['the role may not read the schema that migrate() has made'])
    await onServer(inject('databaseUrl'), 'DROP ROLE kerp_reader')
  })
})
