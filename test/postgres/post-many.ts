/**
 * A process that posts what it is told to, for tests with several processes: reads one JSON line of work, waits for
 * a second line as the starting gun, and answers with one JSON line.
 */

import { createInterface } from 'node:readline/promises'
import { anyAccount, Ledger } from '@kerp/postgres'
import pg from 'pg'
import { twoLines } from './own-database.js'

/** What the process is to do. */
export interface PostManyWork {
  readonly url: string
  readonly companyId: string
  readonly vouchers: readonly {
    readonly id: string
    readonly amount: string
    readonly debit: string
    readonly credit: string
  }[]
  readonly batchMax: number
}

/** What came of one voucher. */
export type PostManyAnswer =
  | { readonly ok: true; readonly replayed: boolean; readonly images: unknown; readonly token: string }
  | { readonly ok: false; readonly code: string }

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const work = JSON.parse((await lines.next()).value as string) as PostManyWork
const pool = new pg.Pool({ connectionString: work.url, max: 4 })
await pool.query('SELECT 1')
const ledger = new Ledger({ pool, accounts: anyAccount, batchMax: work.batchMax, batchesInFlightMax: 3 })
process.stdout.write('ready\n')
await lines.next()
const settled = await Promise.allSettled(
  work.vouchers.map(({ id, amount, debit, credit }) =>
    ledger.post(twoLines(work.companyId, id, BigInt(amount), { debit, credit })),
  ),
)
const answers = settled.map((end): PostManyAnswer => {
  if (end.status === 'rejected') return { ok: false, code: String(Reflect.get(end.reason as object, 'code')) }
  const { replayed, images, token } = end.value
  return { ok: true, replayed, images, token }
})
await new Promise((resolve) => process.stdout.write(`${JSON.stringify(answers)}\n`, resolve))
await ledger.close()
await pool.end()
process.exit(0)
