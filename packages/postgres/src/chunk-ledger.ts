/**
 * Durable batches in PostgreSQL: a chunk is marked done in the transaction that writes its effects.
 *
 * A lease only says whom the others wait for; it decides nothing. Two workers may work on one chunk, after a pause, a
 * long computation or a second delivery; the mark is a row that only the first of them can set, and the second one
 * rolls back.
 */

import {
  type BatchChunk,
  type BatchChunkRef,
  type BatchClaim,
  type BatchCommit,
  type BatchEffects,
  type BatchFailure,
  type BatchFailureQuery,
  type BatchLedger,
  type BatchOpening,
  type BatchOutcomes,
  type BatchPlan,
  type BatchRun,
  type BatchRunRef,
  InvalidInputError,
} from '@kerp/core'
import { textArray } from './array-text.js'
import { writeEffects } from './chunk-effects.js'
import { chunkColumns, chunkLists, chunkOf, chunkRefOf, failureOf, runOf, totalsOf } from './chunk-rows.js'
import { type ChunkStatements, chunkStatements } from './chunk-statements.js'
import {
  checkItemIds,
  checkOpening,
  checkRunRef,
  chunkNumberText,
  type ChunkLedgerOptions,
  leaseText,
  resolveChunkLedgerOptions,
} from './chunk-options.js'
import { Database } from './database.js'
import type { DatabaseClient } from './database-pool.js'
import { BatchRunMissingError, BatchRunStateError } from './errors.js'
import { limitText } from './identifiers.js'
import { type Queryable, queryableOf } from './queryable.js'
import { assertWritten, textOf } from './row-text.js'

type Rows = readonly Readonly<Record<string, unknown>>[]

/** Keeps runs and chunks; effects write with a `Queryable` of the chunk's own transaction. Holds nothing open. */
export class ChunkLedger implements BatchLedger<Queryable> {
  readonly #database: Database
  readonly #deadlineMs: number
  readonly #sql: ChunkStatements

  constructor(options: ChunkLedgerOptions) {
    this.#database = Database.of('ChunkLedger', options)
    const { schema, deadlineMs } = resolveChunkLedgerOptions(options)
    this.#deadlineMs = deadlineMs
    this.#sql = chunkStatements(schema)
  }

