/**
 * Payroll (급여): a durable batch over all employees of a company, whose end posts one voucher.
 *
 * A slip is written in the transaction that marks its chunk done, the voucher in the one that marks the run done; so
 * a process that is killed at any moment leaves a run that the next one takes up, and nobody is paid twice.
 */

import {
  type BatchRun,
  type Closable,
  InvalidInputError,
  isTraceparent,
  KerpError,
  type Observer,
} from '@kerp/core'
import {
  ChunkLedger,
  type DatabasePool,
  type EventLog,
  type Ledger,
  type Queryable,
  type Voucher,
} from '@kerp/postgres'
import { type Batch, Batches, type BatchRunHandle, defineBatch } from '@kerp/worker-pool'
import { drawEmployees, EMPLOYER, type Employee } from './employees.js'
import { type PayrollPeriod, type PayrollRules, readPayrollRules } from './payroll-rules.js'
import {
  countEmployees,
  hireEmployees,
  listEmployeeIds,
  loadEmployees,
  payrollMonths,
  slipOf,
  type SlipTotals,
  sumPayslips,
  writePayslips,
} from './payroll-tables.js'
import { type Payslip, payslipOf } from './payslip.js'
import type { Tracing } from './tracing.js'

/** Which payroll: its month, `YYYY-MM`, is its batch id. */
export interface PayrollMonth {
  readonly companyId: string
  readonly month: string
}

/** A payroll as it is opened. */
interface PayrollRun extends PayrollMonth {
  /** How many there were then. */
  readonly employees: number
  /** The trace of who started it, which its end goes on with, in whatever process. */
  readonly traceparent?: string
}

/** What payroll works with. */
export interface PayrollOptions {
  readonly pool: DatabasePool
  /** Statements outside any transaction. */
  readonly database: Queryable
  readonly ledger: Ledger
  readonly rules: PayrollRules
  readonly observer: Observer
  readonly tracing: Tracing
  /** Where others hear of it: written in the transaction of the voucher. */
  readonly events: EventLog
}

/** A payroll as it stands. */
export interface PayrollStatus {
  readonly run: BatchRun
  readonly total: number
  /** As the run counts them with each chunk. */
  readonly totals: Payslip
  readonly failures: readonly { readonly employee: string; readonly code: string }[]
}

/** A payroll beside what its slips add up to. */
export interface AuditedPayroll extends PayrollStatus {
  readonly slips: SlipTotals
}

/** The company has no employees, or the month has no rules. */
class PayrollNotConfiguredError extends KerpError {
  static override readonly errorName = 'PayrollNotConfiguredError'

  constructor(what: string) {
    super(`There is no payroll for ${what}.`, { code: 'PAYROLL_NOT_CONFIGURED', retryable: false })
  }
}

/** The payroll of that month was never started. */
class PayrollNotFoundError extends KerpError {
  static override readonly errorName = 'PayrollNotFoundError'

  constructor(month: string) {
    super(`The payroll of ${JSON.stringify(month)} was not started.`, {
      code: 'PAYROLL_NOT_FOUND',
      retryable: false,
    })
  }
}

const FAILURES_SHOWN_MAX = 100
const MONTH = /^\d{4}-(?:0[1-9]|1[0-2])$/

/** Payroll by the rules that ship with this app, on one database. */
export async function openPayroll(
  options: Omit<PayrollOptions, 'rules' | 'database'> & { readonly pool: Queryable },
): Promise<Payroll> {
  const payroll = new Payroll({ ...options, database: options.pool, rules: await readPayrollRules() })
  return options.tracing.around(payroll, 'Payroll', ['start'])
}

/** Runs payrolls, and tells how they stand. */
export class Payroll implements Closable {
  readonly #options: PayrollOptions
  readonly #batch: Batch<PayrollRun, Queryable>
  readonly #batches: Batches<Queryable>
  #hiring: Promise<void> | undefined

  constructor(options: PayrollOptions) {
    this.#options = options
    this.#batch = payrollBatch(options)
    const { pool, observer } = options
    this.#batches = new Batches({ ledger: new ChunkLedger({ pool }), batches: [this.#batch], observer })
    // Relays need not wait for their next look.
    this.#batches.notices.on('ended', () => options.ledger.wake())
  }

  /** Begins to work, also on what a process that was killed left behind. */
  work(): void {
    this.#batches.work()
  }

