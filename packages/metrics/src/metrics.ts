/** Wires the catalogue to a registry: the observer that packages call, and the numbers that a scrape reads. */

import {
  type Clock,
  type Closable,
  closeOnce,
  InvalidOptionError,
  type Observer,
  systemClock,
  wholeNumberOption,
} from '@kerp/core'
import { EventLoopMonitor, eventLoopUtilization } from './event-loop-monitor.js'
import { LATENCY_BUCKETS_S } from './histogram-cell.js'
import { metricsObserver } from './metrics-observer.js'
import { type MetricsSnapshot, takeSnapshot } from './metrics-snapshot.js'
import { type MetricRegistry, register, type RegistryMetric } from './registry-metric.js'
import { createSlots } from './slots.js'

/** What `createMetrics` takes. */
export interface MetricsOptions {
  /** Where the metrics are registered: a `Registry` of prom-client. It is read by whoever serves `/metrics`. */
  readonly registry: MetricRegistry
  /** Upper bounds of all times in seconds, ascending, 1 to 64 of them. @defaultValue 50 µs to 2.5 s in 15 steps */
  readonly latencyBuckets?: readonly number[]
  /** How often the delay of the event loop is sampled, in ms, from 5 to 1,000. @defaultValue 20 */
  readonly eventLoopSampleMs?: number
  readonly clock?: Clock
}

/** One set of metrics in one registry. */
export interface Metrics extends Closable {
  /** Hand this to every class that takes an `observer`. An observation costs tens of nanoseconds. */
  readonly observer: Required<Observer>
  /** Hit ratios, and percentiles estimated from the histograms, without a scrape. */
  readonly snapshot: () => MetricsSnapshot
  /** Takes the metrics out of the registry and stops the sampling of the event loop. */
  close(): Promise<void>
}

const BUCKETS_MAX = 64

/**
 * Registers every metric of docs/metrics.md, each closed series at 0, and counts what its observer hears.
 *
 * Several instances in one process share nothing; each needs a registry of its own. Nothing happens on import.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION` for wrong bounds, and for a registry that has one of the metrics
 * already; then nothing is registered.
 * @example
 * import { Registry } from 'prom-client'
 * const metrics = createMetrics({ registry: new Registry() })
 * metrics.observer.postingQueue({ waiting: 3 })
 * await metrics.close()
 */
export function createMetrics(options: MetricsOptions): Metrics {
  const { registry, clock = systemClock } = options
  const latencyBuckets = resolveBuckets(options.latencyBuckets)
  const sampleMs = wholeNumberOption('Metrics', 'eventLoopSampleMs', options.eventLoopSampleMs, {
    min: 5,
    max: 1_000,
    fallback: 20,
  })
  const slots = createSlots({ clock, latencyBuckets, utilization: eventLoopUtilization() })
  const names = registerAll(registry, slots.metrics)
  const delay = slots.eventLoopDelay.cell()
  const monitor = new EventLoopMonitor(clock, sampleMs, (delayMs) => delay.observe(delayMs / 1_000))
  const snapshotUtilization = eventLoopUtilization()
  const close = closeOnce(() => {
    monitor.stop()
    for (const name of names) registry.removeSingleMetric(name)
    return Promise.resolve()
  })
  return {
    observer: metricsObserver(slots, clock),
    snapshot: () => takeSnapshot(slots, clock, snapshotUtilization),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function registerAll(registry: MetricRegistry, metrics: readonly RegistryMetric[]): readonly string[] {
  const names = metrics.map(({ name }) => name)
  const taken = names.find((name) => registry.getSingleMetric(name) !== undefined)
  if (taken !== undefined) {
    throw new InvalidOptionError('Metrics', 'registry', `one without a metric called ${taken}`, registry)
  }
  for (const metric of metrics) register(registry, metric)
  return names
}

function resolveBuckets(buckets: readonly number[] | undefined): readonly number[] {
  if (buckets === undefined) return LATENCY_BUCKETS_S
  const ascending = buckets.every(
    (bound, index) => bound > (buckets[index - 1] ?? 0) && Number.isFinite(bound),
  )
  if (ascending && buckets.length >= 1 && buckets.length <= BUCKETS_MAX) return [...buckets]
  throw new InvalidOptionError(
    'Metrics',
    'latencyBuckets',
    `1 to ${BUCKETS_MAX} ascending seconds above 0`,
    buckets,
  )
}
