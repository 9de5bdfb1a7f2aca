/** Makes the series of metrics, and keeps how a registry reads and clears them. */

import { HistogramCell, LATENCY_BUCKETS_S, STEP_BUCKETS_S } from './histogram-cell.js'
import type { MetricDefinition } from './metric-definition.js'
import { type MetricSeries, type RegistryMetric, registryMetric } from './registry-metric.js'
import { Series } from './series.js'

/** A number of one series, that is added to or set. */
export interface NumberCell {
  value: number
}

/** Bounds of a histogram, or whether it is of times that somebody waits for, or of steps that nobody waits for alone. */
export type Buckets = 'wait' | 'step' | readonly number[]

const LATENCIES = { wait: LATENCY_BUCKETS_S, step: STEP_BUCKETS_S } as const

/** The metrics of one instance, in the order in which they were made. */
export class MetricSet {
  readonly metrics: RegistryMetric[] = []
  /** What other threads may add to, by its name. */
  readonly counters = new Map<string, Series<NumberCell>>()
  /** The same of histograms. */
  readonly histograms = new Map<string, Series<HistogramCell>>()
  /** Observations with a word that is counted as `other`. */
  dropped = 0
  readonly #latencyBuckets: readonly number[] | undefined

  constructor(latencyBuckets: readonly number[] | undefined) {
    this.#latencyBuckets = latencyBuckets
  }

  /** Numbers that only grow. */
  counter(definition: MetricDefinition): Series<NumberCell> {
    const series = this.gauge(definition)
    this.counters.set(definition.name, series)
    return series
  }

  /** Numbers that go up and down. */
  gauge(definition: MetricDefinition): Series<NumberCell> {
    const series = new Series<NumberCell>(definition.labels, () => ({ value: 0 }), this.#onOther)
    const read = (): readonly MetricSeries[] =>
      series.entries.map(({ labels, labelText, cell }) => ({ labels, labelText, value: cell.value }))
    const clear = () => {
      for (const { cell } of series.entries) cell.value = 0
    }
    this.metrics.push(registryMetric(definition, read, clear))
    return series
  }

  /** Counts between bounds; those of the instance take the place of `wait` and `step`. */
  histogram(definition: MetricDefinition, buckets: Buckets): Series<HistogramCell> {
    const bounds = typeof buckets === 'string' ? (this.#latencyBuckets ?? LATENCIES[buckets]) : buckets
    const series = new Series(definition.labels, () => new HistogramCell(bounds), this.#onOther)
    const read = (): readonly MetricSeries[] =>
      series.entries.map(({ labels, labelText, cell }) => ({ labels, labelText, value: cell }))
    const clear = () => {
      for (const { cell } of series.entries) cell.clear()
    }
    this.metrics.push(registryMetric(definition, read, clear))
    this.histograms.set(definition.name, series)
    return series
  }

  /** A number without labels that is found out at the scrape. */
  readNumber(definition: MetricDefinition, read: () => number, clear: () => void): void {
    this.metrics.push(registryMetric(definition, () => [{ labels: {}, labelText: '', value: read() }], clear))
  }

  readonly #onOther = (): void => {
    this.dropped += 1
  }
}
