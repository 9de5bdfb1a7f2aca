/** Vouchers as works of a queue: how a batch of them is posted, and which of them wait for rows of others. */

import type { KerpError, Observer, Posting } from '@kerp/core'
import type { BatchWork } from './batch-callers.js'
import type { BatchKind } from './batch-queue.js'
import { type BatchJob, runBatch, stagedStatements } from './batch-run.js'
import type { CheckedVoucher } from './checked-voucher.js'
import type { Database } from './database.js'
import { PostingUnknownError, VoucherRejectedError } from './errors.js'
import type { KnownRows } from './known-rows.js'
import type { PostingStatements } from './posting-statements.js'
import { BatchRows, rowName } from './posting-totals.js'
import { type PostingResult, postVouchers } from './posting-transaction.js'
import { textOf } from './row-text.js'
import type { PreparedStatements } from './prepared-statements.js'
import type { PostedVoucher } from './voucher.js'
import { answerOf } from './voucher-answer.js'

/** A voucher that waits for its transaction. */
export interface VoucherWork extends BatchWork {
  readonly voucher: CheckedVoucher
}

/** What every batch of a ledger shares. */
export interface VoucherParts {
  readonly database: Database
  readonly statements: PostingStatements
  readonly prepared: PreparedStatements
  readonly knownRows: KnownRows
  readonly observer: Observer
  /** Called after each commit that wrote outbox rows. */
  readonly onCommitted: () => void
}

const OPERATION = 'posting'
const STEPS = {
  begun: 'posting.begun',
  committing: 'posting.committing',
  committed: 'posting.committed',
} as const
const PROBE_DEADLINE_MS = 1_000

/** A reversal goes alone: it may have to take back its claim, which only a rollback can. */
export function voucherWork(voucher: CheckedVoucher): VoucherWork {
  const { companyId, id, hash, lines, reverses } = voucher
  // Injective, as neither part holds a control character. Rows are not named: vouchers of two transactions wait for each
  // other's rows only as long as a commit takes, and holding them back would leave the second transaction empty.
  const name = `${companyId}\n${id}`
  return { voucher, name, hash, size: lines.length, rows: [], isAlone: reverses !== undefined }
}

/** The kind of work that vouchers are. */
export function voucherKind(parts: VoucherParts): BatchKind<VoucherWork, PostingResult, PostedVoucher> {
  const { database, observer } = parts
  return {
    owner: 'Ledger',
    operation: OPERATION,
    unknown: ({ voucher }, cause) => new PostingUnknownError(voucher.id, cause),
    typed: (error) => database.typed(OPERATION, error),
    rejected: ({ voucher }, sqlState, cause) => new VoucherRejectedError(voucher.id, sqlState, cause),
    async run(works, limits) {
      const end = await runBatch(postingJob(parts, works), limits)
      if (end.kind === 'committed') {
        parts.knownRows.add(end.result.rowNames)
        if ([...end.result.outcomes.values()].some(({ kind }) => kind === 'posted')) parts.onCommitted()
      }
      return end
    },
    free: (works) => freeWorks(parts, works),
    answer: (result, { voucher }, place, own) => answerOf(result, voucher, place, own),
    queued: () => observer.step?.({ name: 'posting.queued' }),
    began: (waiting) => observer.postingQueue?.({ waiting }),
    ended: (result, vouchers, elapsedMs) => observer.postingBatch?.({ result, vouchers, elapsedMs }),
    settled: ({ voucher: { companyId } }, answer, elapsedMs) => {
      observer.posting?.({ result: resultOf(answer), elapsedMs })
      observer.companyWork?.({ companyId, work: 'posting', count: 1 })
    },
  }
}

function postingJob(parts: VoucherParts, works: readonly VoucherWork[]): BatchJob<PostingResult> {
  const { database, statements, prepared, knownRows, observer } = parts
  return {
    operation: OPERATION,
    database,
    observer,
    steps: STEPS,
    work: async (client, at) => {
      const run = stagedStatements(client, statements, prepared, at)
      const vouchers = works.map(({ voucher }) => voucher)
      const result = await postVouchers({ run, knownRows, observer }, vouchers)
      return { result, isChanged: true, writtenBy: result.writtenBy }
    },
  }
}

/** Those of whose balance rows none is locked by somebody else now. */
async function freeWorks(
  { database, statements }: VoucherParts,
  works: readonly VoucherWork[],
): Promise<ReadonlySet<VoucherWork>> {
  const values = new BatchRows(works.map(({ voucher }) => voucher)).parameters()
  const { rows } = await database.once(OPERATION, PROBE_DEADLINE_MS, (client) =>
    client.query({ text: statements.heldRows, values }),
  )
  const held = new Set(
    rows.map((row) => rowName(textOf(row, 'company'), textOf(row, 'account'), textOf(row, 'fiscal_year'))),
  )
  const isFree = ({ voucher: { companyId, fiscalYear, lines } }: VoucherWork): boolean =>
    lines.every(({ account }) => !held.has(rowName(companyId, account, fiscalYear)))
  return new Set(works.filter(isFree))
}

const RESULTS: Readonly<Record<string, Posting['result']>> = {
  VOUCHER_CONFLICT: 'conflict',
  VOUCHER_REJECTED: 'rejected',
  VOUCHER_REVERSED: 'rejected',
  POSTING_UNKNOWN: 'unknown',
}

function resultOf(answer: PostedVoucher | KerpError): Posting['result'] {
  if (answer instanceof Error) return RESULTS[answer.code] ?? 'failed'
  return answer.replayed ? 'replayed' : 'posted'
}
