/**
 * The financial report (재무제표): four sections computed side by side by a deadline; one that fails leaves the others.
 *
 * A whole report is cached under the mark of the books that it was computed from, so the next voucher makes it
 * another report: nothing has to be invalidated, and nothing old can be answered.
 */

import type { CachedValues, ReadThrough } from '@kerp/cache'
import { InvalidInputError, jsonCodec, KerpError } from '@kerp/core'
import type { Ledger } from '@kerp/postgres'
import { fanOut, type SectionFunction } from '@kerp/worker-pool'
import type { Chart } from './chart.js'
import { type Company, findCompany } from './companies.js'
import {
  balanceSheet,
  cashFlow,
  incomeStatement,
  ratios,
  type SectionData,
  type SectionInput,
} from './financial-sections.js'

/** Which report. */
export interface ReportPeriod {
  readonly companyId: string
  /** `YYYY-MM-DD`, both included. */
  readonly from: string
  readonly to: string
}

/** One section: its data, or what went wrong with it alone. */
export interface ReportSection {
  readonly name: string
  readonly data?: SectionData
  readonly error?: { readonly code: string; readonly message: string; readonly retryable: boolean }
}

/** What reports are made of. */
export interface FinancialReportsOptions {
  readonly ledger: Pick<Ledger, 'turnover' | 'booksMark'>
  readonly chart: Chart
  readonly cache: ReadThrough
  /** @defaultValue 5_000 */
  readonly deadlineMs?: number
}

interface MarkedPeriod extends ReportPeriod {
  readonly mark: string
}

const DEADLINE_MS = 5_000
const SECTIONS: Readonly<Record<string, (input: SectionInput) => SectionData>> = {
  재무상태표: balanceSheet,
  손익계산서: incomeStatement,
  현금흐름표: cashFlow,
  재무비율: ratios,
}

/** A report with a section missing is answered, and not kept. */
class ReportIncompleteError extends KerpError {
  static override readonly errorName = 'ReportIncompleteError'

  constructor(readonly sections: readonly ReportSection[]) {
    super('A section of the report failed.', { code: 'REPORT_INCOMPLETE', retryable: true })
  }
}

/** Computes reports, each once for each state of the books. */
export class FinancialReports {
  readonly #options: FinancialReportsOptions
  readonly #kept: CachedValues<MarkedPeriod, readonly ReportSection[]>

  constructor(options: FinancialReportsOptions) {
    this.#options = options
    const { keys } = options.cache
    this.#kept = options.cache.define<MarkedPeriod, readonly ReportSection[]>({
      type: 'report',
      key: ({ companyId, from, to, mark }) =>
        keys.report({ companyId, type: 'financial', parameters: { from, to, mark } }),
      load: (period) => this.#whole(period),
      codec: jsonCodec({ version: 1, check: sectionsOf }),
    })
  }

  /**
   * The sections in their order.
   *
   * @throws {InvalidInputError} `INVALID_INPUT` for dates that are none, or stand in the wrong order.
   */
  async read(period: ReportPeriod): Promise<readonly ReportSection[]> {
    checkPeriod(period)
    const mark = await this.#options.ledger.booksMark(period.companyId).catch(() => undefined)
    // Without the books there is no report to keep, but each section can say so.
    if (mark === undefined) return this.#compute(period)
    try {
      return (await this.#kept.get({ ...period, mark })) ?? []
    } catch (error) {
      const cause: unknown = error instanceof Error ? error.cause : undefined
      for (const thrown of [error, cause]) if (thrown instanceof ReportIncompleteError) return thrown.sections
      throw error
    }
  }

  async #whole(period: ReportPeriod): Promise<readonly ReportSection[]> {
    const sections = await this.#compute(period)
    if (sections.some(({ error }) => error !== undefined)) throw new ReportIncompleteError(sections)
    return sections
  }

  async #compute(period: ReportPeriod): Promise<readonly ReportSection[]> {
    const { ledger, chart, deadlineMs = DEADLINE_MS } = this.#options
    const company = companyOf(period.companyId)
    // One statement for all sections, so that they are of one moment.
    const turnover = ledger.turnover(period)
    const work = Object.entries(SECTIONS).map(([name, compute]): [string, SectionFunction<SectionData>] => [
      name,
      async () => compute({ company, chart, turnover: await turnover }),
    ])
    const { sections } = await fanOut(Object.fromEntries(work), { deadlineMs })
    return sections.map((section) =>
      section.ok
        ? { name: section.name, data: section.value as SectionData }
        : { name: section.name, error: errorOf(section.error) },
    )
  }
}

function companyOf(companyId: string): Company {
  const company = findCompany(companyId)
  if (company === undefined) throw new InvalidInputError('companyId', 'a company', companyId)
  return company
}

const DATE = /^\d{4}-\d{2}-\d{2}$/

function checkPeriod({ from, to }: ReportPeriod): void {
  for (const [name, date] of [
    ['from', from],
    ['to', to],
  ] as const) {
    const isDate = DATE.test(date) && !Number.isNaN(Date.parse(date))
    if (!isDate || new Date(date).toISOString().slice(0, date.length) !== date) {
      throw new InvalidInputError(name, 'a date as YYYY-MM-DD', date)
    }
  }
  if (from > to) throw new InvalidInputError('from', 'not after `to`', from)
}

function errorOf(error: Error): NonNullable<ReportSection['error']> {
  if (!(error instanceof KerpError)) {
    return { code: 'INTERNAL', message: 'This section failed.', retryable: false }
  }
  return { code: error.code, message: error.message, retryable: error.retryable }
}

function sectionsOf(parsed: unknown): readonly ReportSection[] {
  if (!Array.isArray(parsed)) throw new InvalidInputError('report', 'a list of sections', parsed)
  return parsed as readonly ReportSection[]
}
