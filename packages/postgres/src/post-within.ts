/** Posting inside the host's own transaction; the host's rules stand in `host-transaction.ts`. */

import type { CheckedVoucher } from './checked-voucher.js'
import { type HostContext, inHostTransaction } from './host-transaction.js'
import type { PostingStatements } from './posting-statements.js'
import { postVouchers } from './posting-transaction.js'
import type { Queryable } from './queryable.js'
import type { PostedVoucher } from './voucher.js'
import { answerOf } from './voucher-answer.js'

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
  const answer = answerOf(result, voucher, 0)
  if (answer instanceof Error) throw answer
  return answer
}
