/** What the demo says at its end: the audit, the table of figures, and both as one JSON object. */

import type { CacheFigures } from '@kerp/metrics'
import type { AuditLine } from '../audit-line.js'
import type { Erp } from '../main.js'
import { COMPANIES } from '../companies.js'
import type { HeardReport } from './event-watch.js'
import type { GoodsReport } from './goods-job.js'
import type { LatencyHistogram } from './latency.js'
import type { MonthReport } from './month-job.js'
import type { PayrollReport } from './payroll-job.js'
import type { ReportsReport } from './report-job.js'
import type { FaultReport } from './faults.js'
import type { BackupReport } from './restored-backup.js'
import type { Screen } from './screen.js'
import type { SecondReport } from './second-app.js'

/** The object of the last line under `--json`. */
export interface DemoReport {
  /** True only if every line of the audit holds. */
  readonly ok: boolean
  readonly audit: readonly AuditLine[]
  readonly figures: Readonly<Record<string, number>>
  readonly parts: { readonly redis: string; readonly database: string }
}

/** What was measured beside the job, in ms. */
export interface DemoTimes {
  /** From the start of this process to the first HTTP answer. */
  readonly firstAnswerMs: number
  /** Cache warming of all companies. */
  readonly warmMs: number
  /** From the start of this process to the end of the audit. */
  readonly totalMs: number
}

/** Stands between the companies in one figure. */
const PARTS_OF_FIGURE = ' · '

/** Audits every company, and what only the demo can know: that nothing acknowledged is missing. */
export async function auditDemo(
  erp: Erp,
  results: Pick<DemoResults, 'month' | 'goods' | 'heard' | 'second' | 'backup'>,
): Promise<readonly AuditLine[]> {
  const { month, goods, heard, second, backup } = results
  const perCompany = await Promise.all(COMPANIES.map(({ id }) => erp.audit.exactness(id)))
  const names = perCompany[0]?.map(({ name }) => name) ?? []
  const exactness = names.map((name, at): AuditLine => {
    const lines = perCompany.map((company) => company[at]).filter((line) => line !== undefined)
    return {
      name,
      ok: lines.every(({ ok }) => ok),
      figure: lines
        .map(({ figure }, index) => `${COMPANIES[index]?.id ?? ''} ${figure}`)
        .join(PARTS_OF_FIGURE),
      differences: lines.reduce((sum, { differences }) => sum + differences, 0),
    }
  })
  return [
    ...exactness,
    counted(
      'every acknowledged voucher changed the balances once',
      `${month.vouchers} vouchers`,
      month.sumsWrong.length,
    ),
    counted('every caller saw its own voucher', `${month.ownWritesMissed} missed`, month.ownWritesMissed),
    counted(
      'every acknowledged movement moved its goods once',
      `${goods.movements} movements`,
      goods.sumsWrong.length,
    ),
    counted(
      'every event was heard once',
      `${heard.delivered} of ${heard.committed} committed meanwhile`,
      Math.abs(heard.committed - heard.delivered),
    ),
    counted('every order line found its goods', `${goods.lines} lines`, goods.unfilled),
    ...(second === undefined
      ? []
      : [
          counted(
            'every voucher that the killed process acknowledged is there',
            `${second.acknowledged} vouchers`,
            second.missing,
          ),
        ]),
    ...(backup === undefined
      ? []
      : [
          counted(
            'every voucher that the database forgot counts once again',
            `${backup.acknowledged - backup.kept} of ${backup.acknowledged} forgotten`,
            backup.kept + backup.wrong,
          ),
        ]),
    ...erp.audit.measurements(),
  ]
}

function counted(name: string, figure: string, differences: number): AuditLine {
  return { name, ok: differences === 0, figure, differences }
}

/** What the report is made of. */
export interface DemoResults {
  readonly month: MonthReport
  readonly goods: GoodsReport
  readonly heard: HeardReport
  readonly reports: ReportsReport
  readonly payroll: PayrollReport
  readonly audit: readonly AuditLine[]
  readonly times: DemoTimes
  readonly faults: readonly FaultReport[]
  /** Of the second process of the app, when there is one. */
  readonly second: SecondReport | undefined
  /** Of the database that went back to a backup, when one did. */
  readonly backup: BackupReport | undefined
}

