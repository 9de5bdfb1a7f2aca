/**
 * Observations: every shape that the packages report to metrics and traces, in one readable list.
 *
 * Fields are flat and their words come from closed sets, never a key or an account; a company in `CompanyWork`
 * alone. An observer is called synchronously on the hot path; whatever it throws or rejects is ignored.
 */

import type { LiveClose, LiveRefusal, LiveReset } from './live-observations.js'
import type { CompanyWork } from './company-work.js'
import type { LockAcquire, LockGivenBack, LockLoss } from './lock-observation.js'
import type { RegisterRef } from './ports.js'
import type { StockBatch, StockMove } from './stock-observation.js'
import type { PoolJobEnd, PoolLevel } from './pool-observation.js'

import type { EventDead, EventDeliver, EventPublish, EventReset } from './event-observations.js'

import type { CacheTrust, LocalTierDrop, LocalTierSize } from './local-tier-observations.js'

/** How one Redis call ended. */
export interface RedisOperation {
  /** The script's or command's name. */
  readonly operation: string
  readonly status: 'ok' | 'error' | 'timeout'
  readonly elapsedMs: number
}

/** How one read of a cached value was answered. */
export interface CacheRequest {
  readonly type: string
  /**
   * `local` from the memory of the process · `hit` from Redis · `miss` loaded and stored · `wait` another process
   * loaded it · `stale` older than the caller's token, or past its time and being loaded anew · `bypass` Redis could
   * not be trusted or reached, the database answered.
   */
  readonly result: 'local' | 'hit' | 'miss' | 'wait' | 'stale' | 'bypass'
  readonly count: number
}

/** One call that read cached values, as its caller waited for it: a `get`, or a `getMany` of any size. */
export interface CacheRead {
  readonly type: string
  readonly elapsedMs: number
}

/** One load of missing values from the database. */
export interface CacheLoad {
  readonly type: string
  readonly ok: boolean
  readonly elapsedMs: number
}

/** A cached value that could not be used, or was not stored. */
export interface CacheRefusal {
  readonly type: string
  /**
   * `damaged` no entry at all · `shape` refused by its codec or schema · `size` too large to be stored ·
   * `superseded` invalidated while it was loaded.
   */
  readonly reason: 'damaged' | 'shape' | 'size' | 'superseded'
}

/** Cached values were invalidated. */
export interface CacheInvalidation {
  /** `key` single values · `tag` all that carry a tag · `company` all of a company. */
  readonly scope: 'key' | 'tag' | 'company'
  /** Values, tags or companies that were named, not all values that became void by it. */
  readonly count: number
}

/** What became of post-images that were handed to Redis. */
export interface RegisterApply {
  readonly result: 'applied' | 'skipped' | 'pending' | 'absent' | 'refused'
  readonly count: number
}

/** Rows of another database stand where those of this one belong. */
export interface RegisterForeign {
  readonly companyId: string
  readonly databaseEpoch: string
  readonly registersEpoch: string
}

/** All registers of a company were voided. */
export interface GenerationChange {
  readonly reason: 'absent' | 'epoch' | 'trimmed' | 'fork' | 'invalidateAll'
}

/** How one posting of a voucher ended. */
export interface Posting {
  readonly result: 'posted' | 'replayed' | 'conflict' | 'rejected' | 'unknown' | 'failed'
  readonly elapsedMs: number
}

/** One transaction of coalesced vouchers. */
export interface PostingBatch {
  readonly result: 'committed' | 'retried' | 'bisected' | 'failed'
  readonly vouchers: number
  readonly elapsedMs: number
}

/** One claim of a chunk of a durable batch, from the claim to the answer of its COMMIT. */
export interface BatchChunkWork {
  /** `duplicate`: another worker was first · `stopped`: the run had ended · `failed`: somebody will try again. */
  readonly result: 'committed' | 'duplicate' | 'stopped' | 'failed'
  readonly elapsedMs: number
}

/** One pass of the outbox relay. */
export interface RelayTick {
  readonly ok: boolean
  readonly rows: number
  readonly companies: number
  readonly elapsedMs: number
}

/**
 * The numbered steps between a request and its answer. Fault tests kill the process at each of them;
 * traces may mark them.
 */
export const STEPS = [
  'http.received',
  'posting.queued',
  'posting.begun',
  'posting.keysClaimed',
  'posting.rowsLocked',
  'posting.balancesUpdated',
  'posting.linesWritten',
  'posting.committing',
  'posting.committed',
  'apply.sending',
  'apply.applied',
  'http.answering',
  'relay.read',
  'relay.sending',
  'relay.relayed',
  'events.publishing',
  'events.published',
] as const

/** The steps of a movement of stock, between its call and its answer. */
export const STOCK_STEPS = [
  'stock.queued',
  'stock.begun',
  'stock.rowsLocked',
  'stock.judged',
  'stock.written',
  'stock.committing',
  'stock.committed',
] as const

