export { type Batch, defineBatch, type RunnableBatch } from './batch.js'
export type {
  BatchAnswer,
  BatchBounds,
  BatchDefinition,
  BatchItemContext,
  BatchPage,
  BatchWork,
} from './batch-definition.js'
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
export {
  BatchAnswersError,
  BatchChunkAbandonedError,
  BatchItemMissingError,
  BatchTooLargeError,
  ErrorBudgetExceededError,
  JobAbandonedError,
  JobCancelledError,
  JobDroppedError,
  JobFailedError,
  JobReturnedError,
  JobTimeoutError,
  SourceFailedError,
} from './errors.js'