  /** @throws {InvalidInputError} `INVALID_INPUT`; {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable. */
  async open(opening: BatchOpening): Promise<{ readonly run: BatchRun; readonly isNew: boolean }> {
    const { companyId, runId, batch, params, chunkItems, failuresMax, stopAfterFailures } =
      checkOpening(opening)
    const numbers = [chunkItems, failuresMax, stopAfterFailures].map(String)
    const values = [companyId, runId, batch, params, ...numbers]
    // By this call: one may have taken effect although its COMMIT was not answered.
    const own = new Set<string>()
    return this.#transact('opening a run', async (client) => {
      const [made] = (await client.query({ text: this.#sql.open, values })).rows
      if (made !== undefined) own.add(textOf(made, 'opened_at'))
      const found = made ?? (await client.query({ text: this.#sql.read, values: [companyId, runId] })).rows[0]
      if (found === undefined) throw new BatchRunMissingError(runId)
      return { run: runOf(found), isNew: own.has(textOf(found, 'opened_at')) }
    })
  }

  async read(ref: BatchRunRef): Promise<BatchRun | undefined> {
    const [row] = await this.#ask('reading a run', this.#sql.read, namesOf(ref))
    return row === undefined ? undefined : runOf(row)
  }

  /** `limit` is from 1 to 10,000, here and of the other lists. @throws {InvalidInputError} `INVALID_INPUT`. */
  async running(batches: readonly string[], limit: number): Promise<readonly BatchRun[]> {
    const values = [textArray(batches), limitText(limit)]
    return (await this.#ask('listing runs', this.#sql.running, values)).map(runOf)
  }

  /** @throws {InvalidInputError} `INVALID_INPUT`, also for an id that the run has from a page before. */
  async plan(ref: BatchRunRef, { after, itemIds, isLast }: BatchPlan): Promise<'planned' | 'overtaken'> {
    const ids = checkItemIds(itemIds)
    return this.#transact('planning a run', async (client) => {
      const run = await this.#locked(client, ref)
      if (run.state !== 'running' || run.isPlanned || run.cursor !== after) return 'overtaken'
      const isFirst = run.items === 0
      if (ids.length > 0 && !isFirst) await this.#keepIds(client, ref, ids)
      if (isLast && !isFirst) await client.query({ text: this.#sql.forget, values: namesOf(ref) })
      const kept = isLast || isFirst ? 0 : run.items + ids.length
      const values = [
        ...namesOf(ref),
        after ?? null,
        ids.at(-1) ?? after ?? null,
        String(isLast),
        chunkLists(ids, run.chunkItems),
        String(ids.length),
        String(kept),
      ]
      const [row = {}] = (await client.query({ text: this.#sql.plan, values })).rows
      assertWritten(row, chunksOf(ids, run), 'chunks of a run')
      return 'planned'
    })
  }

  /** Under the lock of the run's row, so that two pages never miss each other's ids. */
  async #keepIds(client: DatabaseClient, ref: BatchRunRef, ids: readonly string[]): Promise<void> {
    const values = [...namesOf(ref), textArray(ids)]
    await client.query({ text: this.#sql.keepPlanned, values: namesOf(ref) })
    const [repeated] = (await client.query({ text: this.#sql.repeated, values })).rows
    if (repeated !== undefined) {
      const index = Number(textOf(repeated, 'place')) - 1
      throw new InvalidInputError(`itemIds[${index}]`, 'on no page before, each id once in a run', ids[index])
    }
    const [row = {}] = (await client.query({ text: this.#sql.keep, values })).rows
    assertWritten(row, ids.length, 'ids of a run')
  }

  /** `leaseMs` is from 1 to a day, here and of `extend`. @throws {InvalidInputError} `INVALID_INPUT`. */
  async claim(ref: BatchRunRef, { leaseMs, number }: BatchClaim): Promise<BatchChunk | undefined> {
    const values = [
      ...namesOf(ref),
      leaseText(leaseMs),
      number === undefined ? null : chunkNumberText(number),
    ]
    const [row] = await this.#change('claiming a chunk', this.#sql.claim, values)
    return row === undefined ? undefined : chunkOf(row)
  }

  async claimable(ref: BatchRunRef, limit: number): Promise<readonly BatchChunkRef[]> {
    const values = [...namesOf(ref), limitText(limit)]
    return (await this.#ask('listing chunks', this.#sql.claimable, values)).map(chunkRefOf)
  }

  async extend(chunks: readonly BatchChunkRef[], leaseMs: number): Promise<readonly BatchChunkRef[]> {
    if (chunks.length === 0) return []
    const values = [...chunkColumns(chunks), leaseText(leaseMs)]
    return (await this.#change('extending leases', this.#sql.extend, values)).map(chunkRefOf)
  }

  async release(chunks: readonly BatchChunkRef[]): Promise<void> {
    if (chunks.length > 0) await this.#change('ending leases', this.#sql.release, chunkColumns(chunks))
  }

  /** @throws {DatabaseUnavailableError} `DATABASE_UNAVAILABLE`, retryable: commit the same chunk again. */
  async commit<Result>(
    chunk: BatchChunkRef,
    outcomes: BatchOutcomes<Result>,
    effects: BatchEffects<Queryable, Result>,
  ): Promise<BatchCommit> {
    try {
      return await this.#transact('committing a chunk', (client) =>
        this.#commit(client, chunk, outcomes, effects),
      )
    } catch (error) {
      if (error instanceof BatchRunStateError) return 'stopped'
      throw error
    }
  }

  async #commit<Result>(
    client: DatabaseClient,
    chunk: BatchChunkRef,
    outcomes: BatchOutcomes<Result>,
    effects: BatchEffects<Queryable, Result>,
  ): Promise<BatchCommit> {
    const place = [...namesOf(chunk), String(chunk.number)]
    const marked = await client.query({ text: this.#sql.mark, values: [...place, chunk.fence] })
    if (marked.rows.length === 0) {
      const { rows } = await client.query({ text: this.#sql.markedBy, values: place })
      return textOf(rows[0] ?? {}, 'done_fence') === chunk.fence ? 'committed' : 'duplicate'
    }
    const { written, refused } = await writeEffects(client, outcomes.done, effects)
    const failed = [...outcomes.failed, ...refused]
    if (failed.length > 0) {
      const columns = [
        failed.map(({ itemId }) => itemId),
        failed.map(({ code }) => code),
        failed.map(({ message }) => message.replaceAll('\0', '')),
      ].map(textArray)
      await client.query({ text: this.#sql.keepFailures, values: [...namesOf(chunk), ...columns] })
    }
    const refusedIds = new Set(refused.map(({ itemId }) => itemId))
    const totals = totalsOf(outcomes.done.filter(({ itemId }) => !refusedIds.has(itemId)))
    const counts = [String(written), String(failed.length), ...totals]
    const counted = await client.query({ text: this.#sql.count, values: [...namesOf(chunk), ...counts] })
    // An error, so that what was written is rolled back.
    if (counted.rows.length === 0) throw new BatchRunStateError(chunk.runId, 'running', 'another state')
    return 'committed'
  }

  /** What `work` throws is thrown, and the run stays as it was. */
  async finish(ref: BatchRunRef, work: (tx: Queryable, run: BatchRun) => Promise<void>): Promise<BatchRun> {
    await this.#transact('finishing a run', async (client) => {
      const run = await this.#locked(client, ref)
      if (run.state !== 'running' || !run.isPlanned || run.chunksDone < run.chunks) return
      const state = run.itemsFailed > run.failuresMax ? 'failed' : 'done'
      if (state === 'done') await work(queryableOf(client), run)
      await client.query({ text: this.#sql.end, values: [...namesOf(ref), state, null] })
    })
    return this.#required(ref)
  }

  async fail(ref: BatchRunRef, code: string): Promise<BatchRun> {
    await this.#transact('failing a run', (client) =>
      client.query({ text: this.#sql.end, values: [...namesOf(ref), 'failed', code] }),
    )
    return this.#required(ref)
  }

  /** @throws {BatchRunStateError} `BATCH_RUN_STATE` for a run that is done or failed. */
  async cancel(ref: BatchRunRef): Promise<BatchRun> {
    await this.#transact('cancelling a run', (client) =>
      client.query({ text: this.#sql.end, values: [...namesOf(ref), 'cancelled', null] }),
    )
    const run = await this.#required(ref)
    if (run.state !== 'cancelled') throw new BatchRunStateError(ref.runId, 'running', run.state)
    return run
  }

  /** @throws {BatchRunStateError} `BATCH_RUN_STATE` for a run that is done; a running one is left as it is. */
  async resume(ref: BatchRunRef, { retryFailed = false } = {}): Promise<BatchRun> {
    await this.#transact('taking up a run', async (client) => {
      const run = await this.#locked(client, ref)
      if (run.state === 'done') throw new BatchRunStateError(ref.runId, 'failed or cancelled', run.state)
      if (run.state === 'running') return
      const names = namesOf(ref)
      const dropped = retryFailed
        ? (await client.query({ text: this.#sql.dropFailures, values: names })).rows
        : []
      const ids = dropped.map((row) => textOf(row, 'item_id'))
      const lists = chunkLists(ids, run.chunkItems)
      const before = String(run.chunks)
      const added = await client.query({ text: this.#sql.addChunks, values: [...names, before, lists] })
      assertWritten(added.rows[0] ?? {}, chunksOf(ids, run), 'chunks of a run')
      await client.query({ text: this.#sql.takeUp, values: [...names, String(ids.length), lists] })
    })
    return this.#required(ref)
  }

  async failures(
    ref: BatchRunRef,
    { after = '', limit }: BatchFailureQuery,
  ): Promise<readonly BatchFailure[]> {
    const values = [...namesOf(ref), after, limitText(limit)]
    return (await this.#ask('listing failures', this.#sql.failures, values)).map(failureOf)
  }

  async #required(ref: BatchRunRef): Promise<BatchRun> {
    const run = await this.read(ref)
    if (run === undefined) throw new BatchRunMissingError(ref.runId)
    return run
  }

  async #locked(client: DatabaseClient, ref: BatchRunRef): Promise<BatchRun> {
    const { rows } = await client.query({ text: this.#sql.lockRun, values: namesOf(ref) })
    if (rows[0] === undefined) throw new BatchRunMissingError(ref.runId)
    return runOf(rows[0])
  }

  /** One statement that writes, in a transaction whose COMMIT waits for the disk; each of them may happen twice. */
  #change(operation: string, text: string, values: (string | null)[]): Promise<Rows> {
    return this.#transact(operation, async (client) => (await client.query({ text, values })).rows)
  }

  /** One statement that only reads. */
  #ask(operation: string, text: string, values: (string | null)[]): Promise<Rows> {
    return this.#database.read(operation, this.#deadlineMs, { text, values })
  }

  #transact<T>(operation: string, work: (client: DatabaseClient) => Promise<T>): Promise<T> {
    return this.#database.transact(operation, this.#deadlineMs, work)
  }
}

function chunksOf(itemIds: readonly string[], { chunkItems }: BatchRun): number {
  return Math.ceil(itemIds.length / chunkItems)
}

function namesOf(ref: BatchRunRef): string[] {
  const { companyId, runId } = checkRunRef(ref)
  return [companyId, runId]
}
