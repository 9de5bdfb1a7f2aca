/** The voucher: what a caller posts, what it gets back, and what is read later. Amounts are minor units. */

import type { ReadToken, RegisterImages } from '@kerp/core'

/** One debit or credit. Exactly one side is given, and it is above zero. */
export interface VoucherLine {
  /** Account code: opaque text, NFC-normalised. */
  readonly account: string
  /** Minor units, from 1 up to 38 digits. */
  readonly debit?: bigint | undefined
  /** Minor units, from 1 up to 38 digits. */
  readonly credit?: bigint | undefined
  /** At most 500 characters. */
  readonly memo?: string | undefined
}

/** A double-entry document. `id` is chosen by the caller and makes the posting idempotent. */
export interface Voucher {
  readonly companyId: string
  /** Unique in the company; 1 to 128 bytes, none of `: { } * ? [ ] \` and no control characters. */
  readonly id: string
  /** A day of the calendar as `YYYY-MM-DD`. */
  readonly date: string
  /**
   * Given by the caller, never taken from a clock; from 1900 to 2999. That `date` lies in it is for the host to know,
   * whose years may begin in any month: it is checked by `fiscalYearOf` of `LedgerOptions`, or not at all.
   */
  readonly fiscalYear: number
  /** 2 to 1,000 lines whose debits and credits have the same sum. */
  readonly lines: readonly VoucherLine[]
}

/**
 * A host's rule of which fiscal year a day, `YYYY-MM-DD`, belongs to in a company; undefined for a day of none. Called for
 * each voucher before any SQL, so it must be quick; what it throws is thrown by the posting.
 */
export type FiscalYearOf = (date: string, companyId: string) => number | undefined

/**
 * A committed voucher: `images` are its balance rows as they stood right after *this* voucher, in the order in
 * which its lines first name them, also when it was posted together with others or is answered again.
 */
export interface PostedVoucher extends RegisterImages {
  readonly companyId: string
  readonly voucherId: string
  /** True when the answer was read back: the same voucher was posted before, or the commit's answer was lost. */
  readonly replayed: boolean
  /** For `atLeast`, so that a read sees this voucher. */
  readonly token: ReadToken
}

/** A line as it was posted. */
export interface StoredLine {
  readonly account: string
  /** Zero on the other side. */
  readonly debit: bigint
  readonly credit: bigint
  readonly memo: string | undefined
}

/** A voucher as the database has it. Lines are never edited: a correction is a reversing voucher. */
export interface StoredVoucher {
  readonly companyId: string
  readonly id: string
  readonly date: string
  readonly fiscalYear: number
  readonly lines: readonly StoredLine[]
  readonly state: 'posted' | 'approved'
  /** The voucher that this one reverses. */
  readonly reverses: string | undefined
  /** The voucher that reverses this one. */
  readonly reversedBy: string | undefined
  readonly postedAt: Date
  readonly approvedAt: Date | undefined
}

/** What `reverse` posts. */
export interface Reversal {
  /** Id of the reversing voucher. */
  readonly id: string
  /** Another one must lie in the original's fiscal year, by `fiscalYearOf`. @defaultValue the date of the original */
  readonly date?: string | undefined
}

/** The answer of `approve`. */
export interface Approval {
  readonly companyId: string
  readonly voucherId: string
  readonly approvedAt: Date
  /** True for exactly one call per voucher, unless that call's answer is lost: then for none. */
  readonly changed: boolean
}
