/** Runs, chunks and failures as their rows say, and lists of them as parameters. */

import {
  type BatchChunk,
  type BatchChunkRef,
  type BatchFailure,
  type BatchItemDone,
  type BatchRun,
  type BatchRunState,
  type BatchTotals,
  exactValue,
} from '@kerp/core'
import { arrayOf, textArray } from './array-text.js'
import { DatabaseUnsuitableError } from './errors.js'
import { textOf, textOrUndefined, versionOf } from './row-text.js'

type Row = Readonly<Record<string, unknown>>

const STATES: readonly BatchRunState[] = ['running', 'done', 'failed', 'cancelled']

/** A run. */
export function runOf(row: Row): BatchRun {
  const state = STATES.find((known) => known === textOf(row, 'state'))
  if (state === undefined)
    throw new DatabaseUnsuitableError('The database answered an unknown state of a run.')
  return {
    companyId: textOf(row, 'company'),
    runId: textOf(row, 'run_id'),
    batch: textOf(row, 'batch'),
    params: textOf(row, 'params'),
    state,
    chunkItems: versionOf(row, 'chunk_items'),
    failuresMax: versionOf(row, 'failures_max'),
    stopAfterFailures: versionOf(row, 'stop_after_failures'),
    isPlanned: textOf(row, 'is_planned') === 'true',
    cursor: textOrUndefined(row, 'item_cursor'),
    items: versionOf(row, 'items'),
    itemsDone: versionOf(row, 'items_done'),
    itemsFailed: versionOf(row, 'items_failed'),
    chunks: versionOf(row, 'chunks'),
    chunksDone: versionOf(row, 'chunks_done'),
    totals: readTotals(textOf(row, 'totals')),
    keysEscaped: textOf(row, 'keys_escaped') === 'true',
    failureCode: textOrUndefined(row, 'failure_code'),
  }
}

function readTotals(text: string): BatchTotals {
  const stored: unknown = JSON.parse(text)
  const amounts = Object.entries(typeof stored === 'object' && stored !== null ? stored : {})
  return exactValue(Object.fromEntries(amounts.map(([name, amount]) => [name, BigInt(String(amount))])))
}

/** What items add to the totals of their run, as two array parameters: names and amounts. */
export function totalsOf(done: readonly BatchItemDone<unknown>[]): string[] {
  const sums = new Map<string, bigint>()
  for (const { totals = {} } of done) {
    for (const [name, amount] of Object.entries(totals)) sums.set(name, (sums.get(name) ?? 0n) + amount)
  }
  return [textArray([...sums.keys()]), arrayOf([...sums.values()])]
}

/** A chunk without its items. */
export function chunkRefOf(row: Row): BatchChunkRef {
  return {
    companyId: textOf(row, 'company'),
    runId: textOf(row, 'run_id'),
    number: versionOf(row, 'number'),
    fence: textOf(row, 'fence'),
  }
}

/** A chunk that was claimed. */
export function chunkOf(row: Row): BatchChunk {
  const itemIds: unknown = JSON.parse(textOf(row, 'items'))
  if (!Array.isArray(itemIds) || !itemIds.every((id) => typeof id === 'string')) {
    throw new DatabaseUnsuitableError('The database answered a chunk whose items are no list of ids.')
  }
  return { ...chunkRefOf(row), attempt: versionOf(row, 'fence'), itemIds }
}

/** An item that failed. */
export function failureOf(row: Row): BatchFailure {
  return { itemId: textOf(row, 'item_id'), code: textOf(row, 'code'), message: textOf(row, 'message') }
}

/** Chunks as the four columns of a parameter list. */
export function chunkColumns(chunks: readonly BatchChunkRef[]): string[] {
  return [
    textArray(chunks.map(({ companyId }) => companyId)),
    textArray(chunks.map(({ runId }) => runId)),
    arrayOf(chunks.map(({ number }) => number)),
    arrayOf(chunks.map(({ fence }) => BigInt(fence))),
  ]
}

/** Ids cut into chunks, each as a JSON list, as one array parameter. */
export function chunkLists(itemIds: readonly string[], chunkItems: number): string {
  const lists: string[] = []
  for (let from = 0; from < itemIds.length; from += chunkItems) {
    lists.push(JSON.stringify(itemIds.slice(from, from + chunkItems)))
  }
  return textArray(lists)
}
