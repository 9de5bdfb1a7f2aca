/** Wires the catalogue to a registry: the observer that packages call, and the numbers that a scrape reads. */

import {
  type Clock,
  type Closable,
  closeOnce,
  type Complete,
  DeadlineExceededError,
  InvalidOptionError,
  type Observer,
  type RedisOperation,
  systemClock,
  wholeNumberOption,
  objectOptions,
  partOption,
} from '@kerp/core'
import { EventLoopMonitor, eventLoopUtilization } from './event-loop-monitor.js'
import { exposition } from './exposition.js'
import { metricsObserver } from './metrics-observer.js'
import { type MetricsSnapshot, takeSnapshot } from './metrics-snapshot.js'
import { type MetricRegistry, register, type RegistryMetric } from './registry-metric.js'
import { createSlots, type Slots } from './slots.js'
import { addCounts, drainCounts, type ThreadCounts } from './thread-counts.js'

/** What `createMetrics` takes. */
export interface MetricsOptions {
  /** Where the metrics are registered: a `Registry` of prom-client. It is read by whoever serves `/metrics`. */
  readonly registry: MetricRegistry
  /**
   * Upper bounds of all times in seconds, ascending, 1 to 64 of them. Each bound is a series more of each histogram.
   *
   * @defaultValue 50 µs to 2.5 s in 15 steps for what somebody waits for, in 7 from 250 µs for the steps on the way
   */
  readonly latencyBuckets?: readonly number[] | undefined
  /** How often the delay of the event loop is sampled, in ms, from 5 to 1,000. @defaultValue 20 */
  readonly eventLoopSampleMs?: number | undefined
  /**
   * Of how many companies `company_work_total` shows the work: those with the most; all others together are
   * `__other__`. From 0 to 500. @defaultValue 0, no label of a company anywhere
   */
  readonly companiesTop?: number | undefined
  readonly clock?: Clock | undefined
}

/** One set of metrics in one registry. */
export interface Metrics extends Closable {
  /** Hand this to every class that takes an `observer`. An observation costs tens of nanoseconds. */
  readonly observer: Complete<Observer>
  /** Hit ratios, and percentiles estimated from the histograms, without a scrape. */
  readonly snapshot: () => MetricsSnapshot
  /**
   * The text that `/metrics` answers with, in pieces: ours, then whatever else the registry has, in the registry's
   * format (`registry.contentType`). The event loop does other work between two pieces, each of well under a
   * millisecond; `registry.metrics()` answers the same in one go, at 2 µs a line.
   */
  readonly exposition: () => AsyncGenerator<string, void, undefined>
  /**
   * Runs a call of your own and counts it in `redis_operations_total` and `redis_operation_latency_seconds`, as
   * `operation`: a name from the code, never a key. Answers and throws what the call does.
   */
  readonly withMetrics: <R>(operation: string, call: () => Promise<R>) => Promise<R>
  /** In a worker thread: takes out what was counted, for `add` in the thread that is scraped. */
  readonly drain: () => ThreadCounts
  /** Adds what a worker thread has drained. */
  readonly add: (counts: ThreadCounts) => void
  /** Takes the metrics out of the registry and stops the sampling of the event loop. */
  close(): Promise<void>
}

/** Bounds of one histogram. */
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
  const { registry, clock = systemClock } = objectOptions('Metrics', options)
  partOption('Metrics', 'registry', registry, {
    methods: ['registerMetric', 'getSingleMetric'],
    words: 'a Registry of prom-client',
  })
  const latencyBuckets = resolveBuckets(options.latencyBuckets)
  const sampleMs = wholeNumberOption('Metrics', 'eventLoopSampleMs', options.eventLoopSampleMs, {
    min: 5,
    max: 1_000,
    fallback: 20,
  })
  const companiesTop = wholeNumberOption('Metrics', 'companiesTop', options.companiesTop, {
    min: 0,
    max: 500,
    fallback: 0,
  })
  const utilization = eventLoopUtilization()
  const slots = createSlots({ clock, latencyBuckets, companiesTop, utilization })
  const names = registerAll(registry, slots.set.metrics)
  const delay = slots.eventLoopDelay.cell()
  const monitor = new EventLoopMonitor(clock, sampleMs, (delayMs) => delay.observeMs(delayMs))
  const snapshotUtilization = eventLoopUtilization()
  const close = closeOnce(() => {
    monitor.stop()
    for (const name of names) registry.removeSingleMetric(name)
    return Promise.resolve()
  })
  const observer = metricsObserver(slots, clock)
  return {
    observer,
    exposition: () => timedExposition(registry, slots, clock),
    withMetrics: (operation, call) => countedCall(observer, clock, operation, call),
    drain: () => drainCounts(slots.set),
    add: (counts) => addCounts(slots.set, counts),
    snapshot: () => takeSnapshot(slots, clock, snapshotUtilization),
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function* timedExposition(registry: MetricRegistry, slots: Slots, clock: Clock) {
  const begunMs = clock.monotonicMs()
  yield* exposition(registry, slots.set.metrics)
  slots.scrapeTime.cell().observeMs(clock.monotonicMs() - begunMs)
}

async function countedCall<R>(
  observer: Complete<Observer>,
  clock: Clock,
  operation: string,
  call: () => Promise<R>,
): Promise<R> {
  const begunMs = clock.monotonicMs()
  const ended = (status: RedisOperation['status']): void =>
    observer.redisOperation({ operation, status, elapsedMs: clock.monotonicMs() - begunMs })
  try {
    const answer = await call()
    ended('ok')
    return answer
  } catch (error) {
    ended(error instanceof DeadlineExceededError ? 'timeout' : 'error')
    throw error
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

function resolveBuckets(buckets: readonly number[] | undefined): readonly number[] | undefined {
  if (buckets === undefined) return undefined
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
