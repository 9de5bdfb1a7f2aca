/** Reading what was posted: vouchers, reversals, approvals, pages of an account, trial balances, audits. */

import type { LedgerLine } from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freshCompany } from '../support/fresh-company.js'
import { type OwnDatabase, ownDatabase, twoLines } from './own-database.js'

let database: OwnDatabase

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
})

afterAll(() => database.close())

test('a voucher is read as it was posted, its lines in their order', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  const lines = [
    { account: '9', debit: 3n, memo: 'first' },
    { account: '1', credit: 5n },
    { account: '9', debit: 2n },
  ]
  await ledger.post({ companyId: company, id: 'v1', date: '2024-02-29', fiscalYear: 2023, lines })
  const stored = await ledger.voucher(company, 'v1')
  expect(stored).toMatchObject({ id: 'v1', date: '2024-02-29', fiscalYear: 2023, state: 'posted' })
  expect(stored.lines).toEqual([
    { account: '9', debit: 3n, credit: 0n, memo: 'first' },
    { account: '1', debit: 0n, credit: 5n, memo: undefined },
    { account: '9', debit: 2n, credit: 0n, memo: undefined },
  ])
  expect(Math.abs(stored.postedAt.getTime() - Date.now())).toBeLessThan(60_000)
  await expect(ledger.voucher(company, 'v2')).rejects.toMatchObject({ code: 'VOUCHER_NOT_FOUND' })
  await expect(ledger.voucher(company, 'a:b')).rejects.toMatchObject({ code: 'VOUCHER_INVALID' })
})

describe('a reversal', () => {
  test('swaps the sides, leaves the balance at zero, and is named by both vouchers', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    await ledger.post(twoLines(company, 'v1', 5n))
    const posted = await ledger.reverse(company, 'v1', { id: 'r1' })
    expect(posted.images.map(({ version, fields }) => [version, ...fields])).toEqual([
      [2, '5', '5'],
      [2, '5', '5'],
    ])
    expect(await ledger.voucher(company, 'r1')).toMatchObject({ reverses: 'v1', date: '2026-01-05' })
    expect(await ledger.voucher(company, 'v1')).toMatchObject({ reversedBy: 'r1', reverses: undefined })
    expect((await ledger.audit(company)).ok).toBe(true)
  })

  test('happens once: the same one again is answered, another one is refused and leaves nothing', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    await ledger.post(twoLines(company, 'v1', 5n))
    const first = await ledger.reverse(company, 'v1', { id: 'r1', date: '2026-02-01' })
    const again = await ledger.reverse(company, 'v1', { id: 'r1', date: '2026-02-01' })
    expect(again).toEqual({ ...first, replayed: true })
    await expect(ledger.reverse(company, 'v1', { id: 'r2' })).rejects.toMatchObject({
      code: 'VOUCHER_REVERSED',
      reversedBy: 'r1',
      retryable: false,
    })
    await expect(ledger.reverse(company, 'v1', { id: 'r1' })).rejects.toMatchObject({
      code: 'VOUCHER_CONFLICT',
    })
    await expect(ledger.voucher(company, 'r2')).rejects.toMatchObject({ code: 'VOUCHER_NOT_FOUND' })
    expect((await ledger.audit(company)).vouchers).toBe(2)
  })

  test('with a date of its own lies in the fiscal year of the voucher, where the host says which that is', async () => {
    const company = freshCompany()
    const ledger = database.ledger({ fiscalYearOf: (date) => Number(date.slice(0, 4)) })
    await ledger.post(twoLines(company, 'v1'))
    const elsewhere = ledger.reverse(company, 'v1', { id: 'r1', date: '2027-01-01' })
    await expect(elsewhere).rejects.toMatchObject({ code: 'VOUCHER_INVALID', field: 'fiscalYear' })
    expect((await ledger.reverse(company, 'v1', { id: 'r1', date: '2026-12-31' })).replayed).toBe(false)
    await database.ledger().post({ ...twoLines(company, 'v2'), date: '2031-06-01' })
    expect((await ledger.reverse(company, 'v2', { id: 'r2' })).replayed).toBe(false)
  })

  test('under an id that is taken is a conflict, and the voucher can still be reversed', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    await ledger.post(twoLines(company, 'v1', 5n))
    await ledger.post(twoLines(company, 'v2', 6n))
    await expect(ledger.reverse(company, 'v1', { id: 'v2' })).rejects.toMatchObject({
      code: 'VOUCHER_CONFLICT',
    })
    expect((await ledger.reverse(company, 'v1', { id: 'r1' })).replayed).toBe(false)
  })

  test('by ten callers with ten ids at once: one of them', async () => {
    const company = freshCompany()
    const [a, b] = [database.ledger(), database.ledger()]
    await a.post(twoLines(company, 'v1', 5n))
    const settled = await Promise.allSettled(
      Array.from({ length: 5 }, (_, n) => [
        a.reverse(company, 'v1', { id: `a${n}` }),
        b.reverse(company, 'v1', { id: `b${n}` }),
      ]).flat(),
    )
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const end of settled) {
      if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'VOUCHER_REVERSED' })
    }
    expect(await database.ledger().audit(company)).toMatchObject({ ok: true, vouchers: 2 })
  })

  test('of a voucher that does not exist, or with a bad id or date, is refused', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    await ledger.post(twoLines(company, 'v1', 5n))
    await expect(ledger.reverse(company, 'v9', { id: 'r1' })).rejects.toMatchObject({
      code: 'VOUCHER_NOT_FOUND',
    })
    await expect(ledger.reverse(company, 'v1', { id: 'r:1' })).rejects.toMatchObject({ field: 'id' })
    await expect(ledger.reverse(company, 'v1', { id: 'r1', date: 'x' })).rejects.toMatchObject({
      field: 'date',
    })
  })
})

