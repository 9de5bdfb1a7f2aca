/**
 * What a durable batch is: where its items come from, what is computed for each, and what is written for them.
 *
 * Nothing here runs anything. `Batches` does, on one or many processes; the ledger keeps what is done.
 */

import type { BatchChunk, BatchLedger, BatchOpening, BatchRun } from '@kerp/core'
import type { BatchDefinition, BatchPage } from './batch-definition.js'
import { checkTotals, resolveBatchBounds } from './batch-options.js'
import { type ChunkResult, workChunk } from './batch-items.js'

/** A batch without its types of items and results: all that working on it needs. */
export interface RunnableBatch<Tx> {
  readonly name: string
  listIds(run: BatchRun, page: BatchPage): Promise<readonly string[]>
  /** Loads and computes a chunk; what it came to is committed by a call of its own. */
  work(run: BatchRun, chunk: BatchChunk, signal: AbortSignal): Promise<ChunkResult<Tx>>
  finish(tx: Tx, run: BatchRun): Promise<void>
}

/** A batch that can be started. */
export interface Batch<Params, Tx> extends RunnableBatch<Tx> {
  /** The run of these params: its identity and its bounds. */
  opening(params: Params): BatchOpening
}

/**
 * Defines a batch. The run of `payroll` for company `c1` and key `2026-06` is `payroll/c1/2026-06`, for ever.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function defineBatch<Params, Item, Result, Tx>(
  definition: BatchDefinition<Params, Item, Result, Tx>,
): Batch<Params, Tx> {
  const bounds = resolveBatchBounds(definition.name, definition)
  checkTotals(definition.totals)
  const paramsOf = (run: BatchRun): Params => definition.readParams(JSON.parse(run.params))
  return {
    name: definition.name,
    opening(params) {
      const companyId = definition.companyId(params)
      return {
        companyId,
        runId: [definition.name, companyId, ...definition.key(params)].join('/'),
        batch: definition.name,
        params: JSON.stringify(params),
        chunkItems: bounds.chunkItems,
        failuresMax: bounds.failuresMax,
        stopAfterFailures: bounds.stopAfterFailures,
      }
    },
    listIds: (run, page) => definition.ids(paramsOf(run), page),
    async work(run, chunk, signal) {
      const params = paramsOf(run)
      const outcomes = await workChunk({ definition, bounds, params, chunk, signal })
      return {
        done: outcomes.done.length,
        failed: outcomes.failed.length,
        commit: (ledger: BatchLedger<Tx>) =>
          ledger.commit(chunk, outcomes, (tx, done) => definition.effects(tx, done, params)),
      }
    },
    async finish(tx, run) {
      await definition.finish?.(tx, run, paramsOf(run))
    },
  }
}
