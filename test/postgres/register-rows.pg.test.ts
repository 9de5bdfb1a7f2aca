/** Registers loaded from rows: in the order that was asked for, as they were committed, with their history. */

import type { RegisterRef } from '@kerp/core'
import { databaseEpoch, RegisterRows } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase
let rows: RegisterRows

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  rows = new RegisterRows({ pool: database.pool })
})

afterAll(() => database.close())

function refOf(companyId: string, account: string, fiscalYear = '2026'): RegisterRef {
  return { companyId, family: 'balance', parts: [account, fiscalYear] }
}

test('one image per ref in the order of the refs, zeros for rows that were never written', async () => {
  const company = freshCompany()
  const posted = await database.ledger().post(twoLines(company, 'v1', 10n ** 38n - 1n))
  const refs = [
    refOf(company, '4101'),
    refOf(company, 'never'),
    refOf(company, '1101'),
    refOf(company, '4101'),
  ]
  const loaded = await rows.load(company, refs)
  expect(loaded.images.map(({ ref }) => ref)).toEqual(refs)
  expect(loaded.images[1]).toEqual({ ref: refs[1], version: 0, fields: ['0', '0'] })
  expect(loaded.images[2]).toEqual(posted.images[0])
  expect(loaded.images[0]).toEqual(posted.images[1])
  expect(loaded.images[3]).toEqual(posted.images[1])
  expect(loaded.epoch).toBe(posted.epoch)
  expect(loaded.epoch).toBe(await databaseEpoch(database.pool))
  expect(Math.abs(loaded.asOfMs - Date.now())).toBeLessThan(60_000)
})

test('rows of another company or year are never mixed in', async () => {
  const [a, b] = [freshCompany(), freshCompany()]
  const ledger = database.ledger()
  await ledger.post(twoLines(a, 'v1', 5n))
  await ledger.post(twoLines(b, 'v1', 7n))
  await ledger.post({ ...twoLines(a, 'v2', 9n), fiscalYear: 2025 })
  const { images } = await rows.load(a, [
    refOf(a, '1101'),
    refOf(a, '1101', '2025'),
    refOf(a, '1101', '2024'),
  ])
  expect(images.map(({ version, fields }) => [version, fields[0]])).toEqual([
    [1, '5'],
    [1, '9'],
    [0, '0'],
  ])
})

test('a thousand rows are one call, no refs at all still name the epoch', async () => {
  const company = freshCompany()
  const accounts = Array.from({ length: 999 }, (_, n) => `a${n}`)
  await database.ledger().post({
    ...twoLines(company, 'v1'),
    lines: [...accounts.map((account) => ({ account, debit: 1n })), { account: 'z', credit: 999n }],
  })
  const { images } = await rows.load(
    company,
    [...accounts, 'z'].map((account) => refOf(company, account)),
  )
  expect(images).toHaveLength(1_000)
  expect(images.every(({ version }) => version === 1)).toBe(true)
  expect(await rows.load(company, [])).toMatchObject({
    images: [],
    epoch: await databaseEpoch(database.pool),
  })
})

test('a company’s rows are listed in order, page by page, of one year or of all', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  for (const fiscalYear of [2025, 2026]) {
    for (const account of ['b', 'A', '한', 'a', '10', '9']) {
      await ledger.post({
        ...twoLines(company, `${fiscalYear}-${account.charCodeAt(0)}-${account.length}`, 1n, {
          debit: account,
        }),
        fiscalYear,
      })
    }
  }
  const listed: string[] = []
  let after: RegisterRef | undefined
  for (;;) {
    const page = await rows.list({ companyId: company, family: 'balance', ...(after && { after }), limit: 4 })
    listed.push(...page.images.map(({ ref }) => ref.parts.join('/')))
    after = page.images.at(-1)?.ref
    if (page.images.length < 4) break
  }
  const accounts = ['10', '4101', '9', 'A', 'a', 'b', '한']
  expect(listed).toEqual(accounts.flatMap((account) => [`${account}/2025`, `${account}/2026`]))
  const year = await rows.list({ companyId: company, family: 'balance', secondPart: '2025', limit: 100 })
  expect(year.images.map(({ ref }) => ref.parts[0])).toEqual(accounts)
  expect((await rows.list({ companyId: freshCompany(), family: 'balance', limit: 5 })).images).toEqual([])
})

test('a read waits for nobody: a row that is being changed is answered as it was committed', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  await ledger.post(twoLines(company, 'v1', 5n))
  const client = await database.pool.connect()
  await client.query('BEGIN')
  await ledger.postWithin(client, twoLines(company, 'v2', 5n))
  expect((await rows.load(company, [refOf(company, '1101')])).images[0]?.version).toBe(1)
  await client.query('COMMIT')
  client.release()
  expect((await rows.load(company, [refOf(company, '1101')])).images[0]?.version).toBe(2)
})

test.each<[string, string, RegisterRef]>([
  ['a ref of another company', 'c1', refOf('c2', 'x')],
  ['a year that is no number', 'c1', refOf('c1', 'x', '20x6')],
  ['a part with NUL', 'c1', refOf('c1', 'x\u0000')],
  ['a part of 10 kB', 'c1', refOf('c1', 'x'.repeat(10_240))],
  ['half a surrogate pair', 'c1', refOf('c1', '\ud800')],
  ['a company that cannot be', 'c:1', refOf('c:1', 'x')],
])('%s is refused', async (_what, companyId, ref) => {
  await expect(rows.load(companyId, [ref])).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})
