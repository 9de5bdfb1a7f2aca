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
  registerMetric(metric: never): void
  getSingleMetric(name: string): unknown
  removeSingleMetric(name: string): void
}

/** One line of the exposition. */
export interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** A metric as a registry keeps it. */
export interface RegistryMetric {
  /** Not read-only: a registry that speaks OpenMetrics takes `_total` off and puts it on each line instead. */
  name: string
  readonly help: string
  readonly type: MetricDefinition['type']
  readonly aggregator: 'sum' | 'max'
  get(): Promise<{ name: string; help: string; type: string; aggregator: string; values: Sample[] }>
  reset(): void
}

/** Wraps what reads and what clears the numbers of one metric. */
export function registryMetric(
  { name, help, type }: MetricDefinition,
  collect: () => Sample[],
  reset: () => void,
): RegistryMetric {
  return {
    name,
    help,
    type,
    aggregator: type === 'gauge' ? 'max' : 'sum',
    get() {
      const { aggregator } = this
      return Promise.resolve({ name: this.name, help, type, aggregator, values: collect() })
    },
    reset,
  }
}

/** Hands a metric to a registry. */
export function register(registry: MetricRegistry, metric: RegistryMetric): void {
  // The registry's own type asks for one of prom-client's classes; what it uses is this interface.
  registry.registerMetric(metric as never)
}

/** The lines of one histogram series: cumulative buckets, sum and count. */
export function histogramSamples(
  name: string,
  labels: Readonly<Record<string, string>>,
  cell: HistogramCell,
): Sample[] {
  let below = 0
  const buckets = [...cell.bounds, '+Inf'].map((le, index) => {
    below += cell.counts[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: cell.sum },
    { metricName: `${name}_count`, labels, value: below },
  ]
}
