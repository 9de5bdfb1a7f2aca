/** The ledger: posts vouchers exactly once each, and reads what was posted. */

import { type Closable, closeOnce, currentTraceparent } from '@kerp/core'
import { Accounts } from './accounts.js'
import { AUDIT_TIMES } from './audit-verdict.js'
import { BatchQueue } from './batch-queue.js'
import { CachedCatalog } from './cached-catalog.js'
import type { CheckedVoucher } from './checked-voucher.js'
import type { Database } from './database.js'
import { checkCompanyId, checkName } from './identifiers.js'
import { KnownRows } from './known-rows.js'
import { auditLedger } from './ledger-audit.js'
import { type LedgerOptions, type ResolvedLedgerOptions, resolveLedgerOptions } from './ledger-options.js'
import { LedgerReader } from './ledger-reader.js'
import type { AccountLedgerPage, AccountLedgerQuery, LedgerAudit, TrialBalance } from './ledger-reports.js'
import { postWithin, type WithinContext } from './post-within.js'
import { postingStatements } from './posting-statements.js'
import type { PostingResult } from './posting-transaction.js'
import type { Queryable } from './queryable.js'
import { readBooksMark, readTurnover, type TurnoverQuery, type TurnoverRow } from './turnover.js'
import type { Approval, PostedVoucher, Reversal, StoredVoucher, Voucher } from './voucher.js'
import { checkAccounts, checkDate, checkVoucher, checkYearOfDate } from './voucher-check.js'
import { type VoucherWork, voucherKind, voucherWork } from './voucher-kind.js'
import { VoucherReader } from './voucher-reader.js'
import { WakeSender } from './wake-sender.js'
import { withTrace } from './writer-options.js'

/**
 * Posting and reading vouchers of all companies of one database.
 *
 * Any number of ledgers, in any number of processes, may post to the same database; each voucher takes effect once
 * by its company and id. The constructor does no I/O; run `migrate` before.
 *
 * @example
 * const ledger = new Ledger({ pool: new pg.Pool() })
 * const posted = await ledger.post({
 *   companyId: 'c1', id: 'INV-1', date: '2026-01-05', fiscalYear: 2026,
 *   lines: [{ account: '1101', debit: 1000n }, { account: '4101', credit: 1000n }],
 * })
 */
export class Ledger implements Closable {
  readonly close: () => Promise<void>
  readonly #queue: BatchQueue<VoucherWork, PostingResult, PostedVoucher>
  readonly #wake: WakeSender
  readonly #catalog: CachedCatalog
  readonly #within: WithinContext
  readonly #vouchers: VoucherReader
  readonly #reader: LedgerReader
  readonly #database: Database
  readonly #resolved: ResolvedLedgerOptions
  readonly #tracing: LedgerOptions['tracing']
  readonly #fiscalYearOf: LedgerOptions['fiscalYearOf']

  constructor(options: LedgerOptions) {
    const resolved = resolveLedgerOptions(options)
    const { database, schema, observer, clock, random, readDeadlineMs, bounds } = resolved
    const statements = postingStatements(schema)
    const catalog = options.accounts ?? new Accounts({ pool: options.pool, schema, clock })
    this.#resolved = resolved
    this.#tracing = options.tracing
    this.#fiscalYearOf = options.fiscalYearOf
    this.#database = database
    this.#catalog = new CachedCatalog(catalog, clock, resolved.accountsTtlMs, resolved.accountsMax)
    this.#wake = new WakeSender(database, schema, clock, resolved.wakeEveryMs)
    this.#vouchers = new VoucherReader(database, schema, readDeadlineMs)
    this.#reader = new LedgerReader(database, schema, readDeadlineMs)
    this.#within = { statements, observer, random, lockTimeoutMs: bounds.lockTimeoutMs }
    const kind = voucherKind({
      database,
      statements,
      prepared: resolved.prepared,
      knownRows: new KnownRows(),
      observer,
      onCommitted: () => this.#wake.send(),
    })
    this.#queue = new BatchQueue(kind, bounds, clock, random)
    this.close = closeOnce(async () => {
      await this.#queue.close()
      await this.#wake.close()
    })
  }

  /**
   * Posts a voucher, together with others that arrive meanwhile, and answers when it is on the disk.
   *
   * The same voucher again, at any time and in any process, has no effect and gets the same answer. Settles
   * within `deadlineMs`; where accounts are looked up for the first time, within twice of it.
   *
   * @throws {VoucherInvalidError} `VOUCHER_INVALID`: refused before any SQL.
   * @throws {VoucherConflictError} `VOUCHER_CONFLICT`: the id belongs to another voucher.
   * @throws {VoucherRejectedError} `VOUCHER_REJECTED`: a constraint or trigger of the database refused it.
   * @throws {PostingUnknownError} `POSTING_UNKNOWN`, retryable: post the same voucher again to learn it.
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable: nothing was done.
   * @throws {DeadlineExceededError} `DEADLINE_EXCEEDED`, retryable: `accounts` did not answer, nothing was done.
   * @throws {OverloadedError} `OVERLOADED`, retryable: nothing was done. After `close`: `CLOSED`.
   */
  async post(voucher: Voucher): Promise<PostedVoucher> {
    const checked = this.#checked(voucher)
    await this.#checkAccounts(checked)
    return this.#queue.add(voucherWork(checked))
  }

