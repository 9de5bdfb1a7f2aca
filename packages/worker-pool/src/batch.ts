/**
 * What a durable batch is: where its items come from, what is computed for each, and what is written for them.
 *
 * Nothing here runs anything. `Batches` does, on one or many processes; the ledger keeps what is done.
 */

import {
  type BatchChunk,
  type BatchLedger,
  type BatchOpening,
  type BatchRun,
  describeValue,
  joinNames,
  objectOptions,
} from '@kerp/core'
import type { BatchDefinition, BatchPage } from './batch-definition.js'
import { checkTotals, resolveBatchBounds } from './batch-options.js'
import { type ChunkResult, workChunk } from './batch-items.js'
import { BatchSourceError } from './errors.js'

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
  /** The id that versions before this gave the run of these params, which did not escape names; undefined for the same one. */
  formerRunId(params: Params): string | undefined
  /** The id of the run of a stored run's params. @throws {BatchSourceError} `BATCH_SOURCE_INVALID` for params that cannot be read. */
  runIdOf(run: BatchRun): string
}

/**
 * Defines a batch. The run of `payroll` for company `c1` and key `2026-06` is `payroll/c1/2026-06`, for ever; `/` and `%` within a
 * name are percent-encoded, so that two keys are two runs.
 *
 * @throws {InvalidOptionError} `INVALID_OPTION`
 */
export function defineBatch<Params, Item, Result, Tx>(
  definition: BatchDefinition<Params, Item, Result, Tx>,
): Batch<Params, Tx> {
  objectOptions('defineBatch', definition)
  const bounds = resolveBatchBounds(definition.name, definition)
  checkTotals(definition.totals)
  const paramsOf = (run: BatchRun): Params => definition.readParams(JSON.parse(run.params))
  const namesOf = (params: Params): readonly string[] => [
    definition.name,
    definition.companyId(params),
    // From JavaScript they may be numbers.
    ...definition.key(params).map(String),
  ]
  return {
    name: definition.name,
    opening(params) {
      return {
        companyId: definition.companyId(params),
        runId: joinNames(namesOf(params)),
        batch: definition.name,
        params: JSON.stringify(params),
        chunkItems: bounds.chunkItems,
        failuresMax: bounds.failuresMax,
        stopAfterFailures: bounds.stopAfterFailures,
      }
    },
    formerRunId(params) {
      const former = namesOf(params).join('/')
      return former === joinNames(namesOf(params)) ? undefined : former
    },
    runIdOf: (run) => joinNames(namesOf(readable(run, paramsOf))),
    async listIds(run, page) {
      const ids: unknown = await definition.ids(readable(run, paramsOf), page)
      if (!Array.isArray(ids)) throw new BatchSourceError(run.runId, `it answered ${describeValue(ids)}.`)
      if (ids.length <= page.limit) return ids as readonly string[]
      const wrong = `it answered ${ids.length} ids for a page of ${page.limit}.`
      throw new BatchSourceError(run.runId, wrong)
    },
    async work(run, chunk, signal) {
      const params = paramsOf(run)
      const outcomes = await workChunk({ definition, bounds, params, run, chunk, signal })
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

/** Params that cannot be read back never can. */
function readable<Params>(run: BatchRun, paramsOf: (run: BatchRun) => Params): Params {
  try {
    return paramsOf(run)
  } catch (error) {
    throw new BatchSourceError(run.runId, 'its params cannot be read back.', error)
  }
}
