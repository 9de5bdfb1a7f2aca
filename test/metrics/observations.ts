/** One example of every observation, for the tests that need them all. */

import type { Complete, Observer } from '@kerp/core'

type Examples = {
  readonly [K in keyof Observer]-?: Parameters<Complete<Observer>[K]>[0]
}

/** What each method of an observer is called with. */
export const EXAMPLES: Examples = {
  redisOperation: { operation: 'readRegisters', status: 'ok', elapsedMs: 1 },
  scriptFallback: { script: 'readRegisters' },
  cacheRequest: { type: 'balance', result: 'hit', count: 3 },
  cacheRead: { type: 'balance', elapsedMs: 1 },
  cacheLoad: { type: 'balance', ok: true, elapsedMs: 1 },
  cacheRefusal: { type: 'report', reason: 'shape' },
  cacheInvalidation: { scope: 'tag', count: 2 },
  registerApply: { result: 'applied', count: 2 },
  generationChange: { reason: 'fork' },
  registerFork: { count: 1 },
  registerUnusable: { companyId: 'c1', family: 'balance', parts: ['1101', '2026'] },
  cacheTrust: { trusted: true, ageMs: 250 },
  localTierSize: { companies: 3, entries: 100, bytes: 30_000 },
  registerForeign: { companyId: 'c1', databaseEpoch: 'e1', registersEpoch: 'e2' },
  localTierDrop: { reason: 'gap' },
  balanceDrift: { count: 1 },
  redisBreaker: { state: 'open' },
  posting: { result: 'posted', elapsedMs: 1 },
  postingBatch: { result: 'committed', vouchers: 40, elapsedMs: 1 },
  postingQueue: { waiting: 4 },
  stockMove: { kind: 'adjust', result: 'done', elapsedMs: 1 },
  stockBatch: { result: 'committed', movements: 40, elapsedMs: 1 },
  stockQueue: { waiting: 4 },
  relayTick: { ok: true, rows: 5, companies: 2, elapsedMs: 1 },
  relayLag: { lagMs: 250 },
  eventRelayTick: { ok: true, events: 7, resets: 1, elapsedMs: 1 },
  eventRelayLag: { lagMs: 250 },
  eventTrim: { deleted: 9, heldBack: 1, lost: 2 },
  relayHeartbeat: { probes: 2 },
  lockAcquire: { result: 'acquired', via: 'asked', elapsedMs: 1 },
  lockRelease: { result: 'released', heldMs: 20 },
  lockLost: { reason: 'expired', heldMs: 20 },
  lockFenced: { count: 1 },
  batchChunk: { result: 'committed', elapsedMs: 1 },
  batchItems: { result: 'done', count: 200 },
  eventPublish: { type: 'events:voucher:created', result: 'published', count: 3 },
  eventDeliver: { reader: 'subscriber', result: 'handled', count: 3 },
  eventLag: { reader: 'subscriber', lagMs: 1 },
  eventGap: { reader: 'subscriber', filled: 40 },
  eventReset: { reason: 'lost' },
  eventDead: { group: 'invalidator', reason: 'attempts' },
  eventBacklog: { group: 'invalidator', waiting: 7 },
  eventTrimmedUnread: { count: 2 },
  poolLevel: { pool: 'payroll', size: 8, pending: 5, running: 8, overdue: 1 },
  poolJob: { pool: 'payroll', outcome: 'done', waitMs: 1, runMs: 1 },
  poolRetry: { pool: 'payroll' },
  poolRefusal: { pool: 'payroll', reason: 'full' },
  liveConnections: { open: 12 },
  liveRefusal: { reason: 'origin' },
  liveClose: { reason: 'slow' },
  liveReset: { reason: 'lagged' },
  liveFlush: { elapsedMs: 1 },
  companyWork: { companyId: 'c1', work: 'posting', count: 2 },
  backgroundError: { source: 'relay', code: 'REDIS_NOT_DONE', message: 'it was down' },
  step: { name: 'posting.committed' },
}

/** Calls one method of an observer with its example. */
export function tell(observer: Required<Observer>, name: keyof Observer): void {
  const method = observer[name] as (observation: unknown) => void
  method(EXAMPLES[name])
}
