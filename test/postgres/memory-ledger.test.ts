/** The ledger that users test with answers as the real one does. */

import { MemoryLedger, postingConforms } from '@kerp/postgres/testing'
import { MemoryDatabase } from '@kerp/registers/testing'
import { describe, expect, test } from 'vitest'

describe('the ledger in memory', () => {
  const ledger = new MemoryLedger(new MemoryDatabase())
  postingConforms({
    test,
    open: () => ledger,
    openWithYears: (fiscalYearOf) => new MemoryLedger(new MemoryDatabase(), undefined, fiscalYearOf),
  })
})

test('the ledger in memory asks the catalogue of accounts that it was given', async () => {
  const lookup = () => Promise.resolve(new Map([['1101', 'postable'] as const, ['41', 'group'] as const]))
  const ledger = new MemoryLedger(new MemoryDatabase(), { lookup })
  const sale = (credit: string) => ({
    ...{ companyId: 'c1', id: 'v1', date: '2026-01-05', fiscalYear: 2026 },
    lines: [
      { account: '1101', debit: 5n },
      { account: credit, credit: 5n },
    ],
  })
  for (const credit of ['41', '4101']) {
    await expect(ledger.post(sale(credit))).rejects.toMatchObject({ code: 'VOUCHER_INVALID' })
  }
  expect((await ledger.post(sale('1101'))).images).toHaveLength(1)
})
