/** How a job, a map or a fan-out can end other than well. */

import { describeValue, KerpError } from '@kerp/core'

/**
 * A job ran longer than its `timeoutMs`. Code `JOB_TIMEOUT`, not retryable: its signal is aborted, but a function
 * that does not listen runs on and may have its effect.
 */
export class JobTimeoutError extends KerpError {
  static override readonly errorName = 'JobTimeoutError'

  constructor(
    readonly jobId: string,
    readonly timeoutMs: number,
  ) {
    super(
      `Job ${jobId} did not end within ${Math.round(timeoutMs)} ms of its start; it may still have its effect.`,
      {
        code: 'JOB_TIMEOUT',
        retryable: false,
      },
    )
  }
}

/**
 * A job was cancelled by its handle, its signal, a map that was left, or a stop. Code `JOB_CANCELLED`; retryable
 * only if it had not begun.
 */
export class JobCancelledError extends KerpError {
  static override readonly errorName = 'JobCancelledError'
  readonly #cause: unknown

  constructor(
    readonly jobId: string,
    /** False: it never ran, and never will. True: it was running, and its effect is unknown. */
    readonly begun: boolean,
    cause?: unknown,
  ) {
    super(undefined, { code: 'JOB_CANCELLED', retryable: !begun })
    this.#cause = cause
  }

  // One abort may make a hundred thousand of these errors, of which hardly any is printed: the message is made when it
  // is read, and the cause does not take the slow way through the constructor of Error.
  static {
    Object.defineProperties(this.prototype, {
      message: {
        get(this: JobCancelledError) {
          return this.begun
            ? `Job ${this.jobId} was cancelled while it ran.`
            : `Job ${this.jobId} was cancelled before it began; it never ran.`
        },
      },
      cause: {
        get(this: JobCancelledError) {
          return this.#cause
        },
      },
    })
  }
}

/** A full queue with `onFull: 'dropOldest'` gave up this job for a newer one; it never ran. Code `JOB_DROPPED`, retryable. */
export class JobDroppedError extends KerpError {
  static override readonly errorName = 'JobDroppedError'

  constructor(readonly jobId: string) {
    super(`Job ${jobId} was dropped from a full queue for a newer one; it never ran.`, {
      code: 'JOB_DROPPED',
      retryable: true,
    })
  }
}

/** The pool stopped before this job began; it never ran, and stands in the report. Code `JOB_RETURNED`, retryable. */
export class JobReturnedError extends KerpError {
  static override readonly errorName = 'JobReturnedError'

  constructor(readonly jobId: string) {
    super(`Job ${jobId} was returned when its pool stopped; it never ran.`, {
      code: 'JOB_RETURNED',
      retryable: true,
    })
  }
}

/**
 * The pool's stop reached its deadline while this job ran. Code `JOB_ABANDONED`, not retryable: whether it had or
 * will have its effect is unknown.
 */
export class JobAbandonedError extends KerpError {
  static override readonly errorName = 'JobAbandonedError'

  constructor(
    readonly jobId: string,
    readonly deadlineMs: number,
  ) {
    super(
      `Job ${jobId} still ran ${Math.round(deadlineMs)} ms after its pool was stopped; its outcome is unknown.`,
      {
        code: 'JOB_ABANDONED',
        retryable: false,
      },
    )
  }
}

/** A job threw something that is no Error; `cause` has it. Code `JOB_FAILED`, not retryable. */
export class JobFailedError extends KerpError {
  static override readonly errorName = 'JobFailedError'

  constructor(
    readonly jobId: string,
    thrown: unknown,
  ) {
    super(`Job ${jobId} threw ${describeValue(thrown)}, which is no Error.`, {
      code: 'JOB_FAILED',
      retryable: false,
      cause: thrown,
    })
  }
}

/** The source of a map threw; everything that it had given was worked through. Code `SOURCE_FAILED`, not retryable. */
export class SourceFailedError extends KerpError {
  static override readonly errorName = 'SourceFailedError'

  constructor(
    /** Items that the source had given before. */
    readonly itemsRead: number,
    cause: unknown,
  ) {
    super(`The source threw after it had given ${itemsRead} items.`, {
      code: 'SOURCE_FAILED',
      retryable: false,
      cause,
    })
  }
}

/** More items failed than `errorsMax` allows; `cause` is the last failure. Code `ERROR_BUDGET_EXCEEDED`, not retryable. */
export class ErrorBudgetExceededError extends KerpError {
  static override readonly errorName = 'ErrorBudgetExceededError'

  constructor(
    readonly errorsMax: number,
    readonly itemsFailed: number,
    cause: unknown,
  ) {
    super(`${itemsFailed} items failed, at most ${errorsMax} may.`, {
      code: 'ERROR_BUDGET_EXCEEDED',
      retryable: false,
      cause,
    })
  }
}

/** An item of a batch was planned, and is gone. Code `BATCH_ITEM_MISSING`, not retryable. */
export class BatchItemMissingError extends KerpError {
  static override readonly errorName = 'BatchItemMissingError'

  constructor(readonly itemId: string) {
    super(`Item ${JSON.stringify(itemId)} was planned, and is no longer there.`, {
      code: 'BATCH_ITEM_MISSING',
      retryable: false,
    })
  }
}

