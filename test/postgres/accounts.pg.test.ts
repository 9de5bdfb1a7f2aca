/** The chart of accounts, and how long a ledger remembers it. */

import { manualClock } from '@kerp/core/testing'
import { type AccountCatalog, Accounts } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase
let accounts: Accounts

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  accounts = new Accounts({ pool: database.pool })
})

afterAll(() => database.close())

test('a chart is listed by code, and an account that others name as parent is a group', async () => {
  const company = freshCompany()
  await accounts.define(company, [
    { code: '1101', name: '현금', parent: '11' },
    { code: '11', name: 'Current assets' },
  ])
  await accounts.define(company, [{ code: '1101', name: 'Cash', parent: '11' }])
  expect(await accounts.list(company)).toEqual([
    { code: '11', name: 'Current assets', parent: undefined, kind: 'group' },
    { code: '1101', name: 'Cash', parent: '11', kind: 'postable' },
  ])
  expect(await accounts.list(freshCompany())).toEqual([])
  expect([...(await accounts.lookup(company, ['11', '1101', '12']))]).toEqual([
    ['11', 'group'],
    ['1101', 'postable'],
  ])
})

test('a parent that does not exist is refused, and nothing of that call is kept', async () => {
  const company = freshCompany()
  const call = accounts.define(company, [
    { code: '1', name: 'one' },
    { code: '2', name: 'two', parent: '9' },
  ])
  await expect(call).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'parent' })
  expect(await accounts.list(company)).toEqual([])
})

test.each([
  [
    'by one call',
    [
      [
        { code: 'a', name: 'A', parent: 'b' },
        { code: 'b', name: 'B', parent: 'a' },
      ],
    ],
  ],
  [
    'by one call after another',
    [
      [{ code: 'a', name: 'A' }],
      [
        { code: 'b', name: 'B', parent: 'a' },
        { code: 'c', name: 'C', parent: 'b' },
      ],
      [
        { code: 'd', name: 'D' },
        { code: 'a', name: 'A', parent: 'c' },
      ],
    ],
  ],
])('an account cannot become a group above itself: %s', async (_how, calls) => {
  const company = freshCompany()
  for (const accountsOfCall of calls.slice(0, -1)) await accounts.define(company, accountsOfCall)
  const before = await accounts.list(company)
  const last = calls.at(-1) ?? []
  const index = last.findIndex(({ code }) => code === 'a')
  await expect(accounts.define(company, last)).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: `accounts[${index}].parent`,
    message: expect.stringContaining('not below it') as unknown,
  })
  expect(await accounts.list(company)).toEqual(before)
})

test('nor by two calls at once, each of which brings one half of the circle', async () => {
  const company = freshCompany()
  await accounts.define(
    company,
    ['a', 'b'].map((code) => ({ code, name: code })),
  )
  const settled = await Promise.allSettled([
    accounts.define(company, [{ code: 'a', name: 'a', parent: 'b' }]),
    accounts.define(company, [{ code: 'b', name: 'b', parent: 'a' }]),
  ])
  expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
})

test.each([
  ['accounts[0].code', [{ code: 'a:b', name: 'x' }]],
  ['accounts[0].code', [{ code: '', name: 'x' }]],
  [
    'accounts[1].code',
    [
      { code: 'a', name: 'x' },
      { code: 'a', name: 'y' },
    ],
  ],
  ['accounts[0].parent', [{ code: 'a', name: 'x', parent: 'a' }]],
  ['accounts[0].name', [{ code: 'a', name: '' }]],
  ['accounts[0].name', [{ code: 'a', name: 'x\u0000' }]],
])('a bad definition is refused by its field: %s', async (field, list) => {
  await expect(accounts.define(freshCompany(), list)).rejects.toMatchObject({ code: 'INVALID_INPUT', field })
})

test('a chart that changes is told in its transaction; one that does not, or is refused, is not', async () => {
  const company = freshCompany()
  let told = 0
  const define = async (name: string, parent: string | undefined): Promise<number> => {
    const whenChanged = (): Promise<unknown> => Promise.resolve((told += 1))
    const chart = [
      { code: '1', name: 'one' },
      { code: '2', name, parent },
    ]
    await accounts.define(company, chart, { whenChanged }).catch(() => undefined)
    return told
  }
  expect([await define('two', undefined), await define('two', undefined)]).toEqual([1, 1])
  expect([await define('two', '1'), await define('zwei', '1'), await define('zwei', '9')]).toEqual([2, 3, 3])
})

test('two processes that define the same chart at once both succeed', async () => {
  const company = freshCompany()
  const chart = Array.from({ length: 50 }, (_, n) => ({ code: `a${n}`, name: `n${n}` }))
  await Promise.all([accounts.define(company, chart), accounts.define(company, [...chart].reverse())])
  expect(await accounts.list(company)).toHaveLength(50)
})

test('the catalogue is asked once for many vouchers, again after its time, and always for unknown accounts', async () => {
  const company = freshCompany()
  const clock = manualClock()
  const asked: (readonly string[])[] = []
  const catalog: AccountCatalog = {
    lookup(_companyId, list) {
      asked.push(list)
      return Promise.resolve(new Map(list.filter((code) => code !== '9').map((code) => [code, 'postable'])))
    },
  }
  const ledger = database.ledger({ accounts: catalog, clock, accountsTtlMs: 1_000 })
  await Promise.all([1, 2, 3].map((n) => ledger.post(twoLines(company, `v${n}`))))
  await ledger.post(twoLines(company, 'v4'))
  expect(asked).toEqual([['1101', '4101']])
  await clock.advance(1_001)
  await ledger.post(twoLines(company, 'v5'))
  expect(asked).toHaveLength(2)
  for (const id of ['v6', 'v7']) {
    await expect(ledger.post(twoLines(company, id, 1n, { debit: '9' }))).rejects.toMatchObject({
      code: 'VOUCHER_INVALID',
    })
  }
  expect(asked).toHaveLength(4)
})

test('the memory of accounts is bounded', async () => {
  const company = freshCompany()
  let asked = 0
  const catalog: AccountCatalog = {
    lookup(_companyId, list) {
      asked += 1
      return Promise.resolve(new Map(list.map((code) => [code, 'postable'])))
    },
  }
  const ledger = database.ledger({ accounts: catalog, accountsMax: 2 })
  await ledger.post(twoLines(company, 'v1'))
  await ledger.post(twoLines(company, 'v2', 1n, { debit: 'x', credit: 'y' }))
  await ledger.post(twoLines(company, 'v3'))
  expect(asked).toBe(3)
})