  /**
   * Starts the payroll of a month, or finds the one that was started before.
   *
   * @throws {PayrollNotConfiguredError} `PAYROLL_NOT_CONFIGURED`
   */
  async start(payroll: PayrollMonth): Promise<BatchRunHandle> {
    const { companyId, month } = payroll
    if (!MONTH.test(month)) throw new InvalidInputError('month', 'a month as YYYY-MM', month)
    if (companyId !== EMPLOYER.companyId) throw new PayrollNotConfiguredError(`company ${companyId}`)
    periodOf(this.#options.rules, month)
    await (this.#hiring ??= this.#hire().catch((error: unknown) => {
      this.#hiring = undefined
      throw error
    }))
    const employees = await countEmployees(this.#options.database, companyId)
    const traceparent = this.#options.tracing.ofEvents.tracing?.traceparent()
    return this.#batches.start(this.#batch, {
      ...payroll,
      employees,
      ...(traceparent !== undefined && { traceparent }),
    })
  }

  /**
   * How a payroll stands; costs two rows, however many are paid.
   *
   * @throws {PayrollNotFoundError} `PAYROLL_NOT_FOUND`
   */
  async status(payroll: PayrollMonth): Promise<PayrollStatus> {
    const { month } = payroll
    const run = MONTH.test(month) ? await this.#find(payroll) : undefined
    if (run === undefined) throw new PayrollNotFoundError(month)
    const stands = await run.read()
    const failures = await run.failures({ limit: FAILURES_SHOWN_MAX })
    return {
      run: stands,
      total: stands.isPlanned ? stands.items : readPayrollRun(JSON.parse(stands.params)).employees,
      totals: slipOf((part) => stands.totals[part] ?? 0n),
      failures: failures.map(({ itemId, code }) => ({ employee: itemId, code })),
    }
  }

  /** Every payroll of a company as it stands, and all its slips added up. */
  async audited(companyId: string): Promise<readonly AuditedPayroll[]> {
    const { database } = this.#options
    const months = await payrollMonths(database, companyId)
    return Promise.all(
      months.map(async (month) => {
        // The run first: it never counts slips that the sums do not have.
        const status = await this.status({ companyId, month })
        return { ...status, slips: await sumPayslips(database, companyId, month) }
      }),
    )
  }

  close(): Promise<void> {
    return this.#batches.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #find({ companyId, month }: PayrollMonth): Promise<BatchRunHandle | undefined> {
    return this.#batches.find({
      companyId,
      runId: this.#batch.opening({ companyId, month, employees: 0 }).runId,
    })
  }

  async #hire(): Promise<void> {
    const { database, rules } = this.#options
    const { companyId, employees } = EMPLOYER
    if ((await countEmployees(database, companyId)) < employees) {
      await hireEmployees(database, companyId, drawEmployees(employees, rules))
    }
  }
}

function payrollBatch(options: PayrollOptions): Batch<PayrollRun, Queryable> {
  const { database, rules, tracing } = options
  return defineBatch<PayrollRun, Employee, Payslip, Queryable>({
    name: 'payroll',
    companyId: ({ companyId }) => companyId,
    key: ({ month }) => [month],
    readParams: readPayrollRun,
    ids: ({ companyId }, page) => listEmployeeIds(database, companyId, page),
    load: ({ companyId }, ids) => loadEmployees(database, companyId, ids),
    // Here and not in threads: a slip takes 3 µs, and to carry its numbers there and back takes as long.
    run: (employee, _context, { month }) => payslipOf(employee, periodOf(rules, month), rules),
    totals: slipOf((part) => (slip: Payslip) => slip[part]),
    effects: (tx, done, payroll) =>
      writePayslips(
        tx,
        payroll,
        done.map(({ itemId, result }) => ({ employee: itemId, slip: result })),
      ),
    finish(tx, run, payroll) {
      const finish = (): Promise<void> => finishPayroll(options, { tx, run, payroll })
      const { traceparent } = payroll
      if (tracing.ofEvents.tracing === undefined || traceparent === undefined) return finish()
      return tracing.ofEvents.tracing.handle([traceparent], 'Payroll.finish', finish)
    },
  })
}

/** The voucher, and the events that tell of it, in the transaction that ends the run. */
async function finishPayroll(
  { ledger, events }: PayrollOptions,
  { tx, run, payroll }: { readonly tx: Queryable; readonly run: BatchRun; readonly payroll: PayrollMonth },
): Promise<void> {
  const { companyId, month } = payroll
  const totals = await sumPayslips(tx, companyId, month)
  if (totals.slips > 0) await ledger.postWithin(tx, payrollVoucher(payroll, totals))
  const about = payrollVoucherId(month)
  const counts = { batchId: month, state: 'done', done: run.itemsDone, total: run.items }
  const message = `급여 ${month}: ${totals.slips}명, ${totals.net} KRW`
  const notification = { level: 'info', message }
  await events.appendWithin(tx, { companyId, type: 'events:payroll:processed', about, payload: counts })
  await events.appendWithin(tx, { companyId, type: 'events:notification', about, payload: notification })
}

function readPayrollRun(stored: unknown): PayrollRun {
  const field = (name: string): unknown =>
    typeof stored === 'object' && stored !== null ? Reflect.get(stored, name) : undefined
  const text = (name: string): string => {
    const value = field(name)
    if (typeof value !== 'string') throw new InvalidInputError(name, 'a string', value)
    return value
  }
  const traceparent = field('traceparent')
  return {
    companyId: text('companyId'),
    month: text('month'),
    employees: Number(field('employees') ?? 0),
    ...(isTraceparent(traceparent) && { traceparent }),
  }
}

function periodOf(rules: PayrollRules, month: string): PayrollPeriod {
  const period = rules.periodOf(month)
  if (period === undefined) throw new PayrollNotConfiguredError(`the month ${month}`)
  return period
}

/** The id of the voucher of a month's payroll. */
export function payrollVoucherId(month: string): string {
  return `payroll-${month}`
}

/** Wage expense against what is withheld and what is payable, on the last day of the month. */
export function payrollVoucher({ companyId, month }: PayrollMonth, totals: SlipTotals): Voucher {
  const lastDay = new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 0))
  const credits: readonly (readonly [string, bigint])[] = [
    ['21110', totals.incomeTax],
    ['21120', totals.localIncomeTax],
    ['21130', totals.pension],
    ['21140', totals.health],
    ['21150', totals.longTermCare],
    ['21160', totals.employment],
    ['21050', totals.net],
  ]
  return {
    companyId,
    id: payrollVoucherId(month),
    date: lastDay.toISOString().slice(0, 'YYYY-MM-DD'.length),
    fiscalYear: lastDay.getUTCFullYear(),
    lines: [
      { account: '61010', debit: totals.gross, memo: `급여 ${month}` },
      ...credits.flatMap(([account, credit]) => (credit === 0n ? [] : [{ account, credit }])),
    ],
  }
}
