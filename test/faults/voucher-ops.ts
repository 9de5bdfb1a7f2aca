/** The vouchers of a torture: like its movements, each is a function of its seed and number alone. */

import { seededRandom } from '@kerp/core/testing'
import type { Voucher } from '@kerp/postgres'
import { stockOpId } from './stock-ops.js'

const ACCOUNTS = Array.from({ length: 8 }, (_, n) => `A${n}`)
const AMOUNTS = [1n, 77n, 2n ** 53n + 1n, 10n ** 18n + 1n]

/** Whether a number is a voucher's; of all numbers a `share` is. */
export function isVoucher(seed: number, n: number, share: number): boolean {
  return share > 0 && seededRandom(seed * 7_000_003 + n).fraction() < share
}

/** The voucher number `n` of a seed: an amount from one account to another. */
export function voucherOp(companyId: string, seed: number, n: number): Voucher {
  const random = seededRandom(seed * 3_000_017 + n)
  const below = (max: number): number => Math.floor(random.fraction() * max)
  const from = below(ACCOUNTS.length)
  const to = (from + 1 + below(ACCOUNTS.length - 1)) % ACCOUNTS.length
  const amount = AMOUNTS[below(AMOUNTS.length)] ?? 1n
  const lines = [
    { account: ACCOUNTS[to] ?? '', debit: amount },
    { account: ACCOUNTS[from] ?? '', credit: amount },
  ]
  return { companyId, id: stockOpId(seed, n), date: '2026-01-05', fiscalYear: 2026, lines }
}
