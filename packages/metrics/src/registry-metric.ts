/**
 * The form in which a registry of prom-client takes a metric that keeps its own numbers: an object with a
 * name, a type and a `get` that is called at every scrape.
 */

import type { HistogramCell } from './histogram-cell.js'
import type { MetricDefinition } from './metric-definition.js'

/**
 * What `createMetrics` needs of a registry; `Registry` of prom-client 15 has it. Nothing of prom-client is
 * imported, so its global registry stays untouched.
 */
export interface MetricRegistry {
  readonly contentType: string
  registerMetric(metric: never): void
  getSingleMetric(name: string): unknown
  removeSingleMetric(name: string): void
  getMetricsAsArray(): readonly unknown[]
  getSingleMetricAsString(name: string): Promise<string>
}

/** One line of the exposition. */
export interface Sample {
  readonly metricName?: string | undefined
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** One series as it stands in its metric. */
export interface MetricSeries {
  readonly labels: Readonly<Record<string, string>>
  /** The labels as they stand between braces; empty without labels. */
  readonly labelText: string
  readonly value: number | HistogramCell
}

/** A metric as a registry keeps it. */
export interface RegistryMetric {
  /** Not read-only: a registry that speaks OpenMetrics takes `_total` off and puts it on each line instead. */
  name: string
  readonly definition: MetricDefinition
  readonly help: string
  readonly type: MetricDefinition['type']
  readonly aggregator: 'sum' | 'max'
  series(): Iterable<MetricSeries>
  get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }>
  reset(): void
}

/** Wraps what reads and what clears the numbers of one metric. */
export function registryMetric(
  definition: MetricDefinition,
  series: () => Iterable<MetricSeries>,
  reset: () => void,
): RegistryMetric {
  const { name, help, type } = definition
  return {
    name,
    definition,
    help,
    type,
    aggregator: type === 'gauge' ? 'max' : 'sum',
    series,
    get() {
      const { aggregator } = this
      const values = [...series()].flatMap((one) => samplesOf(name, one))
      return Promise.resolve({ name: this.name, help, type, aggregator, values })
    },
    reset,
  }
}

/** Hands a metric to a registry. */
export function register(registry: MetricRegistry, metric: RegistryMetric): void {
  // The registry's own type asks for one of prom-client's classes; what it uses is this interface.
  registry.registerMetric(metric as never)
}

/** The lines of one series: of a histogram its cumulative buckets, sum and count. */
function samplesOf(name: string, { labels, value }: MetricSeries): Sample[] {
  if (typeof value === 'number') return [{ labels, value }]
  let below = 0
  const buckets = [...value.bounds, '+Inf'].map((le, index) => {
    below += value.counts[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: value.sum },
    { metricName: `${name}_count`, labels, value: below },
  ]
}