/** Puts everything together. */
export function demoReport(erp: Erp, results: DemoResults): DemoReport {
  const { month, goods, heard, reports, payroll, audit, times, faults } = results
  const seconds = month.postingMs / 1_000
  const { caches, eventRelay } = erp.metrics.snapshot()
  return {
    ok: audit.every(({ ok }) => ok),
    audit,
    figures: {
      invoices: month.invoices,
      vouchers: month.vouchers,
      replayed: month.replayed,
      voucherLines: month.voucherLines,
      postPerSecond: Math.round(month.vouchers / seconds),
      linesPerSecond: Math.round(month.voucherLines / seconds),
      p50Ms: percentile(month.postLatency, 0.5),
      p99Ms: percentile(month.postLatency, 0.99),
      looks: month.readLatency.count,
      readP50Ms: percentile(month.readLatency, 0.5),
      readP99Ms: percentile(month.readLatency, 0.99),
      balancesRead: caches['balance']?.requests ?? 0,
      ...sourceFigures(caches['balance']),
      hitRatio: rounded(caches['balance']?.hitRatio ?? 0, 4),
      payslips: payroll.payslips,
      payrollMs: Math.round(payroll.payrollMs),
      payslipsPerSecond: payroll.payslipsPerSecond,
      ...reportFigures(reports),
      dashboardHitRatio: rounded(caches['dashboard']?.hitRatio ?? 0, 4),
      ...goodsFigures(goods, caches['inventory']),
      eventsPublished: eventRelay.events,
      eventsDelivered: heard.delivered,
      eventsAgain: heard.again,
      eventGapsFilled: heard.filledFromStream + heard.filledFromLog,
      eventResets: heard.resets,
      firstAnswerMs: Math.round(times.firstAnswerMs),
      warmMs: Math.round(times.warmMs),
      postingMs: Math.round(month.postingMs),
      movingMs: Math.round(goods.movingMs),
      totalMs: Math.round(times.totalMs),
      ...Object.fromEntries(
        faults.map((fault) => [`${fault.kind}RecoveredMs`, Math.round(fault.recoveredMs)]),
      ),
    },
    parts: erp.parts,
  }
}

/** Who answered the balances: the process itself, Redis, or the database. */
function sourceFigures(cache: CacheFigures | undefined): Record<string, number> {
  return {
    fromL1: cache?.results['local'] ?? 0,
    fromRedis: cache?.results['hit'] ?? 0,
    fromDatabase: (cache?.requests ?? 0) - (cache?.hits ?? 0),
  }
}

function reportFigures(reports: ReportsReport): Record<string, number> {
  return {
    reportsComputed: reports.computed,
    reportsComputeMs: Math.round(reports.computeMs),
    reportLooks: reports.looks,
    reportP50Ms: percentile(reports.latency, 0.5),
    reportP99Ms: percentile(reports.latency, 0.99),
    reportHitRatio: rounded(reports.reportHitRatio, 4),
    dashboardHitRatioAfter: rounded(reports.dashboardHitRatio, 4),
  }
}

function goodsFigures(goods: GoodsReport, cache: CacheFigures | undefined): Record<string, number> {
  return {
    movements: goods.movements,
    movementsReplayed: goods.replayed,
    linesWithoutGoods: goods.linesWithoutGoods,
    movementsPerSecond: Math.round(goods.movements / (goods.movingMs / 1_000)),
    movementP50Ms: percentile(goods.latency, 0.5),
    movementP99Ms: percentile(goods.latency, 0.99),
    transfers: goods.transfers,
    refused: goods.refused,
    locksSeen: goods.locksSeen,
    stockReadP50Ms: percentile(goods.readLatency, 0.5),
    stockReadP99Ms: percentile(goods.readLatency, 0.99),
    stockHitRatio: rounded(cache?.hitRatio ?? 0, 4),
  }
}

