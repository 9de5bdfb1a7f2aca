/** The outbox: rows between two positions, pages inside a fixed target, control rows, hints, retention. */

import { OutboxTrimmedError, Outbox } from '@kerp/postgres'
import pg from 'pg'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase
let outbox: Outbox

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  outbox = new Outbox({ pool: database.pool })
})

afterAll(() => database.close())

async function target(): Promise<string> {
  return (await outbox.tick({ limit: 1 })).target
}

test('a first look returns no rows, only where to go on from', async () => {
  await database.ledger().post(twoLines(freshCompany(), 'v1'))
  const tick = await outbox.tick({ limit: 10 })
  expect(tick.rows).toEqual([])
  expect(tick.target).toMatch(/^\d+:\d+:/)
  expect(tick.epoch).toMatch(/^[0-9a-f-]{36}\.\d+\.[0-9A-F]{8}(\.\d+){6}$/)
  expect(Math.abs(tick.asOfMs - Date.now())).toBeLessThan(60_000)
})

test('the next look returns the images of what was committed meanwhile, in order, once', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  const start = await target()
  const first = await ledger.post(twoLines(company, 'v1', 5n))
  await ledger.post(twoLines(company, 'v2', 7n))
  const tick = await outbox.tick({ after: start, limit: 100 })
  const mine = tick.rows.filter((row) => row.companyId === company)
  expect(mine.map(({ change }) => (change.kind === 'image' ? change.image : change))).toEqual([
    ...first.images,
    { ...first.images[0], version: 2, fields: ['12', '0'] },
    { ...first.images[1], version: 2, fields: ['0', '12'] },
  ])
  const again = await outbox.tick({ after: tick.target, limit: 100 })
  expect(again.rows.filter((row) => row.companyId === company)).toEqual([])
  expect(outbox.covers(tick.target, start)).toBe(true)
  expect(outbox.covers(start, tick.target)).toBe(false)
})

test('vouchers posted together leave one row per account, with the last version', async () => {
  const company = freshCompany()
  const start = await target()
  const ledger = database.ledger()
  await Promise.all([1, 2, 3, 4].map((n) => ledger.post(twoLines(company, `v${n}`))))
  const tick = await outbox.tick({ after: start, limit: 100 })
  const versions = tick.rows.flatMap(({ companyId, change }) =>
    companyId === company && change.kind === 'image' ? [change.image.version] : [],
  )
  expect(versions).toEqual([4, 4])
})

test('a long backlog is read page by page inside the first target, although posting goes on', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  const start = await target()
  for (let n = 0; n < 5; n += 1) await ledger.post(twoLines(company, `v${n}`))
  const tick = await outbox.tick({ after: start, limit: 3 })
  expect(tick.rows).toHaveLength(3)
  await ledger.post(twoLines(company, 'later'))
  const seen = [...tick.rows]
  for (;;) {
    const afterId = seen.at(-1)?.id ?? '0'
    const page = await outbox.page({ after: start, target: tick.target, afterId, limit: 3 })
    expect(page.epoch).toBe(tick.epoch)
    seen.push(...page.rows)
    if (page.rows.length < 3) break
  }
  const versions = seen.flatMap(({ change }) => (change.kind === 'image' ? [change.image.version] : []))
  expect(versions).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
  const rest = await outbox.tick({ after: tick.target, limit: 10 })
  expect(rest.rows).toHaveLength(2)
})

test('one company’s rows can be read alone, from the first page on', async () => {
  const [mine, other] = [freshCompany(), freshCompany()]
  const ledger = database.ledger()
  const start = await target()
  await Promise.all([ledger.post(twoLines(mine, 'v1')), ledger.post(twoLines(other, 'v1'))])
  const end = await target()
  const query = { after: start, target: end, limit: 1, companyId: mine }
  const first = await outbox.page({ ...query, afterId: '0' })
  const second = await outbox.page({ ...query, afterId: first.rows[0]?.id ?? '' })
  const third = await outbox.page({ ...query, afterId: second.rows[0]?.id ?? '' })
  expect([first, second, third].map(({ rows }) => rows.map((row) => row.companyId))).toEqual([
    [mine],
    [mine],
    [],
  ])
})

test('every company that ever had a row is listed once', async () => {
  const companies = [freshCompany(), freshCompany(), freshCompany()]
  const ledger = database.ledger()
  for (const company of companies) {
    await ledger.post(twoLines(company, 'v1'))
    await ledger.post(twoLines(company, 'v2'))
  }
  const listed = await outbox.companies()
  expect(listed.filter((company) => companies.includes(company)).sort()).toEqual([...companies].sort())
})

