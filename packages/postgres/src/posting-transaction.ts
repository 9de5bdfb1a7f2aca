/**
 * The statements of one posting transaction, between its BEGIN and its COMMIT, whoever owns it.
 *
 * Locks are taken in one order everywhere: reversals, idempotency keys by bytes, balance rows by bytes. Nothing
 * that is returned here may be told to anybody before the transaction's COMMIT was answered with `COMMIT`.
 */

import type { Observer, RegisterImage } from '@kerp/core'
import { arrayOf, textElement } from './array-text.js'
import type { RunStatement } from './batch-run.js'
import type { CheckedVoucher } from './checked-voucher.js'
import {
  DatabaseUnsuitableError,
  TransactionRequiredError,
  VoucherConflictError,
  VoucherReversedError,
} from './errors.js'
import { type KnownRows, lockRows } from './known-rows.js'
import type { PostingStatements } from './posting-statements.js'
import { BatchRows, type RowTotals, runTotals } from './posting-totals.js'
import { textOf, textOrUndefined, versionOf } from './row-text.js'

/** What one voucher came to, if the transaction commits. */
export type PostingOutcome =
  | { readonly kind: 'posted'; readonly images: readonly RegisterImage[] }
  /** `writtenBy`: the transaction that posted it. */
  | { readonly kind: 'replayed'; readonly images: readonly RegisterImage[]; readonly writtenBy: string }
  | { readonly kind: 'conflict' }

/** What the transaction did, if it commits. */
export interface PostingResult {
  readonly epoch: string
  /** Of every voucher. */
  readonly outcomes: ReadonlyMap<CheckedVoucher, PostingOutcome>
  /** The transaction, if it claimed a key; as it stands in the rows that it writes. */
  readonly writtenBy: string | undefined
  /** Names of the balance rows that exist once the transaction commits. */
  readonly rowNames: readonly string[]
}

/** What a posting transaction is made of. */
export interface PostingContext {
  readonly run: RunStatement<keyof PostingStatements>
  readonly knownRows: KnownRows
  readonly observer: Observer
  /** The mark that `beginWithin` set, in a host's transaction. */
  readonly within?: string | undefined
}

/**
 * Posts vouchers that were checked. No two of them have the same company and id; one that reverses another comes
 * alone.
 */
export async function postVouchers(
  context: PostingContext,
  vouchers: readonly CheckedVoucher[],
): Promise<PostingResult> {
  const { observer } = context
  await claimReversal(context, vouchers)
  const { claimed, writtenBy } = await claimKeys(context, vouchers)
  observer.step?.({ name: 'posting.keysClaimed' })
  const fresh = vouchers.filter((voucher) => claimed.has(keyName(voucher.companyId, voucher.id)))
  const outcomes = new Map<CheckedVoucher, PostingOutcome>()
  let epoch: string | undefined
  if (fresh.length < vouchers.length) epoch = await readPosted(context, vouchers, claimed, outcomes)
  const rows = new BatchRows(fresh)
  if (fresh.length > 0) epoch = await writeVouchers(context, fresh, rows, outcomes)
  if (context.within !== undefined && outcomes.size === 0) throw new TransactionRequiredError('postWithin')
  if (epoch === undefined || outcomes.size < vouchers.length) {
    throw new DatabaseUnsuitableError('The key of a voucher exists, but the voucher does not.')
  }
  return { epoch, outcomes, writtenBy, rowNames: [...rows.names] }
}

async function claimReversal({ run }: PostingContext, vouchers: readonly CheckedVoucher[]): Promise<void> {
  for (const { companyId, id, reverses } of vouchers) {
    if (reverses === undefined) continue
    await run('claimReversal', [companyId, reverses, id])
    const [row] = await run('readReversal', [companyId, reverses])
    const holder = row === undefined ? undefined : textOf(row, 'reversed_by')
    if (holder !== id) throw new VoucherReversedError(companyId, reverses, holder ?? '')
  }
}

async function claimKeys(
  { run, within }: PostingContext,
  vouchers: readonly CheckedVoucher[],
): Promise<{ readonly claimed: ReadonlySet<string>; readonly writtenBy: string | undefined }> {
  const parameters = [
    arrayOf(vouchers.map((voucher) => textElement(voucher.companyId))),
    arrayOf(vouchers.map((voucher) => textElement(voucher.id))),
    arrayOf(vouchers.map((voucher) => voucher.hash)),
  ]
  const rows =
    within === undefined
      ? await run('claimKeys', parameters)
      : await run('claimKeysWithin', [...parameters, within])
  const claimed = new Set(rows.map((row) => keyName(textOf(row, 'company'), textOf(row, 'id'))))
  return { claimed, writtenBy: textOrUndefined(rows[0] ?? {}, 'written_by') }
}

