export { type Batch, defineBatch, type RunnableBatch } from './batch.js'
export type {
  BatchAnswer,
  BatchBounds,
  BatchDefinition,
  BatchItemContext,
  BatchPage,
  BatchWork,
} from './batch-definition.js'
export type { AbandonedJob, ReturnedJob, StopReport } from './accounts.js'
export type { PoolNotices } from './engine.js'
export {
  type BatchDriver,
  type BatchDriving,
  type BatchHost,
  inProcess,
  type InProcessOptions,
} from './batch-driver.js'
export type { ChunkResult } from './batch-items.js'
export {
  type BatchProgress,
  BatchRunHandle,
  type BatchWatchOptions,
  type RunLedger,
} from './batch-run-handle.js'
export { Batches, type BatchNotices } from './batches.js'
export type { BatchesOptions } from './batches-options.js'
export { type CpuEnd } from './cpu-job.js'
export type { CpuPoolOptions } from './cpu-options.js'
export { type CpuAnswer, CpuPool, type CpuRunOptions, type CpuStop, type CpuStopReport } from './cpu-pool.js'
export { type CpuContext, type CpuTask, type Transferred, withTransfer } from './cpu-task.js'
export {
  BatchAnswersError,
  BatchChunkAbandonedError,
  BatchItemMissingError,
  BatchConflictError,
  BatchSourceError,
  BatchTooLargeError,
  CpuEntryError,
  CpuTaskError,
  CpuThreadLostError,
  type ThrownInThread,
  ErrorBudgetExceededError,
  FanOutError,
  JobAbandonedError,
  JobCancelledError,
  JobDroppedError,
  JobFailedError,
  JobReturnedError,
  JobTimeoutError,
  SourceFailedError,
} from './errors.js'
export {
  fanOut,
  type FanOutOptions,
  type FanOutResult,
  type SectionContext,
  type SectionFunction,
  type SectionOutcome,
  type Sections,
} from './fan-out.js'
export type { Source } from './item-source.js'
export type {
  Job,
  JobContext,
  JobFunction,
  JobOptions,
  JobPriority,
  JobProgress,
  JobRetry,
  JobState,
} from './job.js'
export type { ItemContext, ItemFunction, MapOptions, MapResult, MapSummary, OnError } from './map-options.js'
export type { MapNotices, MapRun } from './map-run.js'
export type { OnFull, PoolOptions } from './pool-options.js'
export { type Progress, ProgressMeter } from './progress.js'
export type { StopMode, StopOptions } from './stop-options.js'
export { createPool, type PoolStats, type WorkerPool } from './worker-pool.js'