/** One turn of an event relay: what it numbered, sent, and had to begin again. */
export interface EventRelayTick {
  readonly ok: boolean
  /** Events published. */
  readonly events: number
  /** Companies whose stream was begun again, as Redis or the database had gone back. */
  readonly resets: number
  readonly elapsedMs: number
}

/** What retention of the log of events did. */
export interface EventTrimming {
  readonly deleted: number
  /** Companies whose old events were kept for a reader that is behind. */
  readonly heldBack: number
  /** Events that were deleted before a reader had them. Must page. */
  readonly lost: number
}

/** One of `STEPS` or `STOCK_STEPS`. */
export type Step = (typeof STEPS)[number] | (typeof STOCK_STEPS)[number]

/** What a host passes as `observer`; every method is optional. */
export interface Observer {
  readonly redisOperation?: ((observation: RedisOperation) => void) | undefined
  /** EVALSHA met a server without the script; EVAL was sent. */
  readonly scriptFallback?: ((observation: { readonly script: string }) => void) | undefined
  readonly cacheRequest?: ((observation: CacheRequest) => void) | undefined
  readonly cacheRead?: ((observation: CacheRead) => void) | undefined
  readonly cacheLoad?: ((observation: CacheLoad) => void) | undefined
  readonly cacheRefusal?: ((observation: CacheRefusal) => void) | undefined
  readonly cacheInvalidation?: ((observation: CacheInvalidation) => void) | undefined
  readonly registerApply?: ((observation: RegisterApply) => void) | undefined
  readonly generationChange?: ((observation: GenerationChange) => void) | undefined
  /** The same version with other bytes was seen: the history forked. Must page. */
  readonly registerFork?: ((observation: { readonly count: number }) => void) | undefined
  /** A committed row that no register can hold, by its name: the database answers it. Its writer has to be mended. */
  readonly registerUnusable?: ((observation: RegisterRef) => void) | undefined
  /** Redis holds rows of a company that another database left there: once for each company and epoch of a process. */
  readonly registerForeign?: ((observation: RegisterForeign) => void) | undefined
  readonly cacheTrust?: ((observation: CacheTrust) => void) | undefined
  readonly localTierSize?: ((observation: LocalTierSize) => void) | undefined
  readonly localTierDrop?: ((observation: LocalTierDrop) => void) | undefined
  /** Cached values that were never a state of their row. Must page. */
  readonly balanceDrift?: ((observation: { readonly count: number }) => void) | undefined
  /** Reads stopped asking a Redis that does not answer, or ask it again. */
  readonly redisBreaker?: ((observation: { readonly state: 'open' | 'closed' }) => void) | undefined
  readonly posting?: ((observation: Posting) => void) | undefined
  readonly postingBatch?: ((observation: PostingBatch) => void) | undefined
  /** Vouchers that wait for a transaction. */
  readonly postingQueue?: ((observation: { readonly waiting: number }) => void) | undefined
  readonly stockMove?: ((observation: StockMove) => void) | undefined
  readonly stockBatch?: ((observation: StockBatch) => void) | undefined
  /** Movements that wait for a transaction. */
  readonly stockQueue?: ((observation: { readonly waiting: number }) => void) | undefined
  readonly relayTick?: ((observation: RelayTick) => void) | undefined
  /** Age of the database moment that the registers have reached, in ms. */
  readonly relayLag?: ((observation: { readonly lagMs: number }) => void) | undefined
  readonly eventRelayTick?: ((observation: EventRelayTick) => void) | undefined
  /** Age of the oldest committed event that is not published, in ms. */
  readonly eventRelayLag?: ((observation: { readonly lagMs: number }) => void) | undefined
  readonly eventTrim?: ((observation: EventTrimming) => void) | undefined
  /** A relay told all readers how far it is; `probes` of them were heard before. */
  readonly relayHeartbeat?: ((observation: { readonly probes: number }) => void) | undefined
  readonly lockAcquire?: ((observation: LockAcquire) => void) | undefined
  readonly lockRelease?: ((observation: LockGivenBack) => void) | undefined
  /** Somebody worked on without its lock, or was stopped in time. Must page. */
  readonly lockLost?: ((observation: LockLoss) => void) | undefined
  /** Writes that were refused because a later holder wrote before. */
  readonly lockFenced?: ((observation: { readonly count: number }) => void) | undefined
  readonly batchChunk?: ((observation: BatchChunkWork) => void) | undefined
  /** Items of durable batches that were committed, with their effect or as failed. */
  readonly batchItems?:
    | ((observation: { readonly result: 'done' | 'failed'; readonly count: number }) => void)
    | undefined
  readonly eventPublish?: ((observation: EventPublish) => void) | undefined
  readonly eventDeliver?: ((observation: EventDeliver) => void) | undefined
  /** From the envelope's timestamp to its handler, by the clocks of both machines. */
  readonly eventLag?:
    | ((observation: { readonly reader: EventDeliver['reader']; readonly lagMs: number }) => void)
    | undefined
  /** Events that a reader missed and then read from the stream or the log. */
  readonly eventGap?:
    | ((observation: { readonly reader: EventDeliver['reader']; readonly filled: number }) => void)
    | undefined
  readonly eventReset?: ((observation: EventReset) => void) | undefined
  readonly eventDead?: ((observation: EventDead) => void) | undefined
  /** Events that wait for a durable group, over all companies that this process looks at. */
  readonly eventBacklog?:
    | ((observation: { readonly group: string; readonly waiting: number }) => void)
    | undefined
  /** Entries that were trimmed although a durable group had not read them. Must page. */
  readonly eventTrimmedUnread?: ((observation: { readonly count: number }) => void) | undefined
  readonly poolLevel?: ((observation: PoolLevel) => void) | undefined
  readonly poolJob?: ((observation: PoolJobEnd) => void) | undefined
  /** A job of a worker pool failed and is tried again. */
  readonly poolRetry?: ((observation: { readonly pool: string }) => void) | undefined
  /** A worker pool did not accept a job. */
  readonly poolRefusal?:
    | ((observation: { readonly pool: string; readonly reason: 'full' | 'closed' }) => void)
    | undefined
  /** Live connections that are open. */
  readonly liveConnections?: ((observation: { readonly open: number }) => void) | undefined
  readonly liveRefusal?: ((observation: LiveRefusal) => void) | undefined
  readonly liveClose?: ((observation: LiveClose) => void) | undefined
  readonly liveReset?: ((observation: LiveReset) => void) | undefined
  /** One round over live clients that had something to get. */
  readonly liveFlush?: ((observation: { readonly elapsedMs: number }) => void) | undefined
  readonly companyWork?: ((observation: CompanyWork) => void) | undefined
  /** Background work failed and will be tried again; `code` is an error code, `message` at most 1,001 characters for people. */
  readonly backgroundError?:
    | ((observation: { readonly source: string; readonly code: string; readonly message: string }) => void)
    | undefined
  readonly step?: ((observation: { readonly name: Step }) => void) | undefined
}

