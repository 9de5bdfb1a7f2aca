/** Posting inside the host's own transaction; the host's rules stand in `host-transaction.ts`. */

import { readTokenOf } from '@kerp/core'
import type { CheckedVoucher } from './checked-voucher.js'
import { VoucherConflictError } from './errors.js'
import { type HostContext, inHostTransaction } from './host-transaction.js'
import type { PostingStatements } from './posting-statements.js'
import { postVouchers } from './posting-transaction.js'
import type { Queryable } from './queryable.js'
import type { PostedVoucher } from './voucher.js'

/** What posting within shares with the ledger. */
export type WithinContext = HostContext<keyof PostingStatements>

/** @throws {VoucherConflictError} `VOUCHER_CONFLICT`, and the driver's own errors as they are. */
export async function postWithin(
  context: WithinContext,
  queryable: Queryable,
  voucher: CheckedVoucher,
): Promise<PostedVoucher> {
  const result = await inHostTransaction(context, queryable, (transaction) =>
    postVouchers(transaction, [voucher]),
  )
  const outcome = result.outcomes.get(voucher)
  const { companyId, id } = voucher
  if (outcome === undefined || outcome.kind === 'conflict') throw new VoucherConflictError(companyId, id)
  const { images } = outcome
  const { epoch } = result
  const token = readTokenOf({ epoch, images })
  return { companyId, voucherId: id, replayed: outcome.kind === 'replayed', epoch, images, token }
}
