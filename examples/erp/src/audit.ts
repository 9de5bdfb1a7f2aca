/** The audit of one company: what must be equal, with the figures that show it. */

import type { BalanceAudit, BalanceCache } from '@kerp/balance-cache'
import { formatAmount, type RegisterRef, type RegisterSource } from '@kerp/core'
import type { Ledger, LedgerAudit } from '@kerp/postgres'
import type { LatencyFigures, Metrics } from '@kerp/metrics'
import type { OutboxRelay } from '@kerp/registers'
import type { AuditLine } from './audit-line.js'
import { type Company, findCompany } from './companies.js'
import type { EventHistories } from './events.js'
import { companyOf, type HttpServer } from './http/server.js'
import type { Payroll } from './payroll.js'
import { payrollAudit } from './payroll-audit.js'
import { cachedStockLine, type StockAudit } from './stock-audit.js'

/** What the audit compares. */
export interface AuditOptions {
  readonly ledger: Ledger
  readonly balances: BalanceCache
  readonly stock: StockAudit
  readonly histories: EventHistories
  readonly source: RegisterSource
  readonly relay: OutboxRelay
  readonly metrics: Metrics
  readonly payroll: Payroll
}

/** A cached figure may be behind its row only until the relay has passed; so often is it looked at again. */
const LOOKS_MAX = 8
const CATCH_UP_MS = 2_000
const ROWS_PER_PAGE = 1_000

type CacheCounts = Pick<BalanceAudit, 'rows' | 'equal' | 'behind' | 'absent' | 'foreign' | 'different'>

/** Audits a company while work on it may go on. */
export class Audit {
  readonly #options: AuditOptions

  constructor(options: AuditOptions) {
    this.#options = options
  }

  /** What must be exact: the books in themselves, and the cache against the books. */
  async exactness(companyId: string): Promise<readonly AuditLine[]> {
    const company = findCompany(companyId)
    if (company === undefined) return []
    const { ledger, stock, histories, payroll } = this.#options
    const books = await ledger.audit(companyId)
    const cache = await this.#atRest(() => this.#cache(companyId))
    const goods = await stock.rows(companyId)
    const cachedGoods = await this.#atRest(() => stock.cached(companyId))
    const events = await histories.audited(companyId)
    const lines = [totalsLine(company, books), rowsLine(books, cache), ...goods]
    const payslips = await payrollAudit(payroll, ledger, companyId)
    return [...lines, cachedStockLine(cachedGoods), payslips, events]
  }

  /** What was measured since this process started. */
  measurements(): readonly AuditLine[] {
    const { postings, caches } = this.#options.metrics.snapshot()
    const { requests = 0, hitRatio, reads } = caches['balance'] ?? {}
    const ratio = hitRatio === undefined ? 'no reads yet' : `${(hitRatio * 100).toFixed(2)} % of ${requests}`
    return [
      measured('hit ratio', ratio),
      measured('p50/p99 of posting', latencyText(postings.latency)),
      measured('p50/p99 of balance reads', latencyText(reads)),
    ]
  }

  /** Looks again as long as rows are behind, which they are for a moment while work goes on. */
  async #atRest(lookAtCache: () => Promise<CacheCounts>): Promise<CacheCounts> {
    for (let look = 1; ; look += 1) {
      const counts = await lookAtCache()
      if (counts.behind + counts.foreign === 0 || look === LOOKS_MAX) return counts
      // A relay that cannot reach Redis is no finding of the audit: then nothing is served from there either.
      await this.#options.relay.caughtUp({ deadlineMs: CATCH_UP_MS }).catch(() => undefined)
    }
  }

  async #cache(companyId: string): Promise<CacheCounts> {
    const counts = { rows: 0, equal: 0, behind: 0, absent: 0, foreign: 0, different: 0 }
    for (const fiscalYear of await this.#fiscalYears(companyId)) {
      const year = await this.#options.balances.audit(companyId, { fiscalYear })
      counts.rows += year.rows
      counts.equal += year.equal
      counts.behind += year.behind
      counts.absent += year.absent
      counts.foreign += year.foreign
      counts.different += year.different
    }
    return counts
  }

  /** Every year that has a row. */
  async #fiscalYears(companyId: string): Promise<readonly number[]> {
    const years = new Set<number>()
    let after: RegisterRef | undefined
    for (;;) {
      const from = after === undefined ? {} : { after }
      const listing = { companyId, family: 'balance', limit: ROWS_PER_PAGE, ...from } as const
      const { images } = await this.#options.source.list(listing)
      for (const { ref } of images) years.add(Number(ref.parts[1]))
      if (images.length < ROWS_PER_PAGE) return [...years].sort((a, b) => a - b)
      after = images.at(-1)?.ref
    }
  }
}

function totalsLine(company: Company, books: LedgerAudit): AuditLine {
  const money = (minorUnits: bigint): string =>
    `${formatAmount(minorUnits, company.currency)} ${company.currency}`
  const differences = totalsDifferences(books)
  return {
    name: 'Σ debit = Σ credit',
    ok: differences === 0 && books.debit === books.credit,
    figure: `${money(books.debit)} = ${money(books.credit)}`,
    differences,
  }
}

function rowsLine(books: LedgerAudit, cache: CacheCounts): AuditLine {
  const inBooks = books.differencesTotal - totalsDifferences(books)
  const differences = inBooks + cache.different + cache.behind + cache.foreign
  return {
    name: 'every cached balance = its row = Σ of its lines',
    ok: differences === 0,
    figure: `${cache.equal} cached of ${cache.rows} rows, ${books.lines} lines of ${books.vouchers} vouchers`,
    differences,
  }
}

function totalsDifferences(books: LedgerAudit): number {
  return books.differences.filter(({ check }) => check === 'totals').length
}

function measured(name: string, figure: string): AuditLine {
  return { name, ok: true, figure, differences: 0 }
}

function latencyText(latency: LatencyFigures | undefined): string {
  const { count, p50Ms, p99Ms } = latency ?? {}
  if (p50Ms === undefined || p99Ms === undefined) return 'none yet'
  return `about ${p50Ms.toFixed(1)} ms / ${p99Ms.toFixed(1)} ms of ${count}`
}

/** Registers the route below `/companies/:company`. */
export function auditRoutes(server: HttpServer, audit: Audit): void {
  server.get('/audit', async (request) => {
    const lines = [...(await audit.exactness(companyOf(request).id)), ...audit.measurements()]
    return { ok: lines.every(({ ok }) => ok), lines }
  })
}
