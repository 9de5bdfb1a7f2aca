/** A run as its starter, or anybody who knows its identity, sees and steers it. */

import {
  type BatchFailure,
  type BatchFailureQuery,
  type BatchLedger,
  type BatchRun,
  type BatchRunRef,
  type Clock,
  InvalidInputError,
  sleep,
} from '@kerp/core'

/** A run with its pace, for a bar. */
export interface BatchProgress {
  readonly run: BatchRun
  /** Items that have ended, done and failed alike. */
  readonly ended: number
  /** Since the watching began; undefined before the second look. */
  readonly itemsPerSecond: number | undefined
  /** How long the items that are planned will take at this pace, in ms. */
  readonly etaMs: number | undefined
}

/** How a run is watched. */
export interface BatchWatchOptions {
  /** How often the run is read, in ms. @defaultValue 100 */
  readonly everyMs?: number | undefined
  /** Ends the watching with its reason; the run goes on. */
  readonly signal?: AbortSignal | undefined
}

/** What steering needs of a ledger. */
export type RunLedger = Pick<BatchLedger<never>, 'read' | 'failures' | 'cancel' | 'resume'>

/** Steers one run; holds nothing open. */
export class BatchRunHandle implements BatchRunRef {
  readonly companyId: string
  readonly runId: string
  /** Whether this start opened the run; false: it was there before. */
  readonly isNew: boolean
  readonly #ledger: RunLedger
  readonly #clock: Clock
  readonly #wake: () => void

  constructor(
    ref: BatchRunRef,
    facts: {
      readonly isNew: boolean
      readonly ledger: RunLedger
      readonly clock: Clock
      readonly wake: () => void
    },
  ) {
    this.companyId = ref.companyId
    this.runId = ref.runId
    this.isNew = facts.isNew
    this.#ledger = facts.ledger
    this.#clock = facts.clock
    this.#wake = facts.wake
  }

  /** The run as it stands: one row, however large the run is. */
  async read(): Promise<BatchRun> {
    const run = await this.#ledger.read(this)
    // A run is kept for ever: without its row its batch could run twice.
    if (run === undefined) throw new InvalidInputError('runId', 'a run that was opened', this.runId)
    return run
  }

  /** Looks again and again until the run has ended; the last answer is the run as it ended. */
  async *watch({ everyMs = 100, signal }: BatchWatchOptions = {}): AsyncIterable<BatchProgress> {
    const beginMs = this.#clock.monotonicMs()
    let first: number | undefined
    for (;;) {
      const run = await this.read()
      const ended = run.itemsDone + run.itemsFailed
      first ??= ended
      const seconds = (this.#clock.monotonicMs() - beginMs) / 1_000
      const itemsPerSecond = ended > first && seconds > 0 ? (ended - first) / seconds : undefined
      const etaMs = itemsPerSecond === undefined ? undefined : ((run.items - ended) / itemsPerSecond) * 1_000
      yield { run, ended, itemsPerSecond, etaMs }
      if (run.state !== 'running') return
      await sleep(this.#clock, everyMs, signal)
    }
  }

  /** Resolves with the run as it ended, well or not. */
  async ended(options: BatchWatchOptions = {}): Promise<BatchRun> {
    let last: BatchRun | undefined
    for await (const { run } of this.watch(options)) last = run
    return last ?? this.read()
  }

  /** Items that failed, page by page, each with its code and message. */
  failures(query: BatchFailureQuery): Promise<readonly BatchFailure[]> {
    return this.#ledger.failures(this, query)
  }

  /** When it resolves, no further effect of this run is committed, by any process. */
  cancel(): Promise<BatchRun> {
    return this.#ledger.cancel(this)
  }

  /** Takes up a cancelled or failed run where it stands. */
  resume(): Promise<BatchRun> {
    return this.#takenUp(false)
  }

  /** Takes it up with its failed items, each once more. */
  retryFailed(): Promise<BatchRun> {
    return this.#takenUp(true)
  }

  async #takenUp(retryFailed: boolean): Promise<BatchRun> {
    const run = await this.#ledger.resume(this, { retryFailed })
    this.#wake()
    return run
  }
}
