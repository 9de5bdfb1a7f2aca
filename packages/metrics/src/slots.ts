/** The numbers of one instance, by what they are about. */

import type { Clock } from '@kerp/core'
import { BATCH_BUCKETS, HELD_BUCKETS_S } from './histogram-cell.js'
import type { MetricDefinition } from './metric-definition.js'
import { METRICS } from './metric-names.js'
import { MetricSet } from './metric-set.js'
import { registryMetric } from './registry-metric.js'
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

/** The numbers of one instance. */
export type Slots = ReturnType<typeof createSlots>

/** Makes all series of the catalogue, each closed one at 0. */
export function createSlots({ clock, latencyBuckets, companiesTop, utilization }: SlotOptions) {
  const set = new MetricSet(latencyBuckets)
  const companies = new TopCompanies(companiesTop)
  set.metrics.push(
    registryMetric(
      METRICS.companyWork,
      () => companies.series(),
      () => companies.clear(),
    ),
  )
  set.readNumber(
    METRICS.droppedWords,
    () => set.dropped,
    () => void (set.dropped = 0),
  )
  set.readNumber(METRICS.eventLoopUtilization, utilization, () => undefined)
  return {
    set,
    companies,
    scrapeTime: set.steps(METRICS.scrapeTime),
    ...cacheSlots(set),
    ...postingSlots(set),
    ...stockSlots(set),
    ...relaySlots(set, clock),
    ...eventSlots(set, clock),
    ...lockSlots(set),
    ...batchSlots(set),
    ...pubsubSlots(set),
    ...poolSlots(set),
    ...liveSlots(set),
    backgroundErrors: set.counter(METRICS.backgroundErrors),
    steps: set.counter(METRICS.steps),
    eventLoopDelay: set.waits(METRICS.eventLoopDelay),
  }
}

/**
 * The lag at this moment in ms. It goes on growing after it was told, so that a relay which hangs, and tells
 * nothing, does not look punctual; 0 in a process whose relay never told any.
 */
export function currentLagMs({ lagMs, toldAtMs }: LagCell, clock: Clock): number {
  return Number.isNaN(toldAtMs) ? 0 : lagMs + clock.monotonicMs() - toldAtMs
}

function cacheSlots(set: MetricSet) {
  return {
    redisOperations: set.counter(METRICS.redisOperations),
    redisOperationLatency: set.steps(METRICS.redisOperationLatency),
    redisScriptFallbacks: set.counter(METRICS.redisScriptFallbacks),
    cacheRequests: set.counter(METRICS.cacheRequests),
    cacheReadLatency: set.waits(METRICS.cacheReadLatency),
    cacheLoads: set.counter(METRICS.cacheLoads),
    cacheLoadLatency: set.steps(METRICS.cacheLoadLatency),
    cacheRefusals: set.counter(METRICS.cacheRefusals),
    cacheInvalidations: set.counter(METRICS.cacheInvalidations),
    registerApplies: set.counter(METRICS.registerApplies),
    generationChanges: set.counter(METRICS.generationChanges),
    registerForks: set.counter(METRICS.registerForks),
    ...localSlots(set),
  }
}

function localSlots(set: MetricSet) {
  return {
    cacheTrusted: set.gauge(METRICS.cacheTrusted),
    cacheTrustAge: set.gauge(METRICS.cacheTrustAge),
    localTierCompanies: set.gauge(METRICS.localTierCompanies),
    localTierEntries: set.gauge(METRICS.localTierEntries),
    localTierBytes: set.gauge(METRICS.localTierBytes),
    localTierDrops: set.counter(METRICS.localTierDrops),
    balanceDrift: set.counter(METRICS.balanceDrift),
    redisBreakerChanges: set.counter(METRICS.redisBreakerChanges),
  }
}

function postingSlots(set: MetricSet) {
  return {
    postings: set.counter(METRICS.postings),
    postingLatency: set.waits(METRICS.postingLatency),
    postingBatches: set.counter(METRICS.postingBatches),
    postingBatchSize: set.histogram(METRICS.postingBatchSize, BATCH_BUCKETS),
    postingBatchLatency: set.steps(METRICS.postingBatchLatency),
    postingQueue: set.gauge(METRICS.postingQueue),
  }
}

