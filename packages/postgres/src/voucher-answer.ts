/** What the caller of a posting is told, by whichever way it was done: in a batch, in a host's transaction, in memory. */

import { type KerpError, readTokenOf, type RegisterImages } from '@kerp/core'
import type { CheckedVoucher } from './checked-voucher.js'
import { DatabaseUnsuitableError, VoucherConflictError } from './errors.js'
import type { PostingResult } from './posting-transaction.js'
import type { PostedVoucher } from './voucher.js'

/** The answer of a voucher that is committed. */
export function postedVoucher(
  { companyId, id }: CheckedVoucher,
  { epoch, images }: RegisterImages,
  replayed: boolean,
): PostedVoucher {
  return { companyId, voucherId: id, replayed, epoch, images, token: readTokenOf({ epoch, images }) }
}

/**
 * What a voucher is answered with, or why it was refused; `place` 0 is the caller whose call posted it. What one of the
 * transactions `own` has written was posted by that call, although its COMMIT was not answered.
 */
export function answerOf(
  { epoch, outcomes }: PostingResult,
  voucher: CheckedVoucher,
  place: number,
  own: readonly string[] = [],
): PostedVoucher | KerpError {
  const outcome = outcomes.get(voucher)
  if (outcome === undefined) return new DatabaseUnsuitableError('A voucher of the batch was not judged.')
  if (outcome.kind === 'conflict') return new VoucherConflictError(voucher.companyId, voucher.id)
  const isOwn = outcome.kind === 'posted' || own.includes(outcome.writtenBy)
  // The call that came first posted it; those who joined it find it posted.
  return postedVoucher(voucher, { epoch, images: outcome.images }, !isOwn || place > 0)
}
