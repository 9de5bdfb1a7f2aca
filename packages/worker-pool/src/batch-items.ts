/** Computes one chunk: loads its items, runs them with retries and a deadline, and sorts results from failures. */

import {
  type BatchChunk,
  type BatchCommit,
  type BatchFailure,
  type BatchItemDone,
  type BatchLedger,
  type BatchOutcomes,
  type BatchRun,
  describeAmount,
  InvalidInputError,
  joinNames,
  KerpError,
  retry,
  withDeadline,
  thrownText,
} from '@kerp/core'
import type { BatchAnswer, BatchDefinition, BatchItemContext } from './batch-definition.js'
import type { ResolvedBatchBounds } from './batch-options.js'
import { BatchAnswersError, BatchChunkAbandonedError, BatchItemMissingError } from './errors.js'
import { TurnPace } from './turn-pace.js'

/** What a chunk came to, before it is committed. */
export interface ChunkResult<Tx> {
  readonly done: number
  readonly failed: number
  commit(ledger: BatchLedger<Tx>): Promise<BatchCommit>
}

/** What computing a chunk needs. */
export interface ChunkWork<Params, Item, Result, Tx> {
  readonly definition: BatchDefinition<Params, Item, Result, Tx>
  readonly bounds: ResolvedBatchBounds
  readonly params: Params
  readonly run: BatchRun
  readonly chunk: BatchChunk
  readonly signal: AbortSignal
}

/** Every item of the chunk ends in one of the two lists; only what stops the whole chunk is thrown. */
export async function workChunk<Params, Item, Result, Tx>(
  work: ChunkWork<Params, Item, Result, Tx>,
): Promise<BatchOutcomes<Result>> {
  const { definition, bounds, params, chunk } = work
  if (chunk.attempt > bounds.chunkAttemptsMax) return abandoned(chunk)
  const items = await definition.load(params, chunk.itemIds)
  const found = chunk.itemIds.map((itemId, index) => ({ itemId, item: items[index] }))
  const answers = 'runMany' in definition ? await runMany(work, found) : await runEach(work, found)
  const done: BatchItemDone<Result>[] = []
  const failed: BatchFailure[] = []
  for (const [index, { itemId }] of found.entries()) {
    const answer = answers[index] ?? { error: new BatchAnswersError(found.length, answers.length) }
    const ended = 'error' in answer ? answer : withTotals(itemId, answer.result, definition.totals)
    if ('error' in ended) failed.push(failureOf(itemId, ended.error))
    else done.push(ended)
  }
  // What failed because this worker is being closed is not the item's fault: somebody else takes the chunk.
  if (failed.length > 0) work.signal.throwIfAborted()
  return { done, failed }
}

function withTotals<Result>(
  itemId: string,
  result: Result,
  parts: Readonly<Record<string, (result: Result) => bigint>> | undefined,
): BatchItemDone<Result> | { readonly error: unknown } {
  if (parts === undefined) return { itemId, result }
  try {
    const amounts = Object.entries(parts).map(([name, amountOf]) => {
      const amount: unknown = amountOf(result)
      if (typeof amount !== 'bigint') {
        throw new InvalidInputError(`totals.${name}`, 'a bigint', amount, undefined, describeAmount)
      }
      return [name, amount] as const
    })
    return { itemId, result, totals: Object.fromEntries(amounts) }
  } catch (error) {
    return { error }
  }
}

interface Found<Item> {
  readonly itemId: string
  readonly item: Item | undefined
}

async function runEach<Params, Item, Result, Tx>(
  work: ChunkWork<Params, Item, Result, Tx>,
  found: readonly Found<Item>[],
): Promise<readonly BatchAnswer<Result>[]> {
  const answers: BatchAnswer<Result>[] = []
  let next = 0
  const pace = new TurnPace()
  const take = async (): Promise<void> => {
    for (let index = next++; index < found.length; index = next++) {
      const one = found[index]
      if (one !== undefined) answers[index] = await runOne(work, one)
      await pace.pieceDone()
    }
  }
  await Promise.all(Array.from({ length: Math.min(work.bounds.itemsAtOnce, found.length) }, take))
  return answers
}

async function runOne<Params, Item, Result, Tx>(
  work: ChunkWork<Params, Item, Result, Tx>,
  { itemId, item }: Found<Item>,
): Promise<BatchAnswer<Result>> {
  const { definition, bounds, params, run, chunk, signal } = work
  if (item === undefined) return { error: new BatchItemMissingError(itemId) }
  if (!('run' in definition)) return { error: new BatchAnswersError(1, 0) }
  if (signal.aborted) return { error: signal.reason }
  const { companyId, runId } = chunk
  const context: BatchItemContext = {
    companyId,
    runId,
    itemId,
    // A run goes on with the keys that it began with: another system knows them.
    idempotencyKey: run.keysEscaped ? `${runId}/${joinNames([itemId])}` : `${runId}/${itemId}`,
    signal,
  }
  try {
    const first = definition.run(item, context, params)
    // Work that is done at once needs neither a timer nor a second attempt.
    if (!(first instanceof Promise)) return { result: first }
    let attempt: Promise<Result> | undefined = first
    const again = async (): Promise<Result> => {
      const current = attempt ?? definition.run(item, context, params)
      attempt = undefined
      return current
    }
    const { attemptsMax, itemDeadlineMs: deadlineMs } = bounds
    return { result: await retry(again, { operation: `item of ${runId}`, deadlineMs, attemptsMax, signal }) }
  } catch (error) {
    return { error }
  }
}

async function runMany<Params, Item, Result, Tx>(
  work: ChunkWork<Params, Item, Result, Tx>,
  found: readonly Found<Item>[],
): Promise<readonly BatchAnswer<Result>[]> {
  const { definition, bounds, params, chunk, signal } = work
  if (!('runMany' in definition)) return []
  const { companyId, runId } = chunk
  const there = found.flatMap(({ item }) => (item === undefined ? [] : [item]))
  const given = await withDeadline(definition.runMany(there, { companyId, runId, signal }, params), {
    operation: `chunk of ${runId}`,
    deadlineMs: bounds.itemDeadlineMs,
    outcome: 'notDone',
  })
  if (given.length !== there.length) throw new BatchAnswersError(there.length, given.length)
  const answers = given.values()
  return found.map(({ itemId, item }) => {
    const answer = item === undefined ? undefined : answers.next().value
    return answer ?? { error: new BatchItemMissingError(itemId) }
  })
}

function abandoned(chunk: BatchChunk): BatchOutcomes<never> {
  const error = new BatchChunkAbandonedError(chunk.number, chunk.attempt - 1)
  return { done: [], failed: chunk.itemIds.map((itemId) => failureOf(itemId, error)) }
}

const MESSAGE_MAX = 500

function failureOf(itemId: string, error: unknown): BatchFailure {
  const code = error instanceof KerpError ? error.code : 'ITEM_FAILED'
  return { itemId, code, message: thrownText(error).slice(0, MESSAGE_MAX) }
}
