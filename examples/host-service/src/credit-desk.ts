/** Lets customers order on credit, up to a limit: two orders at once never pass it together. */

import type { BalanceCache } from '@kerp/balance-cache'
import type { Locks } from '@kerp/inventory-lock'
import type { Ledger } from '@kerp/postgres'

/** What the desk works with: in a service the parts of `Realtime`, in a test their doubles. */
export interface CreditDeskParts {
  readonly ledger: Pick<Ledger, 'post'>
  readonly balances: BalanceCache
  readonly locks: Locks
  /** What a customer may owe, in minor units. */
  readonly creditLimit: bigint
}

/** An order as it arrives; its id makes it happen once. */
export interface Order {
  readonly companyId: string
  readonly orderId: string
  readonly customer: string
  /** A day as `YYYY-MM-DD`. */
  readonly date: string
  /** Minor units. */
  readonly amount: bigint
}

/** What became of an order, and what the customer owes now. */
export interface Decision {
  readonly accepted: boolean
  readonly owed: bigint
}

/** Decides on orders, and posts those that it accepts. */
export class CreditDesk {
  constructor(private readonly parts: CreditDeskParts) {}

  /** The same order again is decided anew when it was refused, and has no second effect when it was accepted. */
  async take(order: Order): Promise<Decision> {
    const { companyId, customer } = order
    return this.parts.locks.withLock({ companyId, type: 'customer', id: customer }, {}, () =>
      this.#decide(order),
    )
  }

  async #decide({ companyId, orderId, customer, date, amount }: Order): Promise<Decision> {
    const { ledger, balances, creditLimit } = this.parts
    const fiscalYear = Number(date.slice(0, 4))
    const receivable = { companyId, account: `1300-${customer}`, fiscalYear }
    const { balance: owed } = await balances.get(receivable)
    if (owed + amount > creditLimit) return { accepted: false, owed }
    const lines = [
      { account: receivable.account, debit: amount },
      { account: '4101', credit: amount },
    ]
    const posted = await ledger.post({ companyId, id: orderId, date, fiscalYear, lines })
    await balances.apply(posted)
    const after = await balances.get(receivable, { atLeast: posted.token })
    return { accepted: true, owed: after.balance }
  }
}
