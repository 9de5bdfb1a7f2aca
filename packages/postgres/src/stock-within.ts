/** Moving stock inside the host's own transaction; the host's rules stand in `host-transaction.ts`. */

import { FencedError, type StockRef, checkFence } from '@kerp/core'
import { type HostContext, inHostTransaction } from './host-transaction.js'
import { checkQueryable, type Queryable } from './queryable.js'
import { textOf, versionOf } from './row-text.js'
import { answerOf, type StockAnswer } from './stock-answer.js'
import type { StockStatements } from './stock-statements.js'
import { moveStock } from './stock-transaction.js'
import type { StockWork } from './stock-work.js'
import { MAKE_DURABLE } from './transaction-statements.js'

/** What moving within shares with the stock ledger. */
export interface StockWithin extends HostContext<keyof StockStatements> {
  readonly schema: string
}

/** A row of stock under its lock. Quantities are thousandths. */
export interface LockedStock {
  readonly onHand: bigint
  readonly reserved: bigint
  readonly version: number
}

/** @throws what the work is refused with, and the driver's own errors as they are. */
export async function moveWithin(
  context: StockWithin,
  queryable: Queryable,
  work: StockWork,
): Promise<StockAnswer> {
  const result = await inHostTransaction(context, queryable, (transaction) => moveStock(transaction, [work]))
  const answer = answerOf(result, work, 0)
  if (answer instanceof Error) throw answer
  return answer
}

/** Shows a fence to a row of stock, which is made if it is not there, and reads it under its lock. */
export async function raiseStockFence(
  { schema }: StockWithin,
  queryable: Queryable,
  { companyId, item, warehouse }: StockRef,
  fenceText: string,
): Promise<LockedStock> {
  const fence = checkFence(fenceText).toString()
  const { rows } = await checkQueryable(queryable).query(
    `INSERT INTO ${schema}.stock AS s (company, item, warehouse, fence) VALUES ($1, $2, $3, $4::text::bigint)
ON CONFLICT (company, item, warehouse) DO UPDATE SET fence = excluded.fence WHERE s.fence <= excluded.fence
RETURNING s.on_hand::text AS on_hand, s.reserved::text AS reserved, s.version::text AS version, ${MAKE_DURABLE}`,
    [companyId, item, warehouse, fence],
  )
  const [row] = rows
  if (row !== undefined) {
    const [onHand, reserved] = [BigInt(textOf(row, 'on_hand')), BigInt(textOf(row, 'reserved'))]
    return { onHand, reserved, version: versionOf(row) }
  }
  const seen = await queryable.query(
    `SELECT fence::text AS fence FROM ${schema}.stock WHERE company = $1 AND item = $2 AND warehouse = $3`,
    [companyId, item, warehouse],
  )
  throw new FencedError(`stock of ${item} in ${warehouse}`, fence, textOf(seen.rows[0] ?? {}, 'fence'))
}
