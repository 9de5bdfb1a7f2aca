/** The numbers of one instance: a series for each metric of the catalogue, by its name there. */

import type { Clock } from '@kerp/core'
import { BATCH_BUCKETS, HELD_BUCKETS_S, type HistogramCell } from './histogram-cell.js'
import type { MetricDefinition } from './metric-definition.js'
import { METRICS } from './metric-names.js'
import { type Buckets, MetricSet, type NumberCell } from './metric-set.js'
import { registryMetric } from './registry-metric.js'
import type { Series } from './series.js'
import { TopCompanies } from './top-companies.js'

/** The lag as it was last told, and when. */
export interface LagCell {
  lagMs: number
  toldAtMs: number
}

/** What the slots are made of. */
export interface SlotOptions {
  readonly clock: Clock
  /** Of all times; undefined for those of the catalogue. */
  readonly latencyBuckets: readonly number[] | undefined
  /** Companies that are told apart; 0 for none. */
  readonly companiesTop: number
  /** Answers with the busy share of the event loop since its previous call. */
  readonly utilization: () => number
}

/** Metrics without series: their numbers are read, or kept by companies, when they are scraped. */
type Unslotted = 'companyWork' | 'droppedWords' | 'eventLoopUtilization' | 'relayLag' | 'eventRelayLag'

type Catalogue = Omit<typeof METRICS, Unslotted>

type HistogramName = {
  [N in keyof Catalogue]: Catalogue[N]['type'] extends 'histogram' ? N : never
}[keyof Catalogue]

/** The series of every metric, by its name in the catalogue. */
type SeriesSlots = {
  readonly [N in keyof Catalogue]: Series<N extends HistogramName ? HistogramCell : NumberCell>
}

/** The numbers of one instance. */
export interface Slots extends SeriesSlots {
  readonly set: MetricSet
  readonly companies: TopCompanies
  readonly relayLag: LagCell
  readonly eventRelayLag: LagCell
}

/** Histograms that are not of steps on the way. */
const BUCKETS: Readonly<Partial<Record<HistogramName, Buckets>>> = {
  cacheReadLatency: 'wait',
  postingLatency: 'wait',
  stockMovementLatency: 'wait',
  poolQueueWait: 'wait',
  eventLoopDelay: 'wait',
  postingBatchSize: BATCH_BUCKETS,
  stockBatchSize: BATCH_BUCKETS,
  lockHeld: HELD_BUCKETS_S,
  poolJobTime: HELD_BUCKETS_S,
}

/** Makes all series of the catalogue, each closed one at 0. */
export function createSlots({ clock, latencyBuckets, companiesTop, utilization }: SlotOptions): Slots {
  const set = new MetricSet(latencyBuckets)
  const companies = new TopCompanies(companiesTop)
  const { companyWork, droppedWords, eventLoopUtilization, relayLag, eventRelayLag, ...slotted } = METRICS
  set.metrics.push(
    registryMetric(
      companyWork,
      () => companies.series(),
      () => companies.clear(),
    ),
  )
  set.readNumber(
    droppedWords,
    () => set.dropped,
    () => void (set.dropped = 0),
  )
  set.readNumber(eventLoopUtilization, utilization, () => undefined)
  return {
    ...seriesOf(set, slotted),
    set,
    companies,
    relayLag: lagCell(set, relayLag, clock),
    eventRelayLag: lagCell(set, eventRelayLag, clock),
  }
}

function seriesOf(set: MetricSet, catalogue: Catalogue): SeriesSlots {
  const buckets: Readonly<Record<string, Buckets>> = BUCKETS
  const series = Object.entries<MetricDefinition>(catalogue).map(([name, definition]) => {
    if (definition.type === 'histogram') return [name, set.histogram(definition, buckets[name] ?? 'step')]
    return [name, definition.type === 'counter' ? set.counter(definition) : set.gauge(definition)]
  })
  // The type of each definition says which series it has.
  return Object.fromEntries(series) as SeriesSlots
}

/**
 * The lag at this moment in ms. It goes on growing after it was told, so that a relay which hangs, and tells
 * nothing, does not look punctual; 0 in a process whose relay never told any.
 */
export function currentLagMs({ lagMs, toldAtMs }: LagCell, clock: Clock): number {
  return Number.isNaN(toldAtMs) ? 0 : lagMs + clock.monotonicMs() - toldAtMs
}

function lagCell(set: MetricSet, definition: MetricDefinition, clock: Clock): LagCell {
  const cell: LagCell = { lagMs: 0, toldAtMs: Number.NaN }
  set.readNumber(
    definition,
    () => currentLagMs(cell, clock) / 1_000,
    () => void (cell.toldAtMs = Number.NaN),
  )
  return cell
}