test('an approval changes the state for exactly one of many callers', async () => {
  const company = freshCompany()
  const ledger = database.ledger()
  await ledger.post(twoLines(company, 'v1', 5n))
  const approvals = await Promise.all(Array.from({ length: 8 }, () => ledger.approve(company, 'v1')))
  expect(approvals.filter(({ changed }) => changed)).toHaveLength(1)
  const stored = await ledger.voucher(company, 'v1')
  expect(stored.state).toBe('approved')
  for (const { approvedAt } of approvals) expect(approvedAt).toEqual(stored.approvedAt)
  await expect(ledger.approve(company, 'v9')).rejects.toMatchObject({ code: 'VOUCHER_NOT_FOUND' })
})

describe('an account’s ledger', () => {
  test('is read page by page in the order of posting, with the totals after each line', async () => {
    const company = freshCompany()
    const ledger = database.ledger()
    for (let n = 1; n <= 7; n += 1) {
      const account = n % 2 ? { debit: '1101' } : { debit: '5101', credit: '1101' }
      await ledger.post(twoLines(company, `v${n}`, BigInt(n), account))
    }
    const lines: LedgerLine[] = []
    let after: string | undefined
    do {
      const page = await ledger.accountLedger({
        companyId: company,
        account: '1101',
        fiscalYear: 2026,
        after,
        limit: 3,
      })
      expect(page.lines.length).toBeLessThanOrEqual(3)
      lines.push(...page.lines)
      after = page.next
    } while (after !== undefined)
    expect(
      lines.map(({ voucherId, debit, credit, balanceAfter, version }) => [
        voucherId,
        debit,
        credit,
        balanceAfter,
        version,
      ]),
    ).toEqual([
      ['v1', 1n, 0n, 1n, 1],
      ['v2', 0n, 2n, -1n, 2],
      ['v3', 3n, 0n, 2n, 3],
      ['v4', 0n, 4n, -2n, 4],
      ['v5', 5n, 0n, 3n, 5],
      ['v6', 0n, 6n, -3n, 6],
      ['v7', 7n, 0n, 4n, 7],
    ])
    expect(lines.at(-1)).toMatchObject({
      debitAfter: 16n,
      creditAfter: 12n,
      lineNumber: 1,
      date: '2026-01-05',
    })
  })

  test.each([1, 5, 9, 10, 1_000])(
    'in pages of %i has every line once, in the order of the vouchers and of their lines',
    async (limit) => {
      const company = freshCompany()
      const ledger = database.ledger()
      const twelve = Array.from({ length: 12 }, () => ({ account: '1101', debit: 1n }))
      const wide = { ...twoLines(company, 'wide'), lines: [...twelve, { account: '4101', credit: 12n }] }
      for (let n = 1; n <= 11; n += 1) await ledger.post(twoLines(company, `v${n}`))
      await ledger.post(wide)
      const read = { companyId: company, account: '1101', fiscalYear: 2026, limit }
      const lines: LedgerLine[] = []
      let page = await ledger.accountLedger(read)
      while (lines.push(...page.lines) <= 23 && page.next !== undefined) {
        page = await ledger.accountLedger({ ...read, after: page.next })
      }
      expect(lines.map(({ version, lineNumber }) => [version, lineNumber])).toEqual([
        ...Array.from({ length: 11 }, (_, n) => [n + 1, 1]),
        ...Array.from({ length: 12 }, (_, n) => [12, n + 1]),
      ])
      expect(lines.map(({ balanceAfter }) => balanceAfter)).toEqual([
        ...Array.from({ length: 11 }, (_, n) => BigInt(n + 1) * 1_000n),
        ...Array.from({ length: 12 }, (_, n) => 11_001n + BigInt(n)),
      ])
    },
  )

  test('of an account that was never posted to is empty', async () => {
    const page = await database
      .ledger()
      .accountLedger({ companyId: freshCompany(), account: 'x', fiscalYear: 2026, limit: 5 })
    expect(page).toEqual({ lines: [], next: undefined })
  })

  test.each([
    ['limit', { limit: 0 }],
    ['limit', { limit: 1_001 }],
    ['limit', { limit: 1.5 }],
    ['after', { after: 'x' }],
    ['after', { after: 'x'.repeat(10_000) }],
    ['account', { account: 'a\u0000' }],
    ['fiscalYear', { fiscalYear: 20_26.5 }],
    ['companyId', { companyId: 'c:1' }],
  ])('refuses a wrong %s: %j', async (field, wrong) => {
    const query = { companyId: 'c1', account: '1101', fiscalYear: 2026, limit: 5, ...wrong }
    await expect(database.ledger().accountLedger(query)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field,
    })
  })
})

