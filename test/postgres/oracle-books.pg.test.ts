/** Every read of the ledger, of its rows and of its events against plain oracles, over all sizes of pages. */

import type { CommittedEvent, RegisterImage } from '@kerp/core'
import { parseReadToken } from '@kerp/core'
import { byBytes } from '@kerp/core/testing'
import {
  EventLog,
  type Ledger,
  type LedgerLine,
  Outbox,
  RegisterRows,
  type VoucherApproved,
  type VoucherCreated,
} from '@kerp/postgres'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { allPages, CODES, COMPANIES, expectSame, grouped, PAGE_SIZES, together } from './oracle.js'
import {
  type Books,
  type KnownLine,
  linesByRow,
  postBooks,
  rowName,
  rowsOf,
  trialBalanceOf,
  turnoverOf,
  YEARS,
} from './oracle-books.js'
import { type OwnDatabase, ownDatabase } from './own-database.js'

const SEED = 20_261_201
/** A company whose lines are few enough to be read one by one. */
const SMALL = 'c10'

let database: OwnDatabase
let ledger: Ledger
let books: Books
let lines: ReadonlyMap<string, readonly KnownLine[]>
let before: string

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  ledger = database.ledger({ deadlineMs: 120_000 })
  before = (await new Outbox({ pool: database.pool }).tick({ limit: 1 })).target
  books = await postBooks(ledger, SEED)
  lines = linesByRow(books)
}, 120_000)

afterAll(() => database.close())

/** Pages of one line are read of the small company only. */
function companiesFor(limit: number): readonly string[] {
  return limit < 9 ? [SMALL] : COMPANIES
}

test(`the world is large enough to find what small ones hide (seed ${SEED})`, () => {
  expect(books.vouchers.length).toBeGreaterThan(2_000)
  expect(Math.max(...[...lines.values()].map(({ length }) => length))).toBeGreaterThan(1_000)
  expect(books.approved.size).toBeGreaterThan(100)
  for (const row of lines.values()) {
    const versions = [...new Set(row.map(({ version }) => version))]
    expectSame(
      versions,
      Array.from(versions, (_, n) => n + 1),
    )
  }
})

test('each answer to a posting is the row right after that voucher', () => {
  const ends = new Map(
    [...lines.values()]
      .flat()
      .map((line) => [rowName(line.companyId, line.account, line.version, line.fiscalYear), line]),
  )
  for (const { voucher, posted } of books.vouchers) {
    const { companyId, fiscalYear } = voucher
    const accounts = [...new Set(voucher.lines.map(({ account }) => account))]
    const versions = new Map(posted.images.map(({ ref, version }) => [ref.parts[0], version]))
    expectSame(
      posted.images,
      accounts.map((account) =>
        imageOf(ends.get(rowName(companyId, account, versions.get(account) ?? 0, fiscalYear))),
      ),
    )
  }
})

test.each(PAGE_SIZES)(
  'account ledgers in pages of %i: each line once, in order, with its running totals',
  async (limit) => {
    const rows = [...lines.values()].filter(([first]) => companiesFor(limit).includes(first?.companyId ?? ''))
    await together(rows, async (expected) => {
      const { companyId = '', account = '', fiscalYear = 0 } = expected[0] ?? {}
      const found: LedgerLine[] = []
      let after: string | undefined
      do {
        const page = await ledger.accountLedger({ companyId, account, fiscalYear, after, limit })
        found.push(...page.lines)
        expect(page.lines.length).toBe(Math.min(limit, expected.length - found.length + page.lines.length))
        expect(page.next === undefined).toBe(found.length >= expected.length)
        after = page.next
      } while (after !== undefined)
      expectSame(
        found.map((line) => ({ companyId, account, fiscalYear, ...line })),
        expected,
      )
    })
  },
)