function stockSlots(set: MetricSet) {
  return {
    stockMovements: set.counter(METRICS.stockMovements),
    stockMovementLatency: set.waits(METRICS.stockMovementLatency),
    stockBatches: set.counter(METRICS.stockBatches),
    stockBatchSize: set.histogram(METRICS.stockBatchSize, BATCH_BUCKETS),
    stockBatchLatency: set.steps(METRICS.stockBatchLatency),
    stockQueue: set.gauge(METRICS.stockQueue),
  }
}

function eventSlots(set: MetricSet, clock: Clock) {
  return {
    eventRelayLag: lagCell(set, METRICS.eventRelayLag, clock),
    eventRelayTicks: set.counter(METRICS.eventRelayTicks),
    eventRelayTickLatency: set.steps(METRICS.eventRelayTickLatency),
    eventsRelayed: set.counter(METRICS.eventsRelayed),
    eventRelayResets: set.counter(METRICS.eventRelayResets),
    eventsTrimmed: set.counter(METRICS.eventsTrimmed),
    eventsTrimHeldBack: set.gauge(METRICS.eventsTrimHeldBack),
    eventsTrimLost: set.counter(METRICS.eventsTrimLost),
  }
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

function relaySlots(set: MetricSet, clock: Clock) {
  return {
    relayLag: lagCell(set, METRICS.relayLag, clock),
    relayTicks: set.counter(METRICS.relayTicks),
    relayTickLatency: set.steps(METRICS.relayTickLatency),
    relayRows: set.counter(METRICS.relayRows),
    relayCompanies: set.gauge(METRICS.relayCompanies),
    relayHeartbeats: set.counter(METRICS.relayHeartbeats),
    relayProbes: set.gauge(METRICS.relayProbes),
  }
}

function lockSlots(set: MetricSet) {
  return {
    lockAcquisitions: set.counter(METRICS.lockAcquisitions),
    lockAcquireLatency: set.steps(METRICS.lockAcquireLatency),
    lockReleases: set.counter(METRICS.lockReleases),
    lockHeld: set.histogram(METRICS.lockHeld, HELD_BUCKETS_S),
    lockLosses: set.counter(METRICS.lockLosses),
    lockFencedWrites: set.counter(METRICS.lockFencedWrites),
  }
}

function batchSlots(set: MetricSet) {
  return {
    batchChunks: set.counter(METRICS.batchChunks),
    batchChunkLatency: set.steps(METRICS.batchChunkLatency),
    batchItems: set.counter(METRICS.batchItems),
  }
}

function pubsubSlots(set: MetricSet) {
  return {
    eventPublishes: set.counter(METRICS.eventPublishes),
    eventDeliveries: set.counter(METRICS.eventDeliveries),
    eventLag: set.steps(METRICS.eventLag),
    eventGaps: set.counter(METRICS.eventGaps),
    eventGapFills: set.counter(METRICS.eventGapFills),
    eventResets: set.counter(METRICS.eventResets),
    eventDead: set.counter(METRICS.eventDead),
    eventBacklog: set.gauges(METRICS.eventBacklog),
    eventTrimmedUnread: set.counter(METRICS.eventTrimmedUnread),
  }
}

function poolSlots(set: MetricSet) {
  return {
    poolSize: set.gauges(METRICS.poolSize),
    poolPending: set.gauges(METRICS.poolPending),
    poolActive: set.gauges(METRICS.poolActive),
    poolOverdue: set.gauges(METRICS.poolOverdue),
    poolJobs: set.counter(METRICS.poolJobs),
    poolQueueWait: set.waits(METRICS.poolQueueWait),
    poolJobTime: set.histogram(METRICS.poolJobTime, HELD_BUCKETS_S),
    poolRetries: set.counter(METRICS.poolRetries),
    poolRefusals: set.counter(METRICS.poolRefusals),
  }
}

function liveSlots(set: MetricSet) {
  return {
    liveConnections: set.gauge(METRICS.liveConnections),
    liveRefusals: set.counter(METRICS.liveRefusals),
    liveCloses: set.counter(METRICS.liveCloses),
    liveResets: set.counter(METRICS.liveResets),
    liveFlushLatency: set.steps(METRICS.liveFlushLatency),
  }
}
