/** A bad voucher is refused with the field, the rule and the value, before any connection is asked for. */

import { type AccountCatalog, Ledger, type Voucher, VoucherInvalidError } from '@kerp/postgres'
import { describe, expect, test } from 'vitest'

const catalog: AccountCatalog = {
  lookup: (_companyId, accounts) =>
    Promise.resolve(
      new Map(
        accounts
          .filter((account) => account !== '9999')
          .map((account) => [account, account === '1' ? 'group' : 'postable'] as const),
      ),
    ),
}

let connections = 0
const ledger = new Ledger({
  pool: {
    connect() {
      connections += 1
      return Promise.reject(new TypeError('a bad voucher reached the database'))
    },
  },
  accounts: catalog,
  outageMs: 0,
})

const good: Voucher = {
  companyId: 'c1',
  id: 'INV-2026/001',
  date: '2026-01-05',
  fiscalYear: 2026,
  lines: [
    { account: '1101', debit: 10n },
    { account: '4101', credit: 10n },
  ],
}

async function refusalOf(voucher: unknown): Promise<VoucherInvalidError> {
  const before = connections
  const error: unknown = await ledger.post(voucher as Voucher).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(VoucherInvalidError)
  expect(connections).toBe(before)
  if (!(error instanceof VoucherInvalidError)) throw error
  expect(error.code).toBe('VOUCHER_INVALID')
  expect(error.retryable).toBe(false)
  expect(error.message).toContain(`\`${error.field}\` must be ${error.expected}, got `)
  return error
}

const long = 'x'.repeat(10_240)

describe('lines', () => {
  const line = (first: object): unknown => ({ ...good, lines: [first, { account: '4101', credit: 10n }] })
  test.each<[string, unknown, string, string]>([
    ['no lines', { ...good, lines: [] }, 'lines', 'a list of 0'],
    ['one line', { ...good, lines: [{ account: '1101', debit: 1n }] }, 'lines', 'a list of 1'],
    ['no list', { ...good, lines: 'x' }, 'lines', '"x"'],
    [
      '1,001 lines',
      { ...good, lines: Array.from({ length: 1_001 }, () => good.lines[0]) },
      'lines',
      'a list of 1001',
    ],
    ['unbalanced', line({ account: '1101', debit: 11n }), 'lines', 'debits ##, credits ##'],
    ['both sides', line({ account: '1101', debit: 10n, credit: 10n }), 'lines[0]', 'both sides'],
    ['neither side', line({ account: '1101' }), 'lines[0]', 'neither side'],
    ['zero', line({ account: '1101', debit: 0n }), 'lines[0].debit', '0 (bigint)'],
    ['negative', line({ account: '1101', debit: -10n }), 'lines[0].debit', '-## (bigint)'],
    ['a number', line({ account: '1101', debit: 10 }), 'lines[0].debit', '## (number)'],
    ['NaN', line({ account: '1101', debit: Number.NaN }), 'lines[0].debit', 'NaN (number)'],
    ['a decimal string', line({ account: '1101', debit: '10' }), 'lines[0].debit', '"##" (string)'],
    ['an exponent', line({ account: '1101', debit: '1e3' }), 'lines[0].debit', '"#e#" (string)'],
    ['a grouped string', line({ account: '1101', debit: '1,000' }), 'lines[0].debit', '"#,###" (string)'],
    ['null', line({ account: '1101', debit: null }), 'lines[0].debit', 'null'],
    ['39 digits', line({ account: '1101', debit: 10n ** 38n }), 'lines[0].debit', '#######'],
    ['unknown account', line({ account: '9999', debit: 10n }), 'lines[0].account', '"9999"'],
    ['group account', line({ account: '1', debit: 10n }), 'lines[0].account', '"1"'],
    ['account as a number', line({ account: 1101, debit: 10n }), 'lines[0].account', '1101 (number)'],
    [
      'account with NUL',
      line({ account: '11\u000001', debit: 10n }),
      'lines[0].account',
      String.raw`"11\u000001"`,
    ],
    ['account of 10 kB', line({ account: long, debit: 10n }), 'lines[0].account', 'of 10240 characters'],
    [
      'memo with NUL',
      line({ account: '1101', debit: 10n, memo: 'a\u0000' }),
      'lines[0].memo',
      String.raw`"a\u0000"`,
    ],
    ['memo of 501', line({ account: '1101', debit: 10n, memo: 'x'.repeat(501) }), 'lines[0].memo', 'of 501'],
    [
      'memo with half a pair',
      line({ account: '1101', debit: 10n, memo: '\ud800' }),
      'lines[0].memo',
      'ud800',
    ],
    ['a line that is none', line([]), 'lines[0]', 'a list of 0'],
    ['null as a line', { ...good, lines: [null, null] }, 'lines[0]', 'null'],
  ])('%s', async (_name, voucher, field, got) => {
    const error = await refusalOf(voucher)
    expect(error.field).toBe(field)
    expect(error.message).toContain(got)
  })
})

describe('ids', () => {
  test.each([
    '',
    ' ',
    'a:b',
    '{x}',
    'a*',
    'a?',
    'a[',
    'a]',
    'a\\b',
    'a\u0000b',
    'a\nb',
    'a\u0085b',
    '\u2028',
    ' a',
    'a ',
    '\udc00',
    'a'.repeat(129),
    long,
  ])('the voucher id %j is refused', async (id) => {
    expect((await refusalOf({ ...good, id })).field).toBe('id')
  })

  test.each([
    '',
    'c:1',
    '{c1}',
    'c*',
    '-c',
    'c 1',
    'c\u00001',
    '한국',
    'c'.repeat(64),
    long,
    7,
    null,
    undefined,
  ])('the company id %j is refused', async (companyId) => {
    expect((await refusalOf({ ...good, companyId })).field).toBe('companyId')
  })

  test.each([undefined, null, 42, [], 'x'])('a voucher that is %j is refused', async (voucher) => {
    expect((await refusalOf(voucher)).field).toBe('voucher')
  })
})

describe('days and years', () => {
  test.each([
    '2026-02-29',
    '2026-13-01',
    '2026-00-10',
    '2026-1-5',
    '20260105',
    '2026-01-05T00:00:00Z',
    '1899-12-31',
    '',
    5,
    null,
    new Date(),
  ])('the date %j is refused', async (date) => {
    expect((await refusalOf({ ...good, date })).field).toBe('date')
  })

  test.each([1899, 3000, 2026.5, Number.NaN, '2026', 2026n, null, undefined])(
    'the fiscal year %s is refused',
    async (fiscalYear) => {
      expect((await refusalOf({ ...good, fiscalYear })).field).toBe('fiscalYear')
    },
  )

  test('a leap day is a day', async () => {
    await expect(ledger.post({ ...good, date: '2024-02-29' })).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
    })
  })
})
