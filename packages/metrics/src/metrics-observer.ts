/** Translates each observation of core into additions to plain numbers: the hot path of metrics. */

import type { Clock, Complete, Observer } from '@kerp/core'
import type { LagCell, Slots } from './slots.js'

/** An observer with a method for every observation; it never throws. */
export function metricsObserver(slots: Slots, clock: Clock): Complete<Observer> {
  return {
    ...cacheObserver(slots),
    ...localTierObserver(slots),
    ...postingObserver(slots),
    ...stockObserver(slots),
    ...relayObserver(slots, clock),
    ...eventObserver(slots, clock),
    ...lockObserver(slots),
    ...batchObserver(slots),
    ...pubsubObserver(slots),
    ...poolObserver(slots),
    ...liveObserver(slots),
    companyWork({ companyId, work, count }) {
      slots.companies.add(companyId, work, amountOf(count))
    },
    backgroundError({ source, code }) {
      slots.backgroundErrors.cell(source, code).value += 1
    },
    step({ name }) {
      slots.steps.cell(name).value += 1
    },
  }
}

function cacheObserver(slots: Slots) {
  return {
    redisOperation({ operation, status, elapsedMs }) {
      slots.redisOperations.cell(operation, status).value += 1
      slots.redisOperationLatency.cell(operation).observeMs(elapsedMs)
    },
    scriptFallback({ script }) {
      slots.redisScriptFallbacks.cell(script).value += 1
    },
    cacheRequest({ type, result, count }) {
      slots.cacheRequests.cell(type, result).value += amountOf(count)
    },
    cacheRead({ type, elapsedMs }) {
      slots.cacheReadLatency.cell(type).observeMs(elapsedMs)
    },
    cacheLoad({ type, ok, elapsedMs }) {
      slots.cacheLoads.cell(type, statusOf(ok)).value += 1
      slots.cacheLoadLatency.cell(type).observeMs(elapsedMs)
    },
    cacheRefusal({ type, reason }) {
      slots.cacheRefusals.cell(type, reason).value += 1
    },
    cacheInvalidation({ scope, count }) {
      slots.cacheInvalidations.cell(scope).value += amountOf(count)
    },
    registerApply({ result, count }) {
      slots.registerApplies.cell(result).value += amountOf(count)
    },
    generationChange({ reason }) {
      slots.generationChanges.cell(reason).value += 1
    },
    registerUnusable() {
      slots.registerUnusable.cell().value += 1
    },
    registerForeign() {
      slots.registerForeign.cell().value += 1
    },
    registerFork({ count }) {
      slots.registerForks.cell().value += amountOf(count)
    },
  } satisfies Observer
}

function localTierObserver(slots: Slots) {
  return {
    cacheTrust({ trusted, ageMs }) {
      slots.cacheTrusted.cell().value = trusted ? 1 : 0
      slots.cacheTrustAge.cell().value = amountOf(ageMs) / 1_000
    },
    localTierSize({ companies, entries, bytes }) {
      slots.localTierCompanies.cell().value = amountOf(companies)
      slots.localTierEntries.cell().value = amountOf(entries)
      slots.localTierBytes.cell().value = amountOf(bytes)
    },
    localTierDrop({ reason }) {
      slots.localTierDrops.cell(reason).value += 1
    },
    balanceDrift({ count }) {
      slots.balanceDrift.cell().value += amountOf(count)
    },
    redisBreaker({ state }) {
      slots.redisBreakerChanges.cell(state).value += 1
    },
  } satisfies Observer
}

function postingObserver(slots: Slots) {
  return {
    posting({ result, elapsedMs }) {
      slots.postings.cell(result).value += 1
      slots.postingLatency.cell(statusOf(result === 'posted' || result === 'replayed')).observeMs(elapsedMs)
    },
    postingBatch({ result, vouchers, elapsedMs }) {
      slots.postingBatches.cell(result).value += 1
      slots.postingBatchSize.cell().observe(vouchers)
      slots.postingBatchLatency.cell().observeMs(elapsedMs)
    },
    postingQueue({ waiting }) {
      slots.postingQueue.cell().value = amountOf(waiting)
    },
  } satisfies Observer
}

function stockObserver(slots: Slots) {
  return {
    stockMove({ kind, result, elapsedMs }) {
      slots.stockMovements.cell(kind, result).value += 1
      slots.stockMovementLatency.cell().observeMs(elapsedMs)
    },
    stockBatch({ result, movements, elapsedMs }) {
      slots.stockBatches.cell(result).value += 1
      slots.stockBatchSize.cell().observe(movements)
      slots.stockBatchLatency.cell().observeMs(elapsedMs)
    },
    stockQueue({ waiting }) {
      slots.stockQueue.cell().value = amountOf(waiting)
    },
  } satisfies Observer
}

function tellLag(cell: LagCell, lagMs: number, clock: Clock): void {
  cell.lagMs = amountOf(lagMs)
  cell.toldAtMs = clock.monotonicMs()
}

