/** A voucher that was checked, and the hash that tells a repeated posting from another voucher under the same id. */

import { hash } from 'node:crypto'

/** A line with both sides filled in: one is zero. */
export interface CheckedLine {
  readonly account: string
  readonly debit: bigint
  readonly credit: bigint
  readonly memo: string | undefined
}

/** A voucher that may be posted as far as can be told without the database. */
export interface CheckedVoucher {
  readonly companyId: string
  readonly id: string
  readonly date: string
  readonly fiscalYear: number
  readonly lines: readonly CheckedLine[]
  /** The voucher that this one reverses. */
  readonly reverses: string | undefined
  /** Of all that the caller chose; equal for a repeated posting of the same voucher. */
  readonly hash: string
  /** The W3C trace context of its caller, for its events. */
  readonly traceparent?: string | undefined
}

const FORMAT = 'v1'

/**
 * Of what the caller chose beside company and id, which are the key. Nothing that the server chooses goes in, so
 * that the same request has the same hash at any later time.
 */
export function requestHash(voucher: Omit<CheckedVoucher, 'hash' | 'traceparent'>): string {
  const lines = voucher.lines.map((line) => [
    line.account,
    line.debit.toString(),
    line.credit.toString(),
    line.memo ?? null,
  ])
  const text = JSON.stringify([FORMAT, voucher.date, voucher.fiscalYear, voucher.reverses ?? null, lines])
  return hash('sha256', text, 'base64url')
}