  /**
   * Posts a voucher inside a transaction of the host. Takes the same locks in the same order as `post`; what it
   * returns may be handed on only after the host's COMMIT was answered with `COMMIT`. After any error of this call
   * roll back, or roll back to a savepoint of your own: a caught error followed by COMMIT commits nothing.
   *
   * Errors of the driver pass through unchanged; deadlocks (40P01) and serialization failures (40001) are the
   * host's to repeat. Relays see the voucher at their next poll, or at once after `wake()`.
   *
   * @throws {VoucherInvalidError} `VOUCHER_INVALID`, {VoucherConflictError} `VOUCHER_CONFLICT`
   * @throws {TransactionRequiredError} `TRANSACTION_REQUIRED`: no transaction is open on the queryable.
   */
  async postWithin(queryable: Queryable, voucher: Voucher): Promise<PostedVoucher> {
    const checked = this.#checked(voucher)
    await this.#checkAccounts(checked)
    return postWithin(this.#within, queryable, checked)
  }

  /** Tells relays to look at once: for hosts, after the COMMIT of a `postWithin`. Only a hint; never throws. */
  wake(): void {
    this.#wake.send()
  }

  /**
   * Posts the voucher that undoes another: its lines with the sides swapped, in the same fiscal year. Each voucher
   * is reversed at most once; the same reversal again gets the same answer.
   *
   * @throws {VoucherNotFoundError} `VOUCHER_NOT_FOUND`
   * @throws {VoucherReversedError} `VOUCHER_REVERSED`: another voucher reversed it before.
   * @throws What `post` throws.
   */
  async reverse(companyId: string, voucherId: string, reversal: Reversal): Promise<PostedVoucher> {
    const original = await this.voucher(companyId, voucherId)
    const date = reversal.date === undefined ? original.date : checkDate(reversal.date, 'date')
    const lines = original.lines.map(({ account, debit, credit, memo }) =>
      debit === 0n ? { account, debit: credit, memo } : { account, credit: debit, memo },
    )
    const { fiscalYear } = original
    const voucher = { companyId, id: reversal.id, date, fiscalYear, lines }
    const checked = withTrace(checkVoucher(voucher, original.id), this.#tracing)
    if (checked.date !== original.date) checkYearOfDate(this.#fiscalYearOf, checked)
    return this.#queue.add(voucherWork(checked))
  }

  /**
   * Marks a voucher as approved, once.
   *
   * @throws {VoucherNotFoundError} `VOUCHER_NOT_FOUND`
   * @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable; safe to repeat.
   */
  async approve(companyId: string, voucherId: string): Promise<Approval> {
    const traceparent = currentTraceparent(this.#tracing)
    const names = [checkCompanyId(companyId), checkName(voucherId, 'id')] as const
    const approval = await this.#vouchers.approve(...names, traceparent)
    if (approval.changed) this.#wake.send()
    return approval
  }

  /** @throws {VoucherNotFoundError} `VOUCHER_NOT_FOUND`; {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`. */
  async voucher(companyId: string, voucherId: string): Promise<StoredVoucher> {
    return this.#vouchers.read(checkCompanyId(companyId), checkName(voucherId, 'id'))
  }

  /** A page of one account's lines with the totals after each, in the order of posting. */
  async accountLedger(query: AccountLedgerQuery): Promise<AccountLedgerPage> {
    return this.#reader.accountLedger(query)
  }

  /** All accounts of a fiscal year in one statement, so that the totals of both sides are equal. */
  async trialBalance(companyId: string, fiscalYear: number): Promise<TrialBalance> {
    return this.#reader.trialBalance(companyId, fiscalYear)
  }

  /** What was posted to each account before and within a range of dates, at one moment. Reads all lines until then. */
  async turnover(query: TurnoverQuery): Promise<readonly TurnoverRow[]> {
    const { schema, readDeadlineMs } = this.#resolved
    return readTurnover(this.#database, schema, readDeadlineMs, query)
  }

  /** Changes with every voucher of a company: part of the key of whatever is computed from its books. */
  async booksMark(companyId: string): Promise<string> {
    const { schema, readDeadlineMs } = this.#resolved
    return readBooksMark(this.#database, schema, readDeadlineMs, companyId)
  }

  /**
   * Computes every figure of a company, or of one fiscal year, again from the lines: totals of both sides, rows,
   * versions, running totals, vouchers. Reads everything; takes seconds per million lines.
   */
  async audit(
    companyId: string,
    options: { readonly fiscalYear?: number | undefined } = {},
  ): Promise<LedgerAudit> {
    const { schema, readDeadlineMs } = this.#resolved
    const scope = { companyId, fiscalYear: options.fiscalYear }
    return auditLedger(this.#database, schema, readDeadlineMs * AUDIT_TIMES, scope)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checked(voucher: Voucher): CheckedVoucher {
    const checked = withTrace(checkVoucher(voucher), this.#tracing)
    checkYearOfDate(this.#fiscalYearOf, checked)
    return checked
  }

  async #checkAccounts(voucher: CheckedVoucher): Promise<void> {
    const accounts = voucher.lines.map((line) => line.account)
    if (this.#catalog.knowsPostable(voucher.companyId, accounts)) return
    const { deadlineMs } = this.#resolved.bounds
    await this.#database.within('looking up accounts', deadlineMs, checkAccounts(this.#catalog, voucher))
  }
}
