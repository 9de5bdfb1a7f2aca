/** What a `BalanceTotalsSource` must do, as tests: for the query with which a host reads its own table. */

import { deepEqual } from 'node:assert/strict'
import { AMOUNT_DIGITS_MAX, systemRandom } from '@kerp/core'
import type { DeclareTest } from '@kerp/core/testing'
import type { AccountRef } from './balance.js'
import type { BalanceTotals, BalanceTotalsSource } from './guarded-options.js'

/** A host's table, and how a test fills it. */
export interface TotalsUnderTest {
  readonly source: BalanceTotalsSource
  /** Commits the totals of an account. */
  set(ref: AccountRef, totals: BalanceTotals): Promise<void>
  /** The largest amount that a column holds, in minor units. @defaultValue 38 digits */
  readonly amountMax?: bigint | undefined
}

/** A suite for a table. */
export interface TotalsConformance {
  readonly test: DeclareTest
  /** Called by each test; may answer the same table again, as each test takes a company of its own. */
  readonly open: () => TotalsUnderTest | Promise<TotalsUnderTest>
}

const AMOUNT_MAX = 10n ** BigInt(AMOUNT_DIGITS_MAX) - 1n
const ROWS_MAX = 1_000
const ZERO: BalanceTotals = { debit: 0n, credit: 0n }

/**
 * Declares the tests.
 *
 * @example
 * const test = (title: string) => title // of your runner
 * const table = new Map<string, { debit: bigint; credit: bigint }>()
 * const nameOf = (company: string, account: string, year: number) => `${company} ${account} ${year}`
 * totalsConform({
 *   test,
 *   open: () => ({
 *     source: {
 *       load: async (company, refs) =>
 *         refs.map((ref) => table.get(nameOf(company, ref.account, ref.fiscalYear)) ?? { debit: 0n, credit: 0n }),
 *     },
 *     set: async (ref, totals) => void table.set(nameOf(ref.companyId, ref.account, ref.fiscalYear), totals),
 *   }),
 * })
 */
export function totalsConform({ test, open }: TotalsConformance): void {
  const declare = (title: string, run: (table: TotalsUnderTest, companyId: string) => Promise<void>): void =>
    void test(title, async () => run(await open(), freshCompany()))

  declare(
    'totals come in the order asked for, twice if asked for twice, zeros for no row',
    async (table, companyId) => {
      const [a, b, none] = ['a', 'b', 'none'].map((account) => ({ companyId, account, fiscalYear: 2026 }))
      if (a === undefined || b === undefined || none === undefined) return
      await table.set(a, { debit: 5n, credit: 1n })
      await table.set(b, { debit: 7n, credit: 2n })
      const [first, second, third, fourth] = await table.source.load(companyId, [b, none, a, b])
      deepEqual(
        [first, second, third, fourth],
        [{ debit: 7n, credit: 2n }, ZERO, { debit: 5n, credit: 1n }, first],
      )
    },
  )

  declare('amounts come back digit for digit', async (table, companyId) => {
    const max = table.amountMax ?? AMOUNT_MAX
    const ref = { companyId, account: 'a', fiscalYear: 2026 }
    for (const totals of [
      { debit: 9_007_199_254_740_993n, credit: 1n },
      { debit: max, credit: max - 1n },
    ]) {
      await table.set(ref, totals)
      deepEqual(await table.source.load(companyId, [ref]), [totals])
    }
  })

  declare('rows of another company or year are not mixed in', async (table, companyId) => {
    const ref = { companyId, account: 'a', fiscalYear: 2026 }
    const [earlier, other] = [
      { ...ref, fiscalYear: 2025 },
      { ...ref, companyId: freshCompany() },
    ]
    await table.set(ref, { debit: 5n, credit: 0n })
    await table.set(earlier, { debit: 7n, credit: 0n })
    await table.set(other, { debit: 9n, credit: 0n })
    deepEqual(await table.source.load(companyId, [earlier, ref]), [
      { debit: 7n, credit: 0n },
      { debit: 5n, credit: 0n },
    ])
    deepEqual(await table.source.load(other.companyId, [other]), [{ debit: 9n, credit: 0n }])
  })

  declare('a commit that ended before the call is seen', async (table, companyId) => {
    const ref = { companyId, account: 'a', fiscalYear: 2026 }
    for (let debit = 1n; debit <= 20n; debit += 1n) {
      await table.set(ref, { debit, credit: 0n })
      deepEqual(await table.source.load(companyId, [ref]), [{ debit, credit: 0n }])
    }
  })

  declare('a thousand rows come in one call', async (table, companyId) => {
    const refs = Array.from({ length: ROWS_MAX }, (_, index) => ({
      companyId,
      account: `n${index}`,
      fiscalYear: 2026,
    }))
    const [wanted] = refs.slice(500)
    if (wanted !== undefined) await table.set(wanted, { debit: 5n, credit: 0n })
    const expected = refs.map((ref) => (ref === wanted ? { debit: 5n, credit: 0n } : ZERO))
    deepEqual(await table.source.load(companyId, refs), expected)
  })
}

function freshCompany(): string {
  return `t-${systemRandom.hex(6)}`
}
