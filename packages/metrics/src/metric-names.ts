/**
 * The catalogue: every metric with its type, its labels and the words that a label can have.
 *
 * Names end in their unit, counters in `_total`, times are in seconds. Tenant ids, keys and accounts are never
 * labels. docs/metrics.md says the same in prose; a test compares them.
 */

import {
  type BatchChunkWork,
  type CacheInvalidation,
  type CacheRefusal,
  type CacheRequest,
  type EventDead,
  type EventDeliver,
  type EventPublish,
  type EventReset,
  type GenerationChange,
  type LockAcquire,
  type LockGivenBack,
  type LockLoss,
  type Posting,
  type PostingBatch,
  type RedisOperation,
  type RegisterApply,
  type RegisterFamily,
  STEPS,
  STOCK_STEPS,
  type StockBatch,
  type StockMove,
} from '@kerp/core'
import { closed, counter, gauge, histogram, type MetricDefinition, open, words } from './metric-definition.js'
import { LOCAL_TIER_METRICS } from './local-tier-metrics.js'
import { LIVE_METRICS } from './live-metrics.js'
import { OWN_METRICS } from './own-metrics.js'
import { POOL_METRICS } from './pool-metrics.js'

const TYPES = words<RegisterFamily>({ balance: true, inventory: true })
const type = open('type', TYPES)
const status = closed('status', ['ok', 'error'])
const postingResult = closed(
  'result',
  words<Posting['result']>({
    posted: true,
    replayed: true,
    conflict: true,
    rejected: true,
    unknown: true,
    failed: true,
  }),
)

const stockKind = closed(
  'kind',
  words<StockMove['kind']>({
    adjust: true,
    transfer: true,
    reserve: true,
    confirm: true,
    cancel: true,
    expire: true,
  }),
)

const lockResult = closed(
  'result',
  words<LockAcquire['result']>({ acquired: true, busy: true, timeout: true, failed: true }),
)

const EVENT_TYPES = [
  'events:voucher:created',
  'events:voucher:approved',
  'events:balance:updated',
  'events:inventory:changed',
  'events:payroll:processed',
  'events:notification',
]
const eventReader = closed('reader', words<EventDeliver['reader']>({ subscriber: true, consumer: true }))

