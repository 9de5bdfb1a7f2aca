/** What the ledger answers when it is read: a page of one account, a trial balance, an audit. */

/** Which lines of one account to read. */
export interface AccountLedgerQuery {
  readonly companyId: string
  readonly account: string
  readonly fiscalYear: number
  /** `next` of the page before; opaque. */
  readonly after?: string | undefined
  /** 1 to 1,000. */
  readonly limit: number
}

/** One line of an account with the account's totals right after it. */
export interface LedgerLine {
  readonly voucherId: string
  readonly lineNumber: number
  readonly date: string
  readonly memo: string | undefined
  readonly debit: bigint
  readonly credit: bigint
  readonly debitAfter: bigint
  readonly creditAfter: bigint
  /** `debitAfter − creditAfter`. */
  readonly balanceAfter: bigint
  /** The version that the line's voucher gave to the account's row. */
  readonly version: number
}

/** A page in the order of posting. */
export interface AccountLedgerPage {
  readonly lines: readonly LedgerLine[]
  /** Pass as `after` to read on; undefined at the end. */
  readonly next: string | undefined
}

/** One account of a trial balance. */
export interface TrialBalanceRow {
  readonly account: string
  readonly debit: bigint
  readonly credit: bigint
  /** `debit − credit`. */
  readonly balance: bigint
  readonly version: number
}

/** All accounts of a company's fiscal year at one moment of the database. */
export interface TrialBalance {
  readonly companyId: string
  readonly fiscalYear: number
  readonly rows: readonly TrialBalanceRow[]
  readonly debit: bigint
  readonly credit: bigint
  /** Names the database's history, as in `RegisterImages`. */
  readonly epoch: string
  readonly asOf: Date
}

/** One thing that an audit found. */
export interface AuditDifference {
  readonly check: 'totals' | 'rows' | 'versions' | 'running' | 'vouchers'
  /** Account and fiscal year, or the voucher's id. */
  readonly subject: string
  readonly expected: string
  readonly found: string
}

/** The answer of an audit, taken at one moment of the database. */
export interface LedgerAudit {
  readonly companyId: string
  readonly ok: boolean
  readonly vouchers: number
  readonly lines: number
  readonly rows: number
  readonly debit: bigint
  readonly credit: bigint
  /** How many differences there are; `differences` names the first 100. */
  readonly differencesTotal: number
  readonly differences: readonly AuditDifference[]
}
