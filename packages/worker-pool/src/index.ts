export {
  ErrorBudgetExceededError,
  JobAbandonedError,
  JobCancelledError,
  JobDroppedError,
  JobFailedError,
  JobReturnedError,
  JobTimeoutError,
  SourceFailedError,
} from './errors.js'
