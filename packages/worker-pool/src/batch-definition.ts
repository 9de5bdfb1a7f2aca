/** The parts of a durable batch as a host writes them; `defineBatch` makes a batch of them. */

import type { BatchItemDone, BatchRun } from '@kerp/core'

/** What a function of a batch knows of its item's place. */
export interface BatchItemContext {
  readonly companyId: string
  readonly runId: string
  readonly itemId: string
  /**
   * The same for every attempt at this item, and of no other item of any run: what an external system needs to tell a
   * repetition.
   */
  readonly idempotencyKey: string
  /** Aborts when the worker is closed for good, or the item's time is up. */
  readonly signal: AbortSignal
}

/** Which ids to list. */
export interface BatchPage {
  /** The last id of the page before; undefined for the first. */
  readonly after: string | undefined
  readonly limit: number
}

/** Bounds of a batch; the run keeps them as they are when it is opened. */
export interface BatchBounds {
  /** Items of one chunk: they are committed together, and redone together after a crash. @defaultValue 200 */
  readonly chunkItems?: number | undefined
  /** Failed items that a run may have and still be finished. @defaultValue 0 */
  readonly failuresMax?: number | undefined
  /** With more failed items the run stops at once. @defaultValue 100 */
  readonly stopAfterFailures?: number | undefined
  /** Attempts at one item, for errors that say that they may be repeated. @defaultValue 3 */
  readonly attemptsMax?: number | undefined
  /** How long all attempts at one item may take, in ms. @defaultValue 60_000 */
  readonly itemDeadlineMs?: number | undefined
  /** Items of one chunk that are worked on at once. @defaultValue 16 */
  readonly itemsAtOnce?: number | undefined
  /** Claims of one chunk: one that ends every process which takes it is given up then. @defaultValue 20 */
  readonly chunkAttemptsMax?: number | undefined
}

/** How items become results: one by one, or a chunk at a time, for example by threads. */
export type BatchWork<Params, Item, Result> =
  | { readonly run: (item: Item, context: BatchItemContext, params: Params) => Promise<Result> | Result }
  | {
      /** Answers one result, or the error, for each item, in their order. */
      readonly runMany: (
        items: readonly Item[],
        context: Omit<BatchItemContext, 'itemId' | 'idempotencyKey'>,
        params: Params,
      ) => Promise<readonly BatchAnswer<Result>[]>
    }

/** The answer for one item of `runMany`. */
export type BatchAnswer<Result> = { readonly result: Result } | { readonly error: unknown }

/** A batch as it is defined. `Tx` is what the ledger writes effects with. */
export type BatchDefinition<Params, Item, Result, Tx> = BatchBounds &
  BatchWork<Params, Item, Result> & {
    /** Part of every run's identity: letters, digits, `-` and `_`. */
    readonly name: string
    readonly companyId: (params: Params) => string
    /**
     * The rest of the identity, for example the month: a second start with the same key and the same params is the same run,
     * one with other params is refused.
     */
    readonly key: (params: Params) => readonly string[]
    /** Reads params back from the JSON that they were written as. */
    readonly readParams: (stored: unknown) => Params
    /**
     * Lists ids in a fixed order, each once: `WHERE id > after ORDER BY id LIMIT limit`. An id that comes twice, on whatever
     * pages, or an error that says that it may not be repeated, ends the run as failed; any other error is tried again.
     */
    readonly ids: (params: Params, page: BatchPage) => Promise<readonly string[]>
    /** Answers the items in the order of their ids; undefined for one that is gone. */
    readonly load: (params: Params, ids: readonly string[]) => Promise<readonly (Item | undefined)[]>
    /**
     * Amounts of a result, by name, at most 32. The run carries their sums over all items with an effect, exact at
     * every moment, so that progress in amounts costs one row, too. @defaultValue none
     */
    readonly totals?: Readonly<Record<string, (result: Result) => bigint>> | undefined
    /** Writes what the results mean, in the transaction that marks their chunk done. */
    readonly effects: (tx: Tx, done: readonly BatchItemDone<Result>[], params: Params) => Promise<void>
    /** Writes what the whole run means, in the transaction that marks it done. */
    readonly finish?: ((tx: Tx, run: BatchRun, params: Params) => Promise<void>) | undefined
  }
