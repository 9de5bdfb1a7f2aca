/** The ledger's double for tests without PostgreSQL: the same checks and the same answers, over rows in memory. */

import type { RegisterImage } from '@kerp/core'
import { type AccountCatalog, anyAccount } from './account-catalog.js'
import type { CheckedVoucher } from './checked-voucher.js'
import { VoucherConflictError } from './errors.js'
import type { MemoryRows } from './memory-rows.js'
import type { FiscalYearOf, PostedVoucher, Voucher } from './voucher.js'
import { postedVoucher } from './voucher-answer.js'
import { checkAccounts, checkVoucher, checkYearOfDate } from './voucher-check.js'

/**
 * Posts each voucher once by its company and id. `postingConforms` runs on it and on `Ledger` alike. It knows no transactions,
 * no reversals, no events and no reports.
 *
 * @example
 * const rows = new MemoryDatabase() // of @kerp/registers/testing
 * const ledger = new MemoryLedger(rows)
 */
export class MemoryLedger {
  readonly #posted = new Map<string, { readonly hash: string; readonly answer: PostedVoucher }>()

  constructor(
    private readonly rows: MemoryRows,
    private readonly accounts: AccountCatalog = anyAccount,
    private readonly fiscalYearOf?: FiscalYearOf,
  ) {}

  /**
   * Posts a voucher.
   *
   * @throws {VoucherInvalidError} `VOUCHER_INVALID`
   * @throws {VoucherConflictError} `VOUCHER_CONFLICT`: the id belongs to another voucher.
   */
  async post(voucher: Voucher): Promise<PostedVoucher> {
    const checked = checkVoucher(voucher)
    checkYearOfDate(this.fiscalYearOf, checked)
    await checkAccounts(this.accounts, checked)
    const { companyId, id, hash } = checked
    const name = `${companyId}\n${id}`
    const before = this.#posted.get(name)
    if (before !== undefined) {
      if (before.hash !== hash) throw new VoucherConflictError(companyId, id)
      return { ...before.answer, replayed: true }
    }
    const images = this.#imagesOf(checked)
    for (const image of images) this.rows.write(image)
    const answer = postedVoucher(checked, { epoch: this.rows.epoch, images }, false)
    this.#posted.set(name, { hash, answer })
    return answer
  }

  /** The rows after the voucher, in the order in which its lines first name them. */
  #imagesOf({ companyId, fiscalYear, lines }: CheckedVoucher): readonly RegisterImage[] {
    const sums = new Map<string, { debit: bigint; credit: bigint }>()
    for (const { account, debit, credit } of lines) {
      const sum = sums.get(account) ?? { debit: 0n, credit: 0n }
      sums.set(account, { debit: sum.debit + debit, credit: sum.credit + credit })
    }
    return [...sums].map(([account, { debit, credit }]) => {
      const ref = { companyId, family: 'balance', parts: [account, String(fiscalYear)] } as const
      const { version, fields } = this.rows.row(ref)
      const totals = [BigInt(fields[0]) + debit, BigInt(fields[1]) + credit] as const
      return { ref, version: version + 1, fields: [String(totals[0]), String(totals[1])] }
    })
  }
}
