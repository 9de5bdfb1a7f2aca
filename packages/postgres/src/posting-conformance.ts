/** What posting vouchers must do, as tests: run by our ledger and by its double, and by a ledger of your own. */

import { deepEqual, equal, rejects } from 'node:assert/strict'
import { AMOUNT_DIGITS_MAX, readTokenOf, systemRandom } from '@kerp/core'
import type { DeclareTest } from '@kerp/core/testing'
import type { Ledger } from './ledger.js'
import type { FiscalYearOf, Voucher } from './voucher.js'

/** What can post. */
export type Posting = Pick<Ledger, 'post'>

/** A suite for posting. */
export interface PostingConformance {
  readonly test: DeclareTest
  /** Called by each test; takes every account, and may answer the same ledger again. */
  readonly open: () => Posting | Promise<Posting>
  /** A ledger with this rule of fiscal years; left out for one that has none. */
  readonly openWithYears?: ((fiscalYearOf: FiscalYearOf) => Posting | Promise<Posting>) | undefined
}

/** Declares the tests. */
export function postingConforms({ test, open, openWithYears }: PostingConformance): void {
  const declare = (title: string, run: (ledger: Posting, company: string) => Promise<void>): void =>
    void test(title, async () => run(await open(), `t-${systemRandom.hex(6)}`))
  answers(declare)
  refusals(declare)
  if (openWithYears !== undefined) fiscalYears(test, openWithYears)
}

type Declare = (title: string, run: (ledger: Posting, company: string) => Promise<void>) => void

function voucher(companyId: string, id: string, lines: Voucher['lines']): Voucher {
  return { companyId, id, date: '2026-01-05', fiscalYear: 2026, lines }
}

function sale(companyId: string, id: string, amount = 1_000n): Voucher {
  return voucher(companyId, id, [
    { account: '1101', debit: amount },
    { account: '4101', credit: amount },
  ])
}

function answers(declare: Declare): void {
  declare(
    'a voucher is answered with its rows as they then stand, in the order of its lines',
    async (ledger, company) => {
      await ledger.post(sale(company, 'v1', 5n))
      const posted = await ledger.post(
        voucher(company, 'v2', [
          { account: '9000', credit: 4n },
          { account: '1101', debit: 3n },
          { account: '1101', debit: 1n },
        ]),
      )
      deepEqual(
        posted.images.map(({ ref, version, fields }) => [ref.parts.join('/'), version, ...fields]),
        [
          ['9000/2026', 1, '0', '4'],
          ['1101/2026', 2, '9', '0'],
        ],
      )
      deepEqual([posted.companyId, posted.voucherId, posted.replayed], [company, 'v2', false])
      equal(posted.token, readTokenOf(posted))
    },
  )

  declare('the same voucher again has no effect and the same answer', async (ledger, company) => {
    const first = await ledger.post(sale(company, 'v1', 5n))
    await ledger.post(sale(company, 'v2', 7n))
    deepEqual(await ledger.post(sale(company, 'v1', 5n)), { ...first, replayed: true })
    const { images } = await ledger.post(sale(company, 'v3', 1n))
    deepEqual(images[0]?.fields, ['13', '0'])
  })

  declare('amounts are exact up to 38 digits', async (ledger, company) => {
    const amount = 10n ** BigInt(AMOUNT_DIGITS_MAX) - 1n
    await ledger.post(sale(company, 'v1', amount))
    const { images } = await ledger.post(sale(company, 'v2', 2n ** 53n + 1n))
    deepEqual(images[0]?.fields, [String(amount + 2n ** 53n + 1n), '0'])
  })

  declare('vouchers posted at once each raise the version of a row by one', async (ledger, company) => {
    const posted = await Promise.all(
      Array.from({ length: 20 }, (_, index) => ledger.post(sale(company, `v${index}`, 1n))),
    )
    const versions = posted.map(({ images }) => images[0]?.version ?? 0).sort((x, y) => x - y)
    deepEqual(
      versions,
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
  })
}

function refusals(declare: Declare): void {
  declare('another content under the same id is refused and changes nothing', async (ledger, company) => {
    await ledger.post(sale(company, 'v1', 5n))
    await rejects(ledger.post(sale(company, 'v1', 6n)), { code: 'VOUCHER_CONFLICT', retryable: false })
    const { images } = await ledger.post(sale(company, 'v2', 1n))
    deepEqual([images[0]?.version, images[0]?.fields[0]], [2, '6'])
  })

  declare(
    'a voucher that does not balance, or has a number for an amount, is refused by its field',
    async (ledger, company) => {
      const lines = [
        { account: '1101', debit: 5n },
        { account: '4101', credit: 6n },
      ]
      await rejects(ledger.post(voucher(company, 'v1', lines)), { code: 'VOUCHER_INVALID', field: 'lines' })
      const numbers = [
        { account: '1101', debit: 5 },
        { account: '4101', credit: 5n },
      ] as unknown as Voucher['lines']
      const refused = ledger.post(voucher(company, 'v1', numbers))
      await rejects(refused, { code: 'VOUCHER_INVALID', field: 'lines[0].debit' })
      const { images } = await ledger.post(sale(company, 'v1', 1n))
      equal(images[0]?.version, 1)
    },
  )
}

/** Years begin in April; nothing is posted before 2026. */
const aprilYears: FiscalYearOf = (date) => {
  const year = Number(date.slice(0, 4)) - (date.slice(5) < '04-01' ? 1 : 0)
  return year < 2026 ? undefined : year
}

function fiscalYears(
  test: DeclareTest,
  openWithYears: (fiscalYearOf: FiscalYearOf) => Posting | Promise<Posting>,
): void {
  void test('a voucher of another fiscal year than its date is refused and changes nothing', async () => {
    const company = `t-${systemRandom.hex(6)}`
    const asked: string[] = []
    const ledger = await openWithYears((date, companyId) => {
      asked.push(companyId)
      return aprilYears(date, companyId)
    })
    const dated = (date: string): Voucher => ({ ...sale(company, 'v1'), date })
    for (const date of ['2031-06-01', '2027-04-01']) {
      await rejects(ledger.post(dated(date)), {
        code: 'VOUCHER_INVALID',
        field: 'fiscalYear',
        retryable: false,
      })
    }
    await rejects(ledger.post(dated('2026-03-31')), {
      code: 'VOUCHER_INVALID',
      field: 'date',
      retryable: false,
    })
    const { images } = await ledger.post(dated('2027-03-31'))
    equal(images[0]?.version, 1)
    deepEqual(new Set(asked), new Set([company]))
  })
}