test('a trial balance taken while posting goes on is one moment: both sides are always equal', async () => {
  const company = freshCompany()
  const ledger = database.ledger({ batchMax: 5 })
  const state = { isPosting: true }
  const posting = (async () => {
    for (let round = 0; round < 30; round += 1) {
      await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          ledger.post(
            twoLines(company, `v${round}-${n}`, BigInt(1 + n), { debit: `a${n}`, credit: `b${round % 5}` }),
          ),
        ),
      )
    }
    state.isPosting = false
  })()
  let looks = 0
  let lastDebit = 0n
  while (state.isPosting) {
    const { debit, credit, rows } = await ledger.trialBalance(company, 2026)
    expect(debit).toBe(credit)
    expect(debit).toBeGreaterThanOrEqual(lastDebit)
    expect(rows.map(({ account }) => account)).toEqual(rows.map(({ account }) => account).sort())
    lastDebit = debit
    looks += 1
  }
  await posting
  expect(looks).toBeGreaterThan(3)
  expect((await ledger.trialBalance(company, 2026)).debit).toBe(30n * 55n)
  expect(await ledger.trialBalance(company, 2025)).toMatchObject({ rows: [], debit: 0n, credit: 0n })
})

describe('an audit finds', () => {
  async function tampered(sql: string): Promise<readonly (readonly [string, string])[]> {
    const company = freshCompany()
    const ledger = database.ledger()
    for (let n = 1; n <= 12; n += 1) await ledger.post(twoLines(company, `v${n}`, 5n))
    expect(await ledger.audit(company)).toMatchObject({
      ok: true,
      vouchers: 12,
      lines: 24,
      rows: 2,
      debit: 60n,
      credit: 60n,
    })
    const client = await database.pool.connect()
    // As a superuser who knows what he does: the triggers refuse all of this.
    await client.query(`SET session_replication_role = 'replica'`)
    await client.query(sql.replaceAll('COMPANY', `'${company}'`))
    await client.query('RESET session_replication_role')
    client.release()
    const audit = await ledger.audit(company, { fiscalYear: 2026 })
    expect(audit.ok).toBe(false)
    expect(audit.differencesTotal).toBe(audit.differences.length)
    return audit.differences.map(({ check, subject }) => [check, subject] as const)
  }

  test.each([
    [
      'a changed balance',
      `UPDATE kerp.balance SET debit = debit + 1 WHERE company = COMPANY AND account = '1101'`,
      [
        ['rows', '1101 2026'],
        ['totals', 'all accounts'],
      ],
    ],
    [
      'a changed line',
      `UPDATE kerp.line SET debit = 6 WHERE company = COMPANY AND account = '1101' AND version = 12`,
      [
        ['rows', '1101 2026'],
        ['running', '1101 2026 version 12 line 1'],
        ['vouchers', 'v12'],
      ],
    ],
    [
      'a lost line',
      `DELETE FROM kerp.line WHERE company = COMPANY AND account = '4101' AND version = 11`,
      [
        ['rows', '4101 2026'],
        ['running', '4101 2026 version 12 line 2'],
        ['versions', '4101 2026'],
        ['vouchers', 'v11'],
      ],
    ],
    [
      'a lost voucher',
      `DELETE FROM kerp.voucher WHERE company = COMPANY AND id = 'v2'`,
      [['vouchers', 'v2']],
    ],
    [
      'a lost row',
      `DELETE FROM kerp.balance WHERE company = COMPANY AND account = '4101'`,
      [
        ['rows', '4101 2026'],
        ['totals', 'all accounts'],
        ['versions', '4101 2026'],
      ],
    ],
    [
      'changed lines, version 2 before version 10',
      `UPDATE kerp.line SET debit_after = debit_after + 1
       WHERE company = COMPANY AND account = '1101' AND version IN (2, 10)`,
      [
        ['running', '1101 2026 version 2 line 1'],
        ['running', '1101 2026 version 10 line 1'],
      ],
    ],
    [
      'a version that was skipped',
      `UPDATE kerp.balance SET version = 13 WHERE company = COMPANY AND account = '1101'`,
      [['versions', '1101 2026']],
    ],
  ])('%s', async (_what, sql, differences) => {
    expect(await tampered(sql)).toEqual(differences)
  })
})
