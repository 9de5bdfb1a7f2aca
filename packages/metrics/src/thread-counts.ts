/** What another thread counted, on its way to the thread that is scraped: plain numbers that any port can carry. */

import type { HistogramCell } from './histogram-cell.js'
import type { MetricSet, NumberCell } from './metric-set.js'
import type { Series } from './series.js'

/** Counts since the last `drain`, by metric; opaque, and can be cloned. */
export interface ThreadCounts {
  readonly numbers: readonly (readonly [metric: string, first: string, second: string, count: number])[]
  readonly buckets: readonly (readonly [
    metric: string,
    first: string,
    second: string,
    sum: number,
    counts: readonly number[],
  ])[]
}

/** The event loop of another thread is not this one's. */
const OWN = /^nodejs_/

/** Takes the counts out of a set, which begins again at 0. Gauges stay where they are. */
export function drainCounts({ counters, histograms }: MetricSet): ThreadCounts {
  return {
    numbers: [...counters].flatMap(([metric, series]) => drainNumbers(metric, series)),
    buckets: [...histograms].flatMap(([metric, series]) =>
      OWN.test(metric) ? [] : drainBuckets(metric, series),
    ),
  }
}

function drainNumbers(metric: string, series: Series<NumberCell>): ThreadCounts['numbers'] {
  return series.entries.flatMap(({ first, second, cell }) => {
    const { value } = cell
    cell.value = 0
    return value > 0 ? [[metric, first, second, value] as const] : []
  })
}

function drainBuckets(metric: string, series: Series<HistogramCell>): ThreadCounts['buckets'] {
  return series.entries.flatMap(({ first, second, cell }) => {
    if (cell.count === 0) return []
    const drained = [metric, first, second, cell.sum, [...cell.counts]] as const
    cell.clear()
    return [drained]
  })
}

/** Adds what another thread counted; metrics and buckets that this set does not have are left out. */
export function addCounts({ counters, histograms }: MetricSet, { numbers, buckets }: ThreadCounts): void {
  for (const [metric, first, second, count] of numbers) {
    const cell = counters.get(metric)?.cell(first, second)
    if (cell !== undefined && count > 0) cell.value += count
  }
  for (const [metric, first, second, sum, counts] of buckets) {
    const cell = histograms.get(metric)?.cell(first, second)
    if (cell?.counts.length === counts.length) cell.addCounts(counts, sum)
  }
}