/** The names of all observations, in the order of `Observer`. */
export const OBSERVATIONS = [
  'redisOperation',
  'scriptFallback',
  'cacheRequest',
  'cacheRead',
  'cacheLoad',
  'cacheRefusal',
  'cacheInvalidation',
  'registerApply',
  'generationChange',
  'registerFork',
  'registerUnusable',
  'registerForeign',
  'cacheTrust',
  'localTierSize',
  'localTierDrop',
  'balanceDrift',
  'redisBreaker',
  'posting',
  'postingBatch',
  'postingQueue',
  'stockMove',
  'stockBatch',
  'stockQueue',
  'relayTick',
  'relayLag',
  'eventRelayTick',
  'eventRelayLag',
  'eventTrim',
  'relayHeartbeat',
  'lockAcquire',
  'lockRelease',
  'lockLost',
  'lockFenced',
  'batchChunk',
  'batchItems',
  'eventPublish',
  'eventDeliver',
  'eventLag',
  'eventGap',
  'eventReset',
  'eventDead',
  'eventBacklog',
  'eventTrimmedUnread',
  'poolLevel',
  'poolJob',
  'poolRetry',
  'poolRefusal',
  'liveConnections',
  'liveRefusal',
  'liveClose',
  'liveReset',
  'liveFlush',
  'companyWork',
  'backgroundError',
  'step',
] as const satisfies readonly (keyof Observer)[]

/**
 * One observer that tells each of several, in order, and lets none of them throw into the caller.
 *
 * Observations that nobody listens to stay undefined, so that they cost one comparison.
 */
export function combineObservers(...observers: readonly (Observer | undefined)[]): Observer {
  const combined: Record<string, (observation: never) => void> = {}
  for (const name of OBSERVATIONS) {
    const listeners = observers.flatMap((observer) => listenerOf(observer, name))
    if (listeners.length > 0) combined[name] = (observation) => tellAll(listeners, observation)
  }
  return combined
}

type Listener = (observation: never) => unknown

function listenerOf(observer: Observer | undefined, name: keyof Observer): Listener[] {
  if (observer?.[name] === undefined) return []
  return [(observation) => (observer[name] as Listener | undefined)?.call(observer, observation)]
}

function tellAll(listeners: readonly Listener[], observation: never): void {
  for (const listener of listeners) {
    try {
      const answer = listener(observation)
      if (answer instanceof Promise) answer.catch(() => undefined)
    } catch {
      // An observer that fails must not fail the work that it observes.
    }
  }
}