function relayObserver(slots: Slots, clock: Clock) {
  return {
    relayTick({ ok, rows, companies, elapsedMs }) {
      slots.relayTicks.cell(statusOf(ok)).value += 1
      slots.relayTickLatency.cell().observeMs(elapsedMs)
      slots.relayRows.cell().value += amountOf(rows)
      slots.relayCompanies.cell().value = amountOf(companies)
    },
    relayLag({ lagMs }) {
      tellLag(slots.relayLag, lagMs, clock)
    },
    relayHeartbeat({ probes }) {
      slots.relayHeartbeats.cell().value += 1
      slots.relayProbes.cell().value = amountOf(probes)
    },
  } satisfies Observer
}

function eventObserver(slots: Slots, clock: Clock) {
  return {
    eventRelayTick({ ok, events, resets, elapsedMs }) {
      slots.eventRelayTicks.cell(statusOf(ok)).value += 1
      slots.eventRelayTickLatency.cell().observeMs(elapsedMs)
      slots.eventsRelayed.cell().value += amountOf(events)
      slots.eventRelayResets.cell().value += amountOf(resets)
    },
    eventRelayLag({ lagMs }) {
      tellLag(slots.eventRelayLag, lagMs, clock)
    },
    eventTrim({ deleted, heldBack, lost }) {
      slots.eventsTrimmed.cell().value += amountOf(deleted)
      slots.eventsTrimHeldBack.cell().value = amountOf(heldBack)
      slots.eventsTrimLost.cell().value += amountOf(lost)
    },
  } satisfies Observer
}

function lockObserver(slots: Slots) {
  return {
    lockAcquire({ result, via, elapsedMs }) {
      slots.lockAcquisitions.cell(result, via).value += 1
      slots.lockAcquireLatency.cell(result).observeMs(elapsedMs)
    },
    lockRelease({ result, heldMs }) {
      slots.lockReleases.cell(result).value += 1
      slots.lockHeld.cell().observeMs(heldMs)
    },
    lockLost({ reason, heldMs }) {
      slots.lockLosses.cell(reason).value += 1
      slots.lockHeld.cell().observeMs(heldMs)
    },
    lockFenced({ count }) {
      slots.lockFencedWrites.cell().value += amountOf(count)
    },
  } satisfies Observer
}

function batchObserver(slots: Slots) {
  return {
    batchChunk({ result, elapsedMs }) {
      slots.batchChunks.cell(result).value += 1
      slots.batchChunkLatency.cell().observeMs(elapsedMs)
    },
    batchItems({ result, count }) {
      slots.batchItems.cell(result).value += amountOf(count)
    },
  } satisfies Observer
}

function pubsubObserver(slots: Slots) {
  return {
    eventPublish({ type, result, count }) {
      slots.eventPublishes.cell(type, result).value += amountOf(count)
    },
    eventDeliver({ reader, result, count }) {
      slots.eventDeliveries.cell(reader, result).value += amountOf(count)
    },
    eventLag({ reader, lagMs }) {
      slots.eventLag.cell(reader).observeMs(lagMs)
    },
    eventGap({ reader, filled }) {
      slots.eventGaps.cell(reader).value += 1
      slots.eventGapFills.cell(reader).value += amountOf(filled)
    },
    eventReset({ reason }) {
      slots.eventResets.cell(reason).value += 1
    },
    eventDead({ group, reason }) {
      slots.eventDead.cell(group, reason).value += 1
    },
    eventBacklog({ group, waiting }) {
      slots.eventBacklog.cell(group).value = amountOf(waiting)
    },
    eventTrimmedUnread({ count }) {
      slots.eventTrimmedUnread.cell().value += amountOf(count)
    },
  } satisfies Observer
}

function poolObserver(slots: Slots) {
  return {
    poolLevel({ pool, size, pending, running, overdue }) {
      slots.poolSize.cell(pool).value = amountOf(size)
      slots.poolPending.cell(pool).value = amountOf(pending)
      slots.poolActive.cell(pool).value = amountOf(running)
      slots.poolOverdue.cell(pool).value = amountOf(overdue)
    },
    poolJob({ pool, outcome, waitMs, runMs }) {
      slots.poolJobs.cell(pool, outcome).value += 1
      slots.poolQueueWait.cell(pool).observeMs(waitMs)
      if (runMs !== undefined) slots.poolJobTime.cell(pool).observeMs(runMs)
    },
    poolRetry({ pool }) {
      slots.poolRetries.cell(pool).value += 1
    },
    poolRefusal({ pool, reason }) {
      slots.poolRefusals.cell(pool, reason).value += 1
    },
  } satisfies Observer
}

function liveObserver(slots: Slots) {
  return {
    liveConnections({ open }) {
      slots.liveConnections.cell().value = amountOf(open)
    },
    liveRefusal({ reason }) {
      slots.liveRefusals.cell(reason).value += 1
    },
    liveClose({ reason }) {
      slots.liveCloses.cell(reason).value += 1
    },
    liveReset({ reason }) {
      slots.liveResets.cell(reason).value += 1
    },
    liveFlush({ elapsedMs }) {
      slots.liveFlushLatency.cell().observeMs(elapsedMs)
    },
  } satisfies Observer
}

function statusOf(ok: boolean): 'ok' | 'error' {
  return ok ? 'ok' : 'error'
}

// A counter never goes back, and one NaN would spoil it for the life of the process.
function amountOf(count: number): number {
  return count > 0 ? count : 0
}