test('vouchers are read as they were posted, with what reversed and approved them', async () => {
  const reversedBy = new Map(
    books.vouchers.map(({ voucher, reverses }) => [`${voucher.companyId}/${reverses}`, voucher.id]),
  )
  await together(books.vouchers, async ({ voucher, reverses }) => {
    const { companyId, id, date, fiscalYear } = voucher
    const { postedAt, approvedAt, ...found } = await ledger.voucher(companyId, id)
    const isApproved = books.approved.has(`${companyId}/${id}`)
    expectSame(found, {
      ...{ companyId, id, date, fiscalYear },
      lines: voucher.lines.map(({ account, debit = 0n, credit = 0n, memo }) => ({
        account,
        debit,
        credit,
        memo,
      })),
      state: isApproved ? 'approved' : 'posted',
      ...{ reverses, reversedBy: reversedBy.get(`${companyId}/${id}`) },
    })
    expect(approvedAt === undefined).toBe(!isApproved)
    expect(postedAt.getTime()).toBeGreaterThan(0)
  })
})

test('trial balances of every company and year', async () => {
  await together(COMPANIES, async (companyId) => {
    for (const fiscalYear of [...YEARS, 1999]) {
      const rows = trialBalanceOf(rowsOf(lines, companyId, fiscalYear))
      const found = await ledger.trialBalance(companyId, fiscalYear)
      expectSame(found.rows, rows)
      expect(found.debit).toBe(rows.reduce((sum, { debit }) => sum + debit, 0n))
      expect(found.credit).toBe(found.debit)
    }
  })
})

test('turnovers of ranges of dates, across fiscal years', async () => {
  const ranges = [
    ['1900-01-01', '2099-12-31'],
    ['2023-01-01', '2023-12-31'],
    ['2023-02-28', '2024-01-31'],
    ['2021-06-15', '2021-06-15'],
    ['1990-01-01', '1999-12-31'],
  ] as const
  await together(COMPANIES, async (companyId) => {
    for (const [from, to] of ranges) {
      expectSame(await ledger.turnover({ companyId, from, to }), turnoverOf(books, companyId, from, to))
    }
  })
})

test('audits of every company, and of each of its years, count what was posted', async () => {
  await together(COMPANIES, async (companyId) => {
    for (const fiscalYear of [undefined, ...YEARS]) {
      const isMeant = (year: number): boolean => fiscalYear === undefined || year === fiscalYear
      const vouchers = books.vouchers.filter(
        ({ voucher }) => voucher.companyId === companyId && isMeant(voucher.fiscalYear),
      )
      const rows = rowsOf(lines, companyId, fiscalYear)
      const debit = rows.reduce((sum, { debitAfter }) => sum + debitAfter, 0n)
      const audit = await ledger.audit(companyId, fiscalYear === undefined ? {} : { fiscalYear })
      expect(audit).toEqual({
        ...{ companyId, ok: true, differencesTotal: 0, differences: [], vouchers: vouchers.length },
        lines: vouchers.reduce((sum, { voucher }) => sum + voucher.lines.length, 0),
        ...{ rows: rows.length, debit, credit: debit },
      })
    }
  })
})

describe('rows as registers', () => {
  test.each(PAGE_SIZES)('are listed in pages of %i: each once, in the order of bytes', async (limit) => {
    const source = new RegisterRows({ pool: database.pool })
    await together(companiesFor(limit), async (companyId) => {
      for (const fiscalYear of [undefined, ...YEARS]) {
        const secondPart = fiscalYear === undefined ? {} : { secondPart: String(fiscalYear) }
        const found = await allPages<RegisterImage>(limit, async (last) => {
          const after = last === undefined ? {} : { after: last.ref }
          return (await source.list({ companyId, family: 'balance', ...secondPart, ...after, limit })).images
        })
        expectSame(found, rowsOf(lines, companyId, fiscalYear).map(imageOf))
      }
    })
  })

  test('are loaded by name, in the order in which they are asked for, those that were never written as zeros', async () => {
    const source = new RegisterRows({ pool: database.pool })
    await together(COMPANIES, async (companyId) => {
      const refs = [...CODES, 'never posted'].flatMap((account) =>
        YEARS.map((year) => ({
          companyId,
          family: 'balance' as const,
          parts: [account, String(year)] as const,
        })),
      )
      const expected = refs.map((ref) => {
        const row = lines.get(rowName(companyId, ref.parts[0], Number(ref.parts[1])))
        return row === undefined ? { ref, version: 0, fields: ['0', '0'] } : imageOf(row.at(-1))
      })
      expectSame((await source.load(companyId, refs)).images, expected)
    })
  })
})