/** Every metric that `createMetrics` registers. */
export const METRICS = {
  redisOperations: counter('redis_operations_total', 'Calls to Redis by how they ended', [
    open('operation'),
    closed('status', words<RedisOperation['status']>({ ok: true, error: true, timeout: true })),
  ]),
  redisOperationLatency: histogram('redis_operation_latency_seconds', 'Time of a call to Redis', [
    open('operation'),
  ]),
  redisScriptFallbacks: counter('redis_script_fallbacks_total', 'EVALSHA calls that had to be sent as EVAL', [
    open('script'),
  ]),
  cacheRequests: counter('cache_requests_total', 'Values that were asked for, by how they were answered', [
    type,
    closed(
      'result',
      words<CacheRequest['result']>({
        local: true,
        hit: true,
        miss: true,
        wait: true,
        stale: true,
        bypass: true,
      }),
    ),
  ]),
  cacheReadLatency: histogram('cache_read_latency_seconds', 'Time of one read of one or many values', [type]),
  cacheLoads: counter('cache_loads_total', 'Loads of missing values from the database', [type, status]),
  cacheLoadLatency: histogram('cache_load_latency_seconds', 'Time of one load from the database', [type]),
  cacheRefusals: counter('cache_refusals_total', 'Cached values that were not used or not stored', [
    type,
    closed(
      'reason',
      words<CacheRefusal['reason']>({ damaged: true, shape: true, size: true, superseded: true }),
    ),
  ]),
  cacheInvalidations: counter('cache_invalidations_total', 'Keys, tags and companies that were invalidated', [
    closed('scope', words<CacheInvalidation['scope']>({ key: true, tag: true, company: true })),
  ]),
  registerApplies: counter('register_applies_total', 'Post-images handed to Redis, by what became of them', [
    closed(
      'result',
      words<RegisterApply['result']>({
        applied: true,
        skipped: true,
        pending: true,
        absent: true,
        refused: true,
      }),
    ),
  ]),
  generationChanges: counter(
    'register_generation_changes_total',
    'Times that all registers of a company were voided',
    [
      closed(
        'reason',
        words<GenerationChange['reason']>({
          absent: true,
          epoch: true,
          trimmed: true,
          fork: true,
          invalidateAll: true,
        }),
      ),
    ],
  ),
  registerForks: counter('register_forks_total', 'Registers seen with one version and two values', []),
  registerUnusable: counter('register_unusable_rows_total', 'Committed rows that no register can hold', []),
  registerForeign: counter(
    'register_foreign_companies_total',
    'Companies found with rows of another database',
    [],
  ),
  ...LOCAL_TIER_METRICS,
  postings: counter('voucher_postings_total', 'Postings of a voucher by how they ended', [postingResult]),
  postingLatency: histogram('voucher_posting_latency_seconds', 'Time of posting one voucher', [status]),
  postingBatches: counter('voucher_posting_batches_total', 'Transactions of coalesced vouchers', [
    closed(
      'result',
      words<PostingBatch['result']>({ committed: true, retried: true, bisected: true, failed: true }),
    ),
  ]),
  postingBatchSize: histogram('voucher_posting_batch_size', 'Vouchers in one transaction', []),
  postingBatchLatency: histogram(
    'voucher_posting_batch_latency_seconds',
    'Time of one transaction of vouchers',
    [],
  ),
  postingQueue: gauge('voucher_posting_queue_size', 'Vouchers that wait for a transaction', []),
  stockMovements: counter('stock_movements_total', 'Movements of stock by how they ended', [
    stockKind,
    closed(
      'result',
      words<StockMove['result']>({
        done: true,
        replayed: true,
        conflict: true,
        insufficient: true,
        fenced: true,
        settled: true,
        rejected: true,
        unknown: true,
        failed: true,
      }),
    ),
  ]),
  stockMovementLatency: histogram('stock_movement_latency_seconds', 'Time of one movement of stock', []),
  stockBatches: counter('stock_batches_total', 'Transactions of coalesced movements of stock', [
    closed(
      'result',
      words<StockBatch['result']>({ committed: true, retried: true, bisected: true, failed: true }),
    ),
  ]),
  stockBatchSize: histogram('stock_batch_size', 'Movements of stock in one transaction', []),
  stockBatchLatency: histogram('stock_batch_latency_seconds', 'Time of one transaction of movements', []),
  stockQueue: gauge('stock_queue_size', 'Movements of stock that wait for a transaction', []),
  relayTicks: counter('outbox_relay_ticks_total', 'Passes of the outbox relay', [status]),
  relayTickLatency: histogram(
    'outbox_relay_tick_latency_seconds',
    'Time of one pass of the outbox relay',
    [],
  ),
  relayRows: counter('outbox_relay_rows_total', 'Outbox rows that were relayed', []),
  relayCompanies: gauge('outbox_relay_companies', 'Companies in the latest pass of the outbox relay', []),
  relayLag: gauge(
    'outbox_relay_lag_seconds',
    'Age of the database moment that the registers have reached',
    [],
  ),
  eventRelayTicks: counter('event_relay_ticks_total', 'Turns of the event relay', [status]),
  eventRelayTickLatency: histogram(
    'event_relay_tick_latency_seconds',
    'Time of one turn of the event relay',
    [],
  ),
  eventsRelayed: counter('event_relay_events_total', 'Events that the event relay published', []),
  eventRelayResets: counter('event_relay_resets_total', 'Streams of a company that were begun again', []),
  eventRelayLag: gauge(
    'event_relay_lag_seconds',
    'Age of the oldest committed event that is not published',
    [],
  ),
  eventsTrimmed: counter('events_trimmed_total', 'Events that retention deleted', []),
  eventsTrimHeldBack: gauge(
    'event_trim_waiting_companies',
    'Companies whose old events wait for a reader',
    [],
  ),
  eventsTrimLost: counter('events_trimmed_unread_total', 'Events deleted before a reader had them', []),
  lockAcquisitions: counter('lock_acquisitions_total', 'Wishes for a lock by how they ended', [
    lockResult,
    closed('via', words<LockAcquire['via']>({ asked: true, handed: true, local: true, none: true })),
  ]),
  lockAcquireLatency: histogram('lock_acquire_latency_seconds', 'Time from the wish for a lock to its end', [
    lockResult,
  ]),
  lockReleases: counter('lock_releases_total', 'Locks given back, by what Redis knew of them', [
    closed(
      'result',
      words<LockGivenBack['result']>({ released: true, expired: true, lost: true, unknown: true }),
    ),
  ]),
  lockHeld: histogram('lock_held_seconds', 'Time that a lock was held until it was given back or lost', []),
  lockLosses: counter('lock_losses_total', 'Locks lost while they were held', [
    closed(
      'reason',
      words<LockLoss['reason']>({
        expired: true,
        unreachable: true,
        taken: true,
        maxHold: true,
        closed: true,
      }),
    ),
  ]),
  lockFencedWrites: counter(
    'lock_fenced_writes_total',
    'Writes refused because a later holder wrote before',
    [],
  ),
  batchChunks: counter('batch_chunks_total', 'Claims of a chunk of a durable batch by how they ended', [
    closed(
      'result',
      words<BatchChunkWork['result']>({ committed: true, duplicate: true, stopped: true, failed: true }),
    ),
  ]),
  batchChunkLatency: histogram('batch_chunk_latency_seconds', 'Time of one chunk, from claim to COMMIT', []),
  batchItems: counter('batch_items_total', 'Items of durable batches that were committed', [
    closed('result', ['done', 'failed']),
  ]),
  eventPublishes: counter('event_publish_total', 'Events that were to be published, by what became of them', [
    open('type', EVENT_TYPES),
    closed(
      'result',
      words<EventPublish['result']>({ published: true, duplicate: true, refused: true, failed: true }),
    ),
  ]),
  eventDeliveries: counter('event_deliver_total', 'Events that reached a handler, by what became of them', [
    eventReader,
    closed(
      'result',
      words<EventDeliver['result']>({ handled: true, failed: true, invalid: true, duplicate: true }),
    ),
  ]),
  eventLag: histogram('event_lag_seconds', 'Time from an event to its handler', [eventReader]),
  eventGaps: counter('event_gap_total', 'Gaps that a reader found and filled', [eventReader]),
  eventGapFills: counter('event_gap_filled_total', 'Events by which gaps were filled', [eventReader]),
  eventResets: counter('event_reset_total', 'Subscribers of events that had to begin anew', [
    closed('reason', words<EventReset['reason']>({ trimmed: true, lost: true, mark: true })),
  ]),
  eventDead: counter('event_dead_letter_total', 'Events that their handler could not handle', [
    open('group'),
    closed('reason', words<EventDead['reason']>({ attempts: true, refused: true, invalid: true })),
  ]),
  eventBacklog: gauge('event_backlog_size', 'Events that wait for a durable group', [open('group')]),
  eventTrimmedUnread: counter(
    'event_trimmed_unread_total',
    'Entries cut before a durable group read them',
    [],
  ),
  ...POOL_METRICS,
  ...LIVE_METRICS,
  ...OWN_METRICS,
  backgroundErrors: counter('background_errors_total', 'Failures of background work that is tried again', [
    open('source'),
    open('code'),
  ]),
  steps: counter('steps_total', 'Numbered steps between request and answer that were passed', [
    closed('step', [...STEPS, ...STOCK_STEPS]),
  ]),
  eventLoopUtilization: gauge(
    'nodejs_eventloop_utilization_ratio',
    'Busy share of the event loop since the last scrape',
    [],
  ),
  eventLoopDelay: histogram('nodejs_eventloop_delay_seconds', 'How late the event loop runs what is due', []),
} as const satisfies Readonly<Record<string, MetricDefinition>>
