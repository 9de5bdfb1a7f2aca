/** Makes the series of metrics, and keeps how a registry reads and clears them. */

import { HistogramCell } from './histogram-cell.js'
import type { MetricDefinition } from './metric-definition.js'
import { histogramSamples, type RegistryMetric, registryMetric } from './registry-metric.js'
import { Series } from './series.js'

/** A number that is added to, or set. */
export interface NumberCell {
  value: number
}

/** The metrics of one instance, in the order in which they were made. */
export class MetricSet {
  readonly metrics: RegistryMetric[] = []
  readonly #latencyBuckets: readonly number[]

  constructor(latencyBuckets: readonly number[]) {
    this.#latencyBuckets = latencyBuckets
  }

  /** Numbers that only grow. */
  counter(definition: MetricDefinition): Series<NumberCell> {
    const series = new Series<NumberCell>(definition.labels, () => ({ value: 0 }))
    const collect = () => [...series.entries()].map(({ labels, cell }) => ({ labels, value: cell.value }))
    const clear = () => {
      for (const { cell } of series.entries()) cell.value = 0
    }
    this.metrics.push(registryMetric(definition, collect, clear))
    return series
  }

  /** Numbers with labels that go up and down. */
  gauges(definition: MetricDefinition): Series<NumberCell> {
    return this.counter(definition)
  }

  /** Counts between bounds; those of times unless others are given. */
  histogram(definition: MetricDefinition, bounds = this.#latencyBuckets): Series<HistogramCell> {
    const series = new Series(definition.labels, () => new HistogramCell(bounds))
    const collect = () =>
      [...series.entries()].flatMap(({ labels, cell }) => histogramSamples(definition.name, labels, cell))
    const clear = () => {
      for (const { cell } of series.entries()) cell.clear()
    }
    this.metrics.push(registryMetric(definition, collect, clear))
    return series
  }

  /** A number without labels that goes up and down. */
  gauge(definition: MetricDefinition): NumberCell {
    const cell = { value: 0 }
    this.readGauge(
      definition,
      () => cell.value,
      () => void (cell.value = 0),
    )
    return cell
  }

  /** A number without labels that is found out at the scrape. */
  readGauge(definition: MetricDefinition, read: () => number, clear: () => void): void {
    this.metrics.push(registryMetric(definition, () => [{ labels: {}, value: read() }], clear))
  }
}
