/** Posting: each voucher takes effect once, each caller gets its own state, and every figure is exact. */

import { parseReadToken, registerName } from '@kerp/core'
import { recordingObserver } from '@kerp/core/testing'
import type { Voucher } from '@kerp/postgres'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'
import { fieldsOf, rowOf } from './posted.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

describe('vouchers that arrive together', () => {
  test('three on one hot account add up, and each caller gets the state after its own', async () => {
    const company = freshCompany()
    const observer = recordingObserver()
    const ledger = database.ledger({ observer })
    const posted = await Promise.all(
      [10n, 20n, 30n].map((amount, n) => ledger.post(twoLines(company, `v${n}`, amount))),
    )
    expect(observer.of('postingBatch').map(({ vouchers }) => vouchers)).toEqual([3])
    expect(posted.map((answer) => fieldsOf(answer, '1101'))).toEqual([
      [1, '10', '0'],
      [2, '30', '0'],
      [3, '60', '0'],
    ])
    expect(await rowOf(database, company, '1101')).toBe('3 60 0')
    expect(await rowOf(database, company, '4101')).toBe('3 0 60')
    expect(posted.map(({ replayed }) => replayed)).toEqual([false, false, false])
  })

  test('three lines of one voucher on one account are one version and add up', async () => {
    const company = freshCompany()
    const posted = await database.ledger().post({
      ...twoLines(company, 'v1'),
      lines: [
        { account: '1101', debit: 10n },
        { account: '4101', credit: 60n },
        { account: '1101', debit: 20n },
        { account: '1101', debit: 30n },
      ],
    })
    expect(posted.images.map(({ ref }) => ref.parts[0])).toEqual(['1101', '4101'])
    expect(fieldsOf(posted, '1101')).toEqual([1, '60', '0'])
    expect(await rowOf(database, company, '1101')).toBe('1 60 0')
  })

  test('the same voucher twice takes effect once and both callers get the same state', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    const [first, second] = await Promise.all([
      ledger.post(twoLines(company, 'v1', 5n)),
      ledger.post(twoLines(company, 'v1', 5n)),
    ])
    expect(first.replayed).toBe(false)
    expect(second).toEqual({ ...first, replayed: true })
    expect(await rowOf(database, company, '1101')).toBe('1 5 0')
  })

  test('another voucher under the same id is refused to the later caller only', async () => {
    const company = freshCompany()
    const observer = recordingObserver()
    const ledger = database.ledger({ observer })
    const [first, second, third] = await Promise.allSettled([
      ledger.post(twoLines(company, 'v1', 5n)),
      ledger.post(twoLines(company, 'v1', 6n)),
      ledger.post(twoLines(company, 'v2', 7n)),
    ])
    expect([first.status, second.status, third.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(second).toMatchObject({ reason: { code: 'VOUCHER_CONFLICT', voucherId: 'v1', retryable: false } })
    expect(await rowOf(database, company, '1101')).toBe('2 12 0')
    // The two never met in one transaction, where they would have failed together.
    expect(observer.of('postingBatch').map((batch) => batch['result'])).toEqual(['committed', 'committed'])
  })

  test.each([
    ['keys', 'the same', 2_400],
    ['rows', 'their own', 4_800],
  ])(
    'two ledgers lock %s: %s vouchers in opposite order, sixty times, and not one deadlock to repeat',
    async (what, _whose, count) => {
      const company = freshCompany()
      const observer = recordingObserver()
      const [a, b] = [database.ledger({ observer }), database.ledger({ observer })]
      // In a table of this size rows are looked up one by one, in whatever order they are asked for.
      await database.pool.query(
        `INSERT INTO kerp.balance (company, account, fiscal_year)
         SELECT 'filler', 'f' || n, 2026 FROM generate_series(1, 20000) n ON CONFLICT DO NOTHING`,
      )
      await database.pool.query('ANALYZE kerp.balance')
      const vouchers = (round: number, owner: string): Voucher[] =>
        Array.from({ length: 40 }, (_, n) => {
          const id = `v${(n * 17) % 40}-${round}${what === 'keys' ? '' : owner}`
          return twoLines(company, id, 1n, { debit: `a${(n * 7) % 11}`, credit: `b${n % 13}` })
        })
      for (let round = 0; round < 60; round += 1) {
        await Promise.all([
          ...vouchers(round, 'a').map((voucher) => a.post(voucher)),
          ...vouchers(round, 'b')
            .reverse()
            .map((voucher) => b.post(voucher)),
        ])
      }
      const results = new Set(observer.of('postingBatch').map((batch) => batch['result']))
      expect([...results]).toEqual(['committed'])
      expect(await a.audit(company)).toMatchObject({ ok: true, vouchers: count })
    },
  )

  test('vouchers of several companies and years share a transaction and nothing else', async () => {
    const [a, b] = [freshCompany(), freshCompany()]
    const observer = recordingObserver()
    const ledger = database.ledger({ observer })
    const posted = await Promise.all([
      ledger.post(twoLines(a, 'v1', 1n)),
      ledger.post(twoLines(b, 'v1', 2n)),
      ledger.post({ ...twoLines(a, 'v2', 3n), fiscalYear: 2025 }),
    ])
    expect(observer.of('postingBatch')).toHaveLength(1)
    expect(
      posted.map((answer) => answer.images.map(({ ref, version }) => [ref.companyId, ref.parts[1], version])),
    ).toEqual([
      [
        [a, '2026', 1],
        [a, '2026', 1],
      ],
      [
        [b, '2026', 1],
        [b, '2026', 1],
      ],
      [
        [a, '2025', 1],
        [a, '2025', 1],
      ],
    ])
  })

  test('more vouchers than one transaction takes are posted in the order of arrival', async () => {
    const company = freshCompany()
    const ledger = database.ledger({ batchMax: 7, batchesInFlightMax: 1 })
    const posted = await Promise.all(
      Array.from({ length: 50 }, (_, n) => ledger.post(twoLines(company, `v${n}`, 1n))),
    )
    expect(posted.map((answer) => fieldsOf(answer, '1101')?.[0])).toEqual(
      Array.from({ length: 50 }, (_, n) => n + 1),
    )
  })
})

describe('posting again', () => {
  test('the same voucher later, in another process, gets the stored state of its own moment', async () => {
    const company = freshCompany()
    const first = await database.ledger().post(twoLines(company, 'v1', 5n))
    await database.ledger().post(twoLines(company, 'v2', 7n))
    const again = await database.ledger().post(twoLines(company, 'v1', 5n))
    expect(again).toEqual({ ...first, replayed: true })
    expect(await rowOf(database, company, '1101')).toBe('2 12 0')
  })

  test.each<[string, (voucher: Voucher) => Voucher]>([
    ['amount', (voucher) => twoLines(voucher.companyId, voucher.id, 6n)],
    ['date', (voucher) => ({ ...voucher, date: '2026-01-06' })],
    ['fiscal year', (voucher) => ({ ...voucher, fiscalYear: 2027 })],
    ['account', (voucher) => twoLines(voucher.companyId, voucher.id, 5n, { credit: '4102' })],
    ['memo', (voucher) => ({ ...voucher, lines: voucher.lines.map((line) => ({ ...line, memo: 'm' })) })],
    ['order of lines', (voucher) => ({ ...voucher, lines: [...voucher.lines].reverse() })],
  ])('with another %s it is a conflict, and nothing is changed', async (_what, change) => {
    const company = freshCompany()
    const voucher = twoLines(company, 'v1', 5n)
    await database.ledger().post(voucher)
    await expect(database.ledger().post(change(voucher))).rejects.toMatchObject({ code: 'VOUCHER_CONFLICT' })
    expect(await rowOf(database, company, '1101')).toBe('1 5 0')
    expect(await database.one('SELECT count(*) FROM kerp.outbox WHERE company = $1', [company])).toBe('3')
    expect(await database.one('SELECT count(*) FROM kerp.balance WHERE company = $1', [company])).toBe('2')
  })

  test('an id in another company is another voucher', async () => {
    const [a, b] = [freshCompany(), freshCompany()]
    const ledger = database.ledger()
    await ledger.post(twoLines(a, 'v1', 5n))
    expect((await ledger.post(twoLines(b, 'v1', 6n))).replayed).toBe(false)
  })

  test('Hangul that was typed in parts is the same id as Hangul in one piece', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    const nfd = '전표-1'.normalize('NFD')
    expect(nfd).not.toBe('전표-1')
    const first = await ledger.post(twoLines(company, nfd, 5n, { debit: '현금'.normalize('NFD') }))
    const again = await ledger.post(twoLines(company, '전표-1', 5n, { debit: '현금' }))
    expect(again).toEqual({ ...first, replayed: true })
    expect(first.voucherId).toBe('전표-1')
    expect(await rowOf(database, company, '현금')).toBe('1 5 0')
  })
})

