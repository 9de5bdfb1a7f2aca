/** What posting left behind: in the answer, and in the database. */

import type { Ledger, PostedVoucher } from '@kerp/postgres'
import { expect } from 'vitest'
import type { OwnDatabase } from './own-database.js'

/** [version, debit, credit] of an account in an answer. */
export function fieldsOf(posted: PostedVoucher, account: string): [number, string, string] | undefined {
  const image = posted.images.find(({ ref }) => ref.parts[0] === account)
  return image === undefined ? undefined : [image.version, ...image.fields]
}

/** The version of the first row in an answer. */
export function versionOf(posted: PostedVoucher | undefined): number | undefined {
  return posted?.images[0]?.version
}

/** Version, debit and credit of an account as committed, for example `'3 60 0'`. */
export function rowOf(database: OwnDatabase, companyId: string, account: string): Promise<unknown> {
  return database.one(
    `SELECT concat_ws(' ', version, debit, credit) FROM kerp.balance WHERE company = $1 AND account = $2`,
    [companyId, account],
  )
}

/** How many vouchers of a company are committed. */
export async function vouchersOf(database: OwnDatabase, company: string, schema = 'kerp'): Promise<number> {
  return Number(await database.one(`SELECT count(*) FROM ${schema}.voucher WHERE company = $1`, [company]))
}

/** Every balance is the sum of its lines, and there are so many vouchers. */
export async function expectExact(ledger: Ledger, company: string, vouchers: number): Promise<void> {
  const audit = await ledger.audit(company)
  expect(audit.differences).toEqual([])
  expect(audit.vouchers).toBe(vouchers)
}