describe('the log of events', () => {
  const events = new Map<string, readonly CommittedEvent[]>()

  beforeAll(async () => {
    const log = new EventLog({ pool: database.pool, deadlineMs: 60_000 })
    while ((await log.advance({ limit: 997 })).isMore);
    const { heads } = await log.advance({ limit: 1, all: true })
    expectSame(
      heads.map(({ companyId }) => companyId),
      [...COMPANIES].sort(byBytes),
    )
    for (const { companyId, position } of heads) {
      const found = await readLog(log, companyId, 1_000)
      expect(String(found.length)).toBe(position)
      events.set(companyId, found)
    }
  }, 60_000)

  async function readLog(
    log: EventLog,
    companyId: string,
    limit: number,
  ): Promise<readonly CommittedEvent[]> {
    return allPages<CommittedEvent>(limit, async (last) => {
      return (await log.read({ companyId, after: last?.position ?? '0', limit })).events
    })
  }

  test.each(PAGE_SIZES)('is the same in pages of %i: positions 1, 2, 3 …', async (limit) => {
    const log = new EventLog({ pool: database.pool })
    await together(companiesFor(limit), async (companyId) => {
      const found = await readLog(log, companyId, limit)
      expectSame(
        found.map(({ position }) => position),
        Array.from(found, (_, n) => String(n + 1)),
      )
      expectSame(found, events.get(companyId))
    })
  })

  test('has one event for each voucher and each approval, and says what they did', () => {
    const known = grouped(books.vouchers, ({ voucher }) => voucher.companyId)
    for (const companyId of COMPANIES) {
      const vouchers = known.get(companyId) ?? []
      const payloads = (type: string): readonly unknown[] =>
        (events.get(companyId) ?? []).filter((event) => event.type === type).map(({ payload }) => payload)
      const told = payloads('events:voucher:created') as readonly VoucherCreated[]
      const created = told.map(({ readToken, ...payload }) => {
        expect([...parseReadToken(readToken).versions.values()]).toEqual(
          payload.balances.map(({ version }) => version),
        )
        return payload
      })
      const expected = vouchers.map(({ voucher: { id, date, fiscalYear }, reverses, posted }) => ({
        ...{ id, date, fiscalYear, ...(reverses === undefined ? {} : { reverses }) },
        balances: posted.images.map(({ ref, version }) => ({ account: ref.parts[0], version })),
      }))
      expectSame(sortedById(created), sortedById(expected))
      const approved = (payloads('events:voucher:approved') as readonly VoucherApproved[]).map(({ id }) => id)
      const approvals = vouchers.filter(({ voucher }) => books.approved.has(`${companyId}/${voucher.id}`))
      expectSame(approved.sort(byBytes), approvals.map(({ voucher }) => voucher.id).sort(byBytes))
    }
  })

  test('shows each row in states that it had, in the order of its versions, and as it stands at last', () => {
    for (const companyId of COMPANIES) {
      const updates = (events.get(companyId) ?? [])
        .filter(({ type }) => type === 'events:balance:updated')
        .map(
          ({ payload }) =>
            payload as Record<'account' | 'debit' | 'credit' | 'balance', string> &
              Record<'fiscalYear' | 'version', number>,
        )
      const byRow = grouped(updates, ({ account, fiscalYear }) => rowName(companyId, account, fiscalYear))
      expect(byRow.size).toBe(rowsOf(lines, companyId).length)
      for (const [name, states] of byRow) {
        const ends = new Map((lines.get(name) ?? []).map((line) => [line.version, line]))
        const versions = states.map(({ version }) => version)
        expectSame(
          versions,
          [...new Set(versions)].sort((a, b) => a - b),
        )
        expect(versions.at(-1)).toBe(Math.max(...ends.keys()))
        expectSame(
          states,
          states.map(({ version }) => stateOf(ends.get(version))),
        )
      }
    }
  })

  test('agrees with its own audit', async () => {
    const log = new EventLog({ pool: database.pool })
    for (const companyId of COMPANIES) {
      const position = String(events.get(companyId)?.length)
      expect(await log.audit(companyId)).toEqual({
        ...{
          companyId,
          ok: true,
          position,
          trimmedTo: '0',
          pending: 0,
          differencesTotal: 0,
          differences: [],
        },
      })
    }
  })
})