describe('figures', () => {
  test.each([2n ** 53n + 1n, 10n ** 38n - 1n, 1n])(
    '%d minor units are kept to the last digit',
    async (amount) => {
      const company = freshCompany()
      const ledger = database.ledger()
      const first = await ledger.post(twoLines(company, 'v1', amount))
      const second = await ledger.post(twoLines(company, 'v2', amount))
      expect(fieldsOf(first, '1101')).toEqual([1, amount.toString(), '0'])
      expect(fieldsOf(second, '4101')).toEqual([2, '0', (2n * amount).toString()])
      expect((await ledger.voucher(company, 'v1')).lines.map((line) => line.debit + line.credit)).toEqual([
        amount,
        amount,
      ])
      expect((await ledger.trialBalance(company, 2026)).debit).toBe(2n * amount)
    },
  )

  test('the token names every row with the version that this voucher gave it', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    await ledger.post(twoLines(company, 'v1'))
    const posted = await ledger.post(twoLines(company, 'v2', 1n, { credit: '4102' }))
    const facts = parseReadToken(posted.token)
    expect(facts.epoch).toBe(posted.epoch)
    const versions = posted.images.map(({ ref }) => facts.versions.get(registerName(ref)))
    expect(versions).toEqual([2, 1])
  })

  test('account codes and memos keep every character that they may have', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    const memo = `"quoted", back\\slash, {braces}, 'single', NULL, \t tab, \n line, 한글, 🙂`
    const account = `매출 "A", 'b' (100%) NULL`
    const voucher = twoLines(company, `it's "1", NULL`, 5n, { debit: account })
    const lines = voucher.lines.map((line) => ({ ...line, memo }))
    await ledger.post({ ...voucher, lines })
    const stored = await ledger.voucher(company, voucher.id)
    expect(stored.lines.map((line) => [line.account, line.memo])).toEqual([
      [account, memo],
      ['4101', memo],
    ])
    expect((await ledger.post({ ...voucher, lines })).replayed).toBe(true)
  })

  test('random vouchers in random company: rows are the sums of the lines, whatever was posted together', async () => {
    const line = fc.record({
      account: fc.constantFrom('1', '2', '3', '4', '5'),
      amount: fc.bigInt(1n, 10n ** 37n),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(line, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 30 }),
        async (list) => {
          const company = freshCompany()
          const ledger = database.ledger({ batchMax: 8, batchesInFlightMax: 3 })
          await Promise.all(
            list.map((debits, n) =>
              ledger.post({
                ...twoLines(company, `v${n}`),
                lines: [
                  ...debits.map(({ account, amount }) => ({ account, debit: amount })),
                  { account: '9', credit: debits.reduce((sum, { amount }) => sum + amount, 0n) },
                ],
              }),
            ),
          )
          const audit = await ledger.audit(company)
          expect(audit.differences).toEqual([])
          expect(audit.vouchers).toBe(list.length)
          expect(audit.debit).toBe(list.flat().reduce((sum, { amount }) => sum + amount, 0n))
        },
      ),
      { numRuns: 30 },
    )
  })
})