const WORDS: Readonly<Record<string, string>> = {
  invoices: 'invoices in the month',
  vouchers: 'vouchers posted, three companies',
  replayed: 'of these, posted before',
  voucherLines: 'voucher lines',
  postPerSecond: 'vouchers per second',
  linesPerSecond: 'voucher lines per second',
  p50Ms: 'posting p50, ms',
  p99Ms: 'posting p99, ms',
  looks: 'dashboards read meanwhile',
  readP50Ms: 'dashboard p50, ms',
  readP99Ms: 'dashboard p99, ms',
  payslips: 'payslips of one month',
  payrollMs: 'payroll, ms',
  payslipsPerSecond: 'payslips per second',
  balancesRead: 'balances read through the cache',
  fromL1: 'of these, from the memory of the process (l1)',
  fromRedis: 'of these, from Redis',
  fromDatabase: 'of these, from the database',
  reportsComputed: 'financial reports computed, one for each month and company',
  reportsComputeMs: 'computing them, ms',
  reportLooks: 'reports read after that, while the payroll posts',
  reportP50Ms: 'report p50, ms',
  reportP99Ms: 'report p99, ms',
  reportHitRatio: 'reports: hit ratio of these',
  dashboardHitRatioAfter: 'dashboards read beside them: hit ratio',
  dashboardHitRatio: 'dashboards: hit ratio in all, also while every voucher voids them',
  hitRatio: 'balances: hit ratio',
  movements: 'goods moved, three companies',
  movementsReplayed: 'of these, moved before',
  linesWithoutGoods: 'order lines that move no goods',
  movementsPerSecond: 'movements per second',
  movementP50Ms: 'order line p50, ms',
  movementP99Ms: 'order line p99, restocking included, ms',
  transfers: 'transfers between warehouses',
  refused: 'sales refused at first, then restocked',
  locksSeen: 'locks seen on the dashboard',
  stockReadP50Ms: '30 stock figures read p50, ms',
  stockReadP99Ms: '30 stock figures read p99, ms',
  stockHitRatio: 'stock: hit ratio',
  eventsPublished: 'events published',
  eventsDelivered: 'events delivered, each once',
  eventsAgain: 'of them came again, after Redis forgot',
  eventGapsFilled: 'gaps filled, from the stream or the log',
  eventResets: 'listeners begun again',
  firstAnswerMs: 'start to first HTTP answer, ms',
  warmMs: 'cache warming, ms',
  postingMs: 'posting, ms',
  movingMs: 'moving goods, ms',
  totalMs: 'all in all, ms',
}

/** Prints the audit, the faults and the figures. */
export function printReport(screen: Screen, report: DemoReport, faults: readonly FaultReport[]): void {
  screen.line()
  screen.line('Audit')
  screen.table(
    report.audit.flatMap(({ name, ok, figure }) => {
      const [first = '', ...more] = figure.split(PARTS_OF_FIGURE)
      return [[ok ? '  ✓' : '  ✗', name, first], ...more.map((part) => ['', '', part])]
    }),
  )
  if (faults.length > 0) {
    screen.line()
    screen.line('Faults')
    screen.table([
      ['  what', 'lasted, ms', 'all in use again after, ms'],
      ...faults.map(({ words, lastedMs, recoveredMs }) => [
        `  ${words}`,
        Math.round(lastedMs).toLocaleString('en-US'),
        Math.round(recoveredMs).toLocaleString('en-US'),
      ]),
    ])
  }
  screen.line()
  screen.line('Figures')
  const shown = Object.entries(report.figures).filter(([name]) => Object.hasOwn(WORDS, name))
  screen.table(shown.map(([name, value]) => [`  ${WORDS[name] ?? name}`, value.toLocaleString('en-US')]))
  screen.line()
  screen.line(report.ok ? 'Every line of the audit holds.' : 'THE AUDIT FAILED.')
}

function percentile(latency: LatencyHistogram, share: number): number {
  return rounded(latency.percentileMs(share) ?? 0, 2)
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