describe('the outbox', () => {
  test.each(PAGE_SIZES)(
    'in pages of %i has each state once, and each row in the order of its versions',
    async (limit) => {
      const outbox = new Outbox({ pool: database.pool })
      const { target } = await outbox.tick({ limit: 1 })
      await together(companiesFor(limit), async (companyId) => {
        const found = await allPages<{ readonly id: string; readonly image: RegisterImage | undefined }>(
          limit,
          async (last) => {
            const { rows } = await outbox.page({
              after: before,
              target,
              afterId: last?.id ?? '0',
              limit,
              companyId,
            })
            return rows.map(({ id, change }) => ({
              id,
              image: change.kind === 'image' ? change.image : undefined,
            }))
          },
        )
        const ids = found.map(({ id }) => Number(id))
        expectSame(
          ids,
          [...new Set(ids)].sort((a, b) => a - b),
        )
        const byRow = grouped(found, ({ image }) => rowName(companyId, ...partsOf(image)))
        expect(byRow.size).toBe(rowsOf(lines, companyId).length)
        for (const [name, states] of byRow) {
          const ends = new Map((lines.get(name) ?? []).map((line) => [line.version, line]))
          const versions = states.map(({ image }) => image?.version ?? 0)
          expectSame(
            versions,
            [...new Set(versions)].sort((a, b) => a - b),
          )
          expect(versions.at(-1)).toBe(Math.max(...ends.keys()))
          expectSame(
            states.map(({ image }) => image),
            versions.map((version) => imageOf(ends.get(version))),
          )
        }
      })
    },
  )

  test('names every company, in the order of bytes', async () => {
    expect(await new Outbox({ pool: database.pool }).companies()).toEqual([...COMPANIES].sort(byBytes))
  })
})

function imageOf(line: KnownLine | undefined): RegisterImage {
  const {
    companyId = '',
    account = '',
    fiscalYear = 0,
    version = 0,
    debitAfter = 0n,
    creditAfter = 0n,
  } = line ?? {}
  const ref = { companyId, family: 'balance' as const, parts: [account, String(fiscalYear)] as const }
  return { ref, version, fields: [String(debitAfter), String(creditAfter)] }
}

function stateOf(line: KnownLine | undefined): unknown {
  const { account, fiscalYear, debitAfter, creditAfter, balanceAfter, version } = line ?? {}
  return {
    ...{ account, fiscalYear, debit: String(debitAfter), credit: String(creditAfter) },
    ...{ balance: String(balanceAfter), version },
  }
}

function partsOf(image: RegisterImage | undefined): readonly [string, number] {
  return [image?.ref.parts[0] ?? '', Number(image?.ref.parts[1])]
}

function sortedById<T extends { readonly id: string }>(items: readonly T[]): readonly T[] {
  return [...items].sort((a, b) => byBytes(a.id, b.id))
}