/** Fills in the answers of vouchers whose keys exist. */
async function readPosted(
  { run }: PostingContext,
  vouchers: readonly CheckedVoucher[],
  claimed: ReadonlySet<string>,
  outcomes: Map<CheckedVoucher, PostingOutcome>,
): Promise<string | undefined> {
  const asked = new Map<string, CheckedVoucher>()
  for (const voucher of vouchers) {
    const name = keyName(voucher.companyId, voucher.id)
    if (!claimed.has(name)) asked.set(name, voucher)
  }
  const rows = await run('readPosted', [
    arrayOf([...asked.values()].map((voucher) => textElement(voucher.companyId))),
    arrayOf([...asked.values()].map((voucher) => textElement(voucher.id))),
  ])
  const images = new Map<CheckedVoucher, RegisterImage[]>()
  const writers = new Map<CheckedVoucher, string>()
  let epoch: string | undefined
  for (const row of rows) {
    epoch = textOf(row, 'epoch')
    const companyId = textOf(row, 'company')
    const voucher = asked.get(keyName(companyId, textOf(row, 'id')))
    if (voucher === undefined) continue
    writers.set(voucher, textOf(row, 'written_by'))
    if (textOf(row, 'request_hash') !== voucher.hash) refuseConflict(voucher, outcomes)
    else append(images, voucher, imageOf(companyId, row))
  }
  for (const [voucher, stored] of images) {
    outcomes.set(voucher, { kind: 'replayed', images: stored, writtenBy: writers.get(voucher) ?? '' })
  }
  return epoch
}

function refuseConflict(voucher: CheckedVoucher, outcomes: Map<CheckedVoucher, PostingOutcome>): void {
  // A reversal claimed its original in this transaction: only an error takes that back.
  if (voucher.reverses !== undefined) throw new VoucherConflictError(voucher.companyId, voucher.id)
  outcomes.set(voucher, { kind: 'conflict' })
}

async function writeVouchers(
  context: PostingContext,
  vouchers: readonly CheckedVoucher[],
  rows: BatchRows,
  outcomes: Map<CheckedVoucher, PostingOutcome>,
): Promise<string> {
  const { run, observer } = context
  await readLocked(context, rows)
  observer.step?.({ name: 'posting.rowsLocked' })
  const totals = runTotals(vouchers, rows)
  const written = await run('write', totals.parameters)
  observer.step?.({ name: 'posting.balancesUpdated' })
  const epoch = assertWritten(rows, written, vouchers.length, totals.lines)
  observer.step?.({ name: 'posting.linesWritten' })
  for (const { voucher, images } of totals.images) outcomes.set(voucher, { kind: 'posted', images })
  return epoch
}

async function readLocked({ run, knownRows }: PostingContext, rows: BatchRows): Promise<void> {
  for (const found of await lockRows(run, knownRows, rows)) {
    const row = rows.row(textOf(found, 'company'), textOf(found, 'account'), textOf(found, 'fiscal_year'))
    row.debit = BigInt(textOf(found, 'debit'))
    row.credit = BigInt(textOf(found, 'credit'))
    row.version = versionOf(found)
  }
  if (rows.all.some((row) => row.version < 0)) {
    throw new DatabaseUnsuitableError('A balance row could not be made.')
  }
}

/** What was written must be what was computed: a rule or trigger of the host may have changed or dropped it. */
function assertWritten(
  rows: BatchRows,
  written: readonly Record<string, unknown>[],
  vouchers: number,
  lines: number,
): string {
  const expected = rows.all.length
  let epoch: string | undefined
  const wrong = written.filter((found) => {
    const row = rows.row(textOf(found, 'company'), textOf(found, 'account'), textOf(found, 'fiscal_year'))
    epoch = textOf(found, 'epoch')
    return !isSame(row, found) || !isComplete(found, { vouchers, lines, outbox: expected, events: vouchers })
  })
  if (wrong.length > 0 || written.length !== expected || epoch === undefined) {
    throw new DatabaseUnsuitableError(
      'The rows that were written differ from those that were computed; the transaction is rolled back.',
    )
  }
  return epoch
}

function isSame(row: RowTotals, found: Readonly<Record<string, unknown>>): boolean {
  return (
    textOf(found, 'debit') === row.debit.toString() &&
    textOf(found, 'credit') === row.credit.toString() &&
    versionOf(found) === row.version
  )
}

function isComplete(
  found: Readonly<Record<string, unknown>>,
  counts: Readonly<Record<'vouchers' | 'lines' | 'outbox' | 'events', number>>,
): boolean {
  return Object.entries(counts).every(([name, count]) => textOf(found, name) === String(count))
}

function imageOf(companyId: string, row: Readonly<Record<string, unknown>>): RegisterImage {
  return {
    ref: { companyId, family: 'balance', parts: [textOf(row, 'account'), textOf(row, 'fiscal_year')] },
    version: versionOf(row),
    fields: [textOf(row, 'debit'), textOf(row, 'credit')],
  }
}

function keyName(companyId: string, id: string): string {
  return `${companyId}\n${id}`
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
