/** Vouchers (전표): posted to the database, then applied to the cached balances. */

import type { BalanceCache } from '@kerp/balance-cache'
import { erpTags, type ReadThrough } from '@kerp/cache'
import type { Approval, Ledger, PostedVoucher, Reversal, StoredVoucher, Voucher } from '@kerp/postgres'

/** What posting needs. */
export interface VouchersOptions {
  readonly ledger: Ledger
  readonly balances: BalanceCache
  readonly cache: ReadThrough
}

/** The way of a voucher through this app; its routes and the demo's job both go it. */
export class Vouchers {
  readonly #ledger: Ledger
  readonly #balances: BalanceCache
  readonly #cache: ReadThrough

  constructor(options: VouchersOptions) {
    this.#ledger = options.ledger
    this.#balances = options.balances
    this.#cache = options.cache
  }

  /** Posts exactly once for each id, however often it is called. */
  post(voucher: Voucher): Promise<PostedVoucher> {
    return this.#applied(this.#ledger.post(voucher))
  }

  /** Posts the reversing voucher, once. */
  reverse(companyId: string, voucherId: string, reversal: Reversal): Promise<PostedVoucher> {
    return this.#applied(this.#ledger.reverse(companyId, voucherId, reversal))
  }

  approve(companyId: string, voucherId: string): Promise<Approval> {
    return this.#ledger.approve(companyId, voucherId)
  }

  find(companyId: string, voucherId: string): Promise<StoredVoucher> {
    return this.#ledger.voucher(companyId, voucherId)
  }

  /**
   * The fast path after COMMIT. It only makes readers see the voucher sooner: when Redis cannot be reached,
   * `apply` says so in its result and the relay brings the same rows from the outbox.
   */
  async #applied(posting: Promise<PostedVoucher>): Promise<PostedVoucher> {
    const posted = await posting
    await this.#balances.apply(posted)
    this.#invalidate(posted)
    return posted
  }

  /**
   * So that who posted sees its voucher on the dashboard, too: the command is on its way before anything that is read
   * after this. Nobody waits for it, and what fails here, the event of the voucher repeats.
   */
  #invalidate({ images }: PostedVoucher): void {
    const [first] = images
    if (first === undefined) return
    const tag = erpTags.vouchers(Number(first.ref.parts[1]))
    this.#cache.invalidateTags(first.ref.companyId, [tag]).catch(() => undefined)
  }
}