test('invalidations stand in the order of all changes, also inside a repair of the host', async () => {
  const company = freshCompany()
  const start = await target()
  const posted = await database.ledger().post(twoLines(company, 'v1'))
  const ref = posted.images[0]?.ref ?? { companyId: company, family: 'balance', parts: ['', ''] }
  await outbox.invalidate(ref)
  await outbox.invalidateAll(company)
  const client = await database.pool.connect()
  await client.query('BEGIN')
  await outbox.invalidateWithin(client, { ref })
  expect((await outbox.tick({ after: start, limit: 100 })).rows).toHaveLength(4)
  await client.query('COMMIT')
  await client.query('BEGIN')
  await outbox.invalidateWithin(client, { companyId: company })
  await client.query('ROLLBACK')
  client.release()
  const { rows } = await outbox.tick({ after: start, limit: 100 })
  expect(rows.map((row) => row.change.kind)).toEqual([
    'image',
    'image',
    'invalidate',
    'invalidateAll',
    'invalidate',
  ])
  expect(rows[2]?.change).toEqual({ kind: 'invalidate', ref })
})

test('a commit wakes whoever listens, also after its connection was cut', async () => {
  const wakes: number[] = []
  const listener = await outbox.onWake(() => wakes.push(performance.now()))
  const afterConnect = wakes.length
  expect(afterConnect).toBe(1)
  await database.ledger().post(twoLines(freshCompany(), 'v1'))
  await expect.poll(() => wakes.length).toBeGreaterThan(afterConnect)
  const cut = await database.one(
    `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()`,
  )
  expect(cut).toBe('1')
  const beforeReconnect = wakes.length
  await expect.poll(() => wakes.length, { timeout: 10_000 }).toBeGreaterThan(beforeReconnect)
  const reconnected = wakes.length
  await database.ledger().post(twoLines(freshCompany(), 'v1'))
  await expect.poll(() => wakes.length).toBeGreaterThan(reconnected)
  await listener.close()
})

test('listening neither fails nor blocks while the database is away', async () => {
  const away = new Outbox({ pool: new pg.Pool({ host: '/nowhere', max: 2 }) })
  const listener = await away.onWake(() => undefined)
  await listener.close()
})

test('trimming deletes old rows but the last of each company, and a reader behind it can tell', async () => {
  const own = await ownDatabase(inject('databaseUrl'))
  try {
    const mine = new Outbox({ pool: own.pool })
    const [busy, idle] = [freshCompany(), freshCompany()]
    const start = (await mine.tick({ limit: 1 })).target
    const ledger = own.ledger()
    await ledger.post(twoLines(idle, 'v1'))
    for (let n = 0; n < 3; n += 1) await ledger.post(twoLines(busy, `v${n}`))
    // The first call remembers the moment; only what is older than a remembered moment is deleted later.
    expect(await mine.trim({ olderThanMs: 200 })).toEqual({ deleted: 0, trimmedTo: undefined })
    const caughtUp = (await mine.tick({ limit: 1 })).target
    await wait(210)
    const trimmed = await mine.trim({ olderThanMs: 200 })
    expect(trimmed.deleted).toBe(10)
    expect([...(await mine.companies())].sort()).toEqual([busy, idle].sort())
    const tick = await mine.tick({ after: caughtUp, limit: 10 })
    expect(tick.trimmedTo).toBe(trimmed.trimmedTo)
    expect(mine.covers(caughtUp, tick.trimmedTo ?? '')).toBe(true)
    expect(mine.covers(start, tick.trimmedTo ?? '')).toBe(false)
    const page = mine.page({ after: start, target: tick.target, afterId: '0', limit: 10 })
    await expect(page).rejects.toBeInstanceOf(OutboxTrimmedError)

    await ledger.post(twoLines(busy, 'new'))
    const rest = await mine.tick({ after: caughtUp, limit: 10 })
    expect(rest.rows).toHaveLength(2)
    expect((await mine.trim({ olderThanMs: 3_600_000 })).deleted).toBe(0)
  } finally {
    await own.close()
  }
})

test('marks of another history of the database are never trusted', async () => {
  const own = await ownDatabase(inject('databaseUrl'))
  try {
    const mine = new Outbox({ pool: own.pool })
    const ledger = own.ledger()
    await ledger.post(twoLines(freshCompany(), 'v1'))
    await own.pool.query(
      `INSERT INTO kerp.outbox_mark VALUES (now() - interval '1 day', 'other', '99999999:99999999:');
       INSERT INTO kerp.outbox_trim (lineage, trimmed_to) VALUES ('other', '99999999:99999999:')`,
    )
    await ledger.post(twoLines(freshCompany(), 'v2'))
    expect(await mine.trim({ olderThanMs: 3_600_000 })).toEqual({ deleted: 0, trimmedTo: undefined })
    expect((await mine.tick({ limit: 1 })).trimmedTo).toBeUndefined()
  } finally {
    await own.close()
  }
})

test.each(['', 'x', '1:2', '5:3:', '0:0:', '10:20:30', '10:20:15,12', '1:2:\u0000', '1:2:>3:4:#5'])(
  'a position that this outbox never gave out is refused: %j',
  async (after) => {
    await expect(outbox.tick({ after, limit: 1 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'after',
    })
  },
)
