/**
 * What a host implements, or takes ready-made from `@kerp/postgres`, to keep durable batches: which chunks of a run
 * are done. A chunk is marked done in the transaction of its effects, so that work which is delivered at least once
 * has its effect exactly once.
 */

/** Names a run. The run id is its identity for ever: `payroll/c1/2026-06` is one payroll, however often it is started. */
export interface BatchRunRef {
  readonly companyId: string
  readonly runId: string
}

/** `running` until it ends; a `failed` or `cancelled` run may be taken up again, a `done` one never. */
export type BatchRunState = 'running' | 'done' | 'failed' | 'cancelled'

/** What a run is opened with; one that exists is left as it is. */
export interface BatchOpening extends BatchRunRef {
  /** The name of its definition. */
  readonly batch: string
  /** What its definition needs, as text. */
  readonly params: string
  /** Items of one chunk. */
  readonly chunkItems: number
  /** With more failed items than this the run ends as `failed` instead of `done`. */
  readonly failuresMax: number
  /** With more failed items than this the run stops at once, as `failed`. */
  readonly stopAfterFailures: number
}

/** Amounts by name, for example the gross and the net of pay slips. */
export type BatchTotals = Readonly<Record<string, bigint>>

/** A run as it stands; reading it costs the same however large it is. */
export interface BatchRun extends BatchOpening {
  readonly state: BatchRunState
  /** Whether every item of the source is in a chunk, so that `items` is the total. */
  readonly isPlanned: boolean
  /** The last item that was planned, where the source reads on; undefined before the first. */
  readonly cursor: string | undefined
  /** Items planned, and of these, those with an effect and those that failed. */
  readonly items: number
  readonly itemsDone: number
  readonly itemsFailed: number
  readonly chunks: number
  readonly chunksDone: number
  /** The sums of what its items with an effect count for, exact at every moment. */
  readonly totals: BatchTotals
  /** Whether names are escaped in the idempotency keys of its items; false for a run that a version before this opened. */
  readonly keysEscaped: boolean
  /** Why a failed run failed, as an error code; undefined for one with too many failed items. */
  readonly failureCode: string | undefined
}

/** Items of a run that were not in a chunk yet. */
export interface BatchPlan {
  /** The run's cursor as the planner read it: another planner that was faster is not overwritten. */
  readonly after: string | undefined
  readonly itemIds: readonly string[]
  /** The source has no more. */
  readonly isLast: boolean
}

/** A chunk that a worker may work on until its lease runs out. */
export interface BatchChunk extends BatchRunRef {
  readonly number: number
  /** Grows with each claim of this chunk. */
  readonly fence: string
  /** How often it was claimed, this time included. */
  readonly attempt: number
  readonly itemIds: readonly string[]
}

/** Names a chunk that nobody works on. */
export interface BatchChunkRef extends BatchRunRef {
  readonly number: number
  readonly fence: string
}

/** Which chunk to claim, and for how long. */
export interface BatchClaim {
  readonly leaseMs: number
  /** This chunk only. @defaultValue the first that is free */
  readonly number?: number | undefined
}

/** What an item came to. */
export interface BatchItemDone<Result> {
  readonly itemId: string
  readonly result: Result
  /** What the item adds to the totals of its run, in the transaction of its effect. */
  readonly totals?: BatchTotals | undefined
}

/** An item that failed for good; `code` is an error code. */
export interface BatchFailure {
  readonly itemId: string
  readonly code: string
  readonly message: string
}

/** What a chunk came to: each of its items is in one of the two lists. */
export interface BatchOutcomes<Result> {
  readonly done: readonly BatchItemDone<Result>[]
  readonly failed: readonly BatchFailure[]
}

/**
 * Writes the effects of items in the transaction that marks their chunk done. It may be called several times, each
 * time after a rollback of the time before: what it writes outside the transaction is not undone.
 */
export type BatchEffects<Tx, Result> = (tx: Tx, done: readonly BatchItemDone<Result>[]) => Promise<void>

/**
 * `committed`: by this call, or by an earlier try of it · `duplicate`: somebody else was first, nothing was written ·
 * `stopped`: the run is no longer running, nothing was written.
 */
export type BatchCommit = 'committed' | 'duplicate' | 'stopped'

/** A page of failed items, in the order of their ids. */
export interface BatchFailureQuery {
  readonly after?: string | undefined
  readonly limit: number
}

/** Where runs and their chunks are kept. `Tx` is what effects write with, for example a `Queryable`. */
export interface BatchLedger<Tx> {
  /** Opens a run, or answers the one of this identity as it stands. */
  open(opening: BatchOpening): Promise<{ readonly run: BatchRun; readonly isNew: boolean }>
  read(ref: BatchRunRef): Promise<BatchRun | undefined>
  /** Runs of these definitions that are running, oldest first. */
  running(batches: readonly string[], limit: number): Promise<readonly BatchRun[]>
  /**
   * Cuts items into chunks and moves the cursor, both or none; `overtaken` when another planner was first. An id that the run
   * has from a page before is refused with `InvalidInputError`: its item would have its effect twice.
   */
  plan(ref: BatchRunRef, plan: BatchPlan): Promise<'planned' | 'overtaken'>
  /** Takes a chunk that is not done and whose lease, if any, has run out. */
  claim(ref: BatchRunRef, claim: BatchClaim): Promise<BatchChunk | undefined>
  /** Chunks that could be claimed now, in order. */
  claimable(ref: BatchRunRef, limit: number): Promise<readonly BatchChunkRef[]>
  /** Extends leases; answers those that are still held. */
  extend(chunks: readonly BatchChunkRef[], leaseMs: number): Promise<readonly BatchChunkRef[]>
  /** Ends leases without an outcome, so that others need not wait for them. */
  release(chunks: readonly BatchChunkRef[]): Promise<void>
  /**
   * Writes the effects, the failures, the counters, the totals and the mark of the chunk in one transaction. Whoever marks the
   * chunk first wins, lease or not: work that outlasts its lease is done once all the same. Items whose effects are
   * refused are found one by one and kept as failed; the others have their effect.
   */
  commit<Result>(
    chunk: BatchChunkRef,
    outcomes: BatchOutcomes<Result>,
    effects: BatchEffects<Tx, Result>,
  ): Promise<BatchCommit>
  /**
   * Ends a run whose chunks are all done: as `failed` with too many failed items, else as `done`, with what `work`
   * writes in the same transaction. Answers the run as it stands then; without effect on any other run.
   */
  finish(ref: BatchRunRef, work: (tx: Tx, run: BatchRun) => Promise<void>): Promise<BatchRun>
  /** Ends a running run as `failed`, with the code that says why. */
  fail(ref: BatchRunRef, code: string): Promise<BatchRun>
  /** When it resolves, no chunk is committed any more. */
  cancel(ref: BatchRunRef): Promise<BatchRun>
  /** Takes up a cancelled or failed run where it stands; `retryFailed` puts its failed items into new chunks. */
  resume(ref: BatchRunRef, options?: { readonly retryFailed?: boolean | undefined }): Promise<BatchRun>
  failures(ref: BatchRunRef, query: BatchFailureQuery): Promise<readonly BatchFailure[]>
}
