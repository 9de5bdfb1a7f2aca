/** The figures that a person wants to see, read from the slots without a scrape. */

import type { Clock } from '@kerp/core'
import type { HistogramCell } from './histogram-cell.js'
import type { NumberCell } from './metric-set.js'
import type { Series } from './series.js'
import { currentLagMs, type Slots } from './slots.js'

/**
 * How long something took, in ms. Percentiles are estimated from histogram buckets: values are taken to lie
 * evenly within their bucket, so an answer is right to the width of that bucket: a factor of 2 to 2.5, of calls to
 * Redis and loads 4 to 5.
 */
export interface LatencyFigures {
  readonly count: number
  /** Exact; undefined, as the percentiles, when nothing was counted. */
  readonly meanMs: number | undefined
  readonly p50Ms: number | undefined
  readonly p95Ms: number | undefined
  readonly p99Ms: number | undefined
}

/** How values of one type were answered. */
export interface CacheFigures {
  readonly requests: number
  readonly hits: number
  /** How many were answered how, by the words of `cache_requests_total`. */
  readonly results: Readonly<Record<string, number>>
  /** Hits by requests, 0 to 1; undefined before the first request. */
  readonly hitRatio: number | undefined
  /** Reads as their callers waited for them: one `get`, or one `getMany` of any size. */
  readonly reads: LatencyFigures
  readonly loads: LatencyFigures
}

/** The figures since the start of the instance, or since its registry was reset. */
export interface MetricsSnapshot {
  /** Postings by result, and how long those took that were posted or replayed. */
  readonly postings: { readonly results: Readonly<Record<string, number>>; readonly latency: LatencyFigures }
  /** By type, for example `balance`. */
  readonly caches: Readonly<Record<string, CacheFigures>>
  /** By name of the script or command. */
  readonly redisOperations: Readonly<Record<string, LatencyFigures>>
  readonly relay: { readonly rows: number; readonly lagMs: number }
  /** Events that this process published from the database's log. */
  readonly eventRelay: { readonly events: number; readonly lagMs: number }
  /** `utilization` is the busy share, 0 to 1, since the previous snapshot. */
  readonly eventLoop: { readonly utilization: number; readonly delay: LatencyFigures }
}

/** Reads the slots. */
export function takeSnapshot(slots: Slots, clock: Clock, utilization: () => number): MetricsSnapshot {
  return {
    postings: {
      results: numbersOf(slots.postings, 'result'),
      latency: latencyOf(slots.postingLatency.cell('ok')),
    },
    caches: cachesOf(slots),
    redisOperations: mapEntries(cellsOf(slots.redisOperationLatency, 'operation'), latencyOf),
    relay: { rows: slots.relayRows.cell().value, lagMs: currentLagMs(slots.relayLag, clock) },
    eventRelay: {
      events: slots.eventsRelayed.cell().value,
      lagMs: currentLagMs(slots.eventRelayLag, clock),
    },
    eventLoop: { utilization: utilization(), delay: latencyOf(slots.eventLoopDelay.cell()) },
  }
}

function cachesOf(slots: Slots): Record<string, CacheFigures> {
  const requests = new Map<string, { all: number; hits: number; results: Record<string, number> }>()
  for (const { labels, cell } of slots.cacheRequests.entries) {
    const found = requests.get(labels['type'] ?? '') ?? { all: 0, hits: 0, results: {} }
    found.all += cell.value
    found.results[labels['result'] ?? ''] = cell.value
    if (labels['result'] === 'hit' || labels['result'] === 'local') found.hits += cell.value
    requests.set(labels['type'] ?? '', found)
  }
  return mapEntries(requests, ({ all, hits, results }, type) => ({
    requests: all,
    hits,
    results,
    hitRatio: all === 0 ? undefined : hits / all,
    reads: latencyOf(slots.cacheReadLatency.cell(type)),
    loads: latencyOf(slots.cacheLoadLatency.cell(type)),
  }))
}

function latencyOf(cell: HistogramCell): LatencyFigures {
  const { count, sum } = cell
  const quantileMs = (fraction: number): number | undefined => {
    const seconds = cell.quantile(fraction)
    return seconds === undefined ? undefined : seconds * 1_000
  }
  return {
    count,
    meanMs: count === 0 ? undefined : (sum / count) * 1_000,
    p50Ms: quantileMs(0.5),
    p95Ms: quantileMs(0.95),
    p99Ms: quantileMs(0.99),
  }
}

function numbersOf(series: Series<NumberCell>, label: string): Record<string, number> {
  return mapEntries(cellsOf(series, label), (cell) => cell.value)
}

function cellsOf<C>(series: Series<C>, label: string): Map<string, C> {
  return new Map([...series.entries].map(({ labels, cell }) => [labels[label] ?? '', cell]))
}

function mapEntries<V, W>(
  map: ReadonlyMap<string, V>,
  change: (value: V, key: string) => W,
): Record<string, W> {
  return Object.fromEntries([...map].map(([key, value]) => [key, change(value, key)]))
}