/** `runMany` of a batch must answer once for each item. Code `BATCH_ANSWERS`, not retryable. */
export class BatchAnswersError extends KerpError {
  static override readonly errorName = 'BatchAnswersError'

  constructor(expected: number, got: number) {
    super(`A batch must answer once for each of ${expected} items, it answered ${got} times.`, {
      code: 'BATCH_ANSWERS',
      retryable: false,
    })
  }
}

/**
 * A chunk was claimed again and again and never came to an end: it may end the process that works on it. Code
 * `BATCH_CHUNK_ABANDONED`, not retryable.
 */
export class BatchChunkAbandonedError extends KerpError {
  static override readonly errorName = 'BatchChunkAbandonedError'

  constructor(
    readonly number: number,
    readonly claims: number,
  ) {
    super(`Chunk ${number} was claimed ${claims} times and never ended.`, {
      code: 'BATCH_CHUNK_ABANDONED',
      retryable: false,
    })
  }
}

/** The source of a batch gave more items than it may. Code `BATCH_TOO_LARGE`, not retryable. */
export class BatchTooLargeError extends KerpError {
  static override readonly errorName = 'BatchTooLargeError'

  constructor(readonly itemsMax: number) {
    super(`A batch may have at most ${itemsMax} items.`, { code: 'BATCH_TOO_LARGE', retryable: false })
  }
}

/**
 * The run of this key was opened with other params, or its id belongs to a run of another key; nothing was started. Code
 * `BATCH_CONFLICT`, not retryable.
 */
export class BatchConflictError extends KerpError {
  static override readonly errorName = 'BatchConflictError'

  constructor(
    readonly companyId: string,
    readonly runId: string,
  ) {
    super(`The batch run ${JSON.stringify(runId)} was opened before with other params.`, {
      code: 'BATCH_CONFLICT',
      retryable: false,
    })
  }
}

/**
 * A batch's source answered what cannot be planned: no list of ids, an id twice, more than a page. The run ends as failed. Code
 * `BATCH_SOURCE_INVALID`, not retryable.
 */
export class BatchSourceError extends KerpError {
  static override readonly errorName = 'BatchSourceError'

  constructor(runId: string, wrong: string, cause?: unknown) {
    super(`The source of the batch run ${JSON.stringify(runId)} is invalid: ${wrong}`, {
      code: 'BATCH_SOURCE_INVALID',
      retryable: false,
      cause,
    })
  }
}

/**
 * Sections of a fan-out that its caller needs did not succeed. `values` and `errors` have what is known of all. Code
 * `FAN_OUT_INCOMPLETE`, retryable if the first failure among the needed ones is; that failure is the `cause`.
 */
export class FanOutError extends KerpError {
  static override readonly errorName = 'FanOutError'

  constructor(
    /** Names of the needed sections that did not succeed, in the order of the input. */
    readonly missing: readonly string[],
    readonly values: Readonly<Record<string, unknown>>,
    readonly errors: Readonly<Record<string, Error>>,
    cause: Error | undefined,
  ) {
    super(`These sections are needed and did not succeed: ${missing.join(', ')}.`, {
      code: 'FAN_OUT_INCOMPLETE',
      retryable: cause instanceof KerpError && cause.retryable,
      cause,
    })
  }
}

/** What a thread tells of an error. */
export interface ThrownInThread {
  readonly name?: string | undefined
  readonly message?: string | undefined
  readonly stack?: string | undefined
  readonly code?: string | undefined
  readonly retryable?: boolean | undefined
  /** Something that was thrown and is no Error, as text. */
  readonly thrown?: string | undefined
}

/** A task threw in its thread. Code `CPU_TASK_FAILED`; retryable if the task's own error says so. */
export class CpuTaskError extends KerpError {
  static override readonly errorName = 'CpuTaskError'
  /** The code of the task's own error, if it had one. */
  readonly taskCode: string | undefined
  /** Where the task's own error came from. */
  readonly taskStack: string | undefined

  constructor({ name = 'Error', message, stack, code, retryable = false, thrown }: ThrownInThread) {
    const said =
      thrown === undefined ? `${name}: ${message ?? ''}` : `${describeValue(thrown)}, which is no Error`
    super(`A task failed in its thread with ${said}`, { code: 'CPU_TASK_FAILED', retryable })
    this.taskCode = code
    this.taskStack = stack
  }
}

/** A thread ended while it ran a job. Code `CPU_THREAD_LOST`, not retryable: the task may be what ended it. */
export class CpuThreadLostError extends KerpError {
  static override readonly errorName = 'CpuThreadLostError'

  constructor(readonly jobId: string) {
    super(`The thread that ran job ${jobId} has ended.`, { code: 'CPU_THREAD_LOST', retryable: false })
  }
}

/** The module of a pool of threads cannot be loaded. Code `CPU_ENTRY_FAILED`, not retryable. */
export class CpuEntryError extends KerpError {
  static override readonly errorName = 'CpuEntryError'

  constructor(message: string) {
    super(`The module for the threads cannot be loaded: ${message}`, {
      code: 'CPU_ENTRY_FAILED',
      retryable: false,
    })
  }
}
