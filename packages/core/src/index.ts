export {
  AMOUNT_DIGITS_MAX,
  CURRENCY_EXPONENTS,
  currencyExponent,
  formatAmount,
  InvalidAmountError,
  parseAmount,
  parseMinorUnits,
} from './amount.js'
export type {
  BatchChunk,
  BatchChunkRef,
  BatchClaim,
  BatchCommit,
  BatchEffects,
  BatchFailure,
  BatchFailureQuery,
  BatchItemDone,
  BatchLedger,
  BatchOpening,
  BatchOutcomes,
  BatchPlan,
  BatchRun,
  BatchRunRef,
  BatchRunState,
  BatchTotals,
} from './batch-ledger.js'
export { type Clock, sleep, systemClock, type Timer } from './clock.js'
export { type Closable, closeOnce } from './closable.js'
export { type Codec, jsonCodec, type JsonCodecOptions } from './codec.js'
export {
  ClosedError,
  DeadlineExceededError,
  describeAmount,
  describeValue,
  InvalidInputError,
  InvalidOptionError,
  KerpError,
  type KerpErrorFacts,
  OverloadedError,
} from './errors.js'
export type {
  CommittedEvent,
  EventAdvance,
  EventAdvanceOptions,
  EventHead,
  EventHeads,
  EventPage,
  EventPageQuery,
  EventSinks,
  EventSource,
} from './event-source.js'
export { exactJson, type ExactJson, exactValue, type ExactValue } from './exact-value.js'
export type { BalanceUpdated, InventoryChanged } from './event-payloads.js'
export { currentTraceparent, type EventTracing, isTraceparent } from './event-tracing.js'
export { type IdSource, joinNames, type RandomSource, systemRandom, timeOrderedIds } from './ids.js'
export type { LiveClose, LiveRefusal, LiveReset } from './live-observations.js'
export type { CacheTrust, LocalTierDrop, LocalTierSize } from './local-tier-observations.js'
export { type Logger, loggingObserver, observerOfPart, setDefaultLogger } from './logger.js'
export type { LockAcquire, LockGivenBack, LockLoss } from './lock-observation.js'
export { checkFence, FENCE_MAX } from './fence.js'
export { onAbort } from './on-abort.js'
export { isError, thrownText, thrownWords } from './thrown.js'
export { canonicalName, NAME_BYTES_MAX } from './names.js'
export { NoticeBoard, type NoticeMap, type Notices } from './notices.js'
export type { EventDead, EventDeliver, EventPublish, EventReset } from './event-observations.js'
export {
  type BatchChunkWork,
  type CacheInvalidation,
  type CacheLoad,
  type CacheRead,
  type CacheRefusal,
  type CacheRequest,
  combineObservers,
  type EventRelayTick,
  type EventTrimming,
  type GenerationChange,
  OBSERVATIONS,
  type Observer,
  type Posting,
  type PostingBatch,
  type RedisOperation,
  type RegisterApply,
  type RegisterForeign,
  type RelayTick,
  type Step,
  STEPS,
  STOCK_STEPS,
} from './observer.js'
export {
  type Complete,
  functionOption,
  listInput,
  objectInput,
  objectOptions,
  oneOfOption,
  partOption,
  textOption,
  type WholeNumberBounds,
  wholeNumberOption,
} from './options.js'
export type { StockBatch, StockMove } from './stock-observation.js'
export {
  health,
  type HealthCause,
  type HealthCheck,
  type HealthOptions,
  type HealthReport,
} from './health.js'
export type { CompanyWork } from './company-work.js'
export type { PoolJobEnd, PoolJobOutcome, PoolLevel } from './pool-observation.js'
export type {
  InvalidationLog,
  LoadedRegisters,
  OutboxChange,
  OutboxPage,
  OutboxPageQuery,
  OutboxPosition,
  OutboxRow,
  OutboxSource,
  OutboxTick,
  RegisterFamily,
  RegisterImage,
  RegisterImages,
  RegisterListing,
  RegisterRef,
  RegisterSource,
} from './ports.js'
export { formatQuantity, parseQuantity, QUANTITY_EXPONENT } from './quantity.js'
export {
  parseReadToken,
  type ReadToken,
  type ReadTokenFacts,
  type ReadTokenGroup,
  readTokenOf,
  registerName,
} from './read-token.js'
export { RecentFailures } from './recent-failures.js'
export { PollPace, type PollPaceOptions } from './poll-pace.js'
export { Repeater, type RepeaterOptions } from './repeater.js'
export {
  type DeadlineOptions,
  isRetryableError,
  jitteredBackoffMs,
  retry,
  type RetryOptions,
  withDeadline,
} from './retry.js'
export { divideRounded, type Rounding, roundToUnit } from './rounding.js'
export { flightMark, type FlightMark, SingleFlight } from './single-flight.js'
export type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.js'
export {
  FencedError,
  InsufficientStockError,
  MovementConflictError,
  ReservationExpiredError,
  ReservationNotFoundError,
  ReservationSettledError,
  type StockShortage,
} from './stock-errors.js'
export type {
  ReservationChange,
  ReservationRef,
  ReservationState,
  StockAdjustment,
  StockExpiry,
  StockFence,
  StockMovement,
  StockRef,
  StockReservation,
  StockReservationLine,
  StockStore,
  StockTransfer,
} from './stock-store.js'
export { tellFailure } from './tell-failure.js'
export { TimerWheel } from './timer-wheel.js'
