/** What an event says of a row that a committed change left: written by the database's side, read by every listener. */

/** `events:balance:updated`: a balance as it stood after a committed change, in minor units. */
export interface BalanceUpdated {
  readonly account: string
  readonly fiscalYear: number
  readonly debit: string
  readonly credit: string
  readonly balance: string
  readonly version: number
}

/** `events:inventory:changed`: a stock figure as it stood after a committed change, in thousandths. */
export interface InventoryChanged {
  readonly item: string
  readonly warehouse: string
  readonly quantity: string
  readonly reserved: string
  readonly version: number
}
