/**
 * The demo's reports: the financial report of every month of the year, computed once for each company, and then read
 * as an office does, some of them again and again, while the payroll posts its voucher.
 */

import type { CacheFigures } from '@kerp/metrics'
import { COMPANIES } from '../companies.js'
import type { Erp } from '../main.js'
import { LatencyHistogram } from './latency.js'
import { pause } from './patience.js'
import type { Screen } from './screen.js'

/** People who look, for each company, and how often each does at least. */
const READERS_PER_COMPANY = 2
const LOOKS_MIN = 100
const LOOK_PAUSE_MS = 20

/** What was computed and read. */
export interface ReportsReport {
  /** Reports computed before anybody looked, and how long that took in all. */
  readonly computed: number
  readonly computeMs: number
  /** Looks at a report after that, and how long each took. */
  readonly looks: number
  readonly latency: LatencyHistogram
  /** Of what was read through the cache after the first computation, by type. */
  readonly reportHitRatio: number
  readonly dashboardHitRatio: number
}

/** Computes the reports of a fiscal year, and then reads them and the dashboards until `meanwhile` has ended. */
export async function runReports<T>(
  { erp, screen, fiscalYear }: { readonly erp: Erp; readonly screen: Screen; readonly fiscalYear: number },
  meanwhile: () => Promise<T>,
): Promise<{ readonly reports: ReportsReport; readonly result: T }> {
  const months = Array.from({ length: 12 }, (_, month) => monthOf(fiscalYear, month))
  const bar = screen.bar(`financial reports of ${fiscalYear}`, COMPANIES.length * months.length)
  const begunMs = performance.now()
  await Promise.all(
    COMPANIES.flatMap(({ id: companyId }) =>
      months.map(async (period) => {
        await erp.reports.read({ companyId, ...period })
        bar.advance()
      }),
    ),
  )
  await Promise.all(COMPANIES.map(({ id }) => erp.dashboard.read(id, fiscalYear)))
  bar.finish()
  const computeMs = performance.now() - begunMs
  const before = erp.metrics.snapshot().caches
  const latency = new LatencyHistogram()
  const work = { isOver: false }
  const result = meanwhile().finally(() => (work.isOver = true))
  const readers = COMPANIES.flatMap(({ id: companyId }) =>
    Array.from({ length: READERS_PER_COMPANY }, async (_, reader) => {
      for (let look = 0; look < LOOKS_MIN || !work.isOver; look += 1) {
        const period = months[(reader * 3 + look) % months.length]
        if (period === undefined) return
        const lookMs = performance.now()
        await erp.reports.read({ companyId, ...period })
        latency.add(performance.now() - lookMs)
        await erp.dashboard.read(companyId, fiscalYear)
        await pause(LOOK_PAUSE_MS)
      }
    }),
  )
  await Promise.all([result, ...readers])
  const after = erp.metrics.snapshot().caches
  const reports = {
    computed: COMPANIES.length * months.length,
    computeMs,
    looks: latency.count,
    latency,
    reportHitRatio: hitRatioSince(before['report'], after['report']),
    dashboardHitRatio: hitRatioSince(before['dashboard'], after['dashboard']),
  }
  return { reports, result: await result }
}

function hitRatioSince(before: CacheFigures | undefined, after: CacheFigures | undefined): number {
  const requests = (after?.requests ?? 0) - (before?.requests ?? 0)
  return requests === 0 ? 0 : ((after?.hits ?? 0) - (before?.hits ?? 0)) / requests
}

function monthOf(fiscalYear: number, month: number): { readonly from: string; readonly to: string } {
  const day = (date: number): string => new Date(date).toISOString().slice(0, 'YYYY-MM-DD'.length)
  return { from: day(Date.UTC(fiscalYear, month, 1)), to: day(Date.UTC(fiscalYear, month + 1, 0)) }
}
