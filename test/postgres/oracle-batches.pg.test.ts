/** Every read of durable batches against a plain oracle: runs of eight companies under the same name, of different sizes. */

import type { BatchChunk, BatchFailure, BatchRun } from '@kerp/core'
import { byBytes, seededRandom } from '@kerp/core/testing'
import { ChunkLedger } from '@kerp/postgres'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { allPages, CODES, COMPANIES, expectSame, PAGE_SIZES, together } from './oracle.js'
import { type OwnDatabase, ownDatabase } from './own-database.js'

const SEED = 20_261_203
const RUN = '급여/2026-06'
const LIMITS = { failuresMax: 1_000_000, stopAfterFailures: 1_000_000 }

/** One payroll: its employees, of whom some fail. */
interface Payroll {
  readonly companyId: string
  readonly chunkItems: number
  readonly itemIds: readonly string[]
  readonly failing: ReadonlySet<string>
}

const payrolls = COMPANIES.map((companyId, index): Payroll => {
  const random = seededRandom(SEED + index)
  const count = [260, 130, 9, 10, 11, 99, 100, 101][index] ?? 1
  const itemIds = [...CODES, ...Array.from({ length: count }, (_, n) => `사원${n}`)].sort(byBytes)
  const failing = new Set(itemIds.filter(() => random.fraction() < 0.4))
  return { companyId, chunkItems: [1, 1, 3, 9, 10, 10, 1, 100][index] ?? 1, itemIds, failing }
})

let database: OwnDatabase
let chunks: ChunkLedger

beforeAll(async () => {
  database = await ownDatabase(inject('databaseUrl'))
  chunks = new ChunkLedger({ pool: database.pool })
  await together(payrolls, async ({ companyId, chunkItems, itemIds }) => {
    const ref = { companyId, runId: RUN }
    await chunks.open({ ...ref, batch: 'payroll', params: companyId, chunkItems, ...LIMITS })
    // In pages of the size of whole chunks, so that only the last chunk is shorter.
    const page = chunkItems * 40
    for (let from = 0; from < itemIds.length; from += page) {
      const list = itemIds.slice(from, from + page)
      const plan = { after: itemIds[from - 1], itemIds: list, isLast: from + page >= itemIds.length }
      expect(await chunks.plan(ref, plan)).toBe('planned')
    }
  })
}, 120_000)

afterAll(() => database.close())

/** Items of each chunk, by its number. */
function chunksOf({ itemIds, chunkItems }: Payroll): readonly (readonly string[])[] {
  const count = Math.ceil(itemIds.length / chunkItems)
  return Array.from({ length: count }, (_, n) => itemIds.slice(n * chunkItems, (n + 1) * chunkItems))
}

function amountOf(itemId: string): bigint {
  return BigInt(itemId.length) * 10n ** 30n + BigInt(itemId.codePointAt(itemId.length - 1) ?? 0)
}

/** A run in which the first chunks are done. */
function runOf(payroll: Payroll, done: number, state: BatchRun['state']): BatchRun {
  const { companyId, chunkItems, itemIds, failing } = payroll
  const all = chunksOf(payroll)
  const over = all.slice(0, done).flat()
  const paid = over.filter((id) => !failing.has(id))
  return {
    ...{ companyId, runId: RUN, batch: 'payroll', params: companyId, state, chunkItems, ...LIMITS },
    ...{ isPlanned: true, cursor: itemIds.at(-1), items: itemIds.length, itemsDone: paid.length },
    ...{ itemsFailed: over.length - paid.length, chunks: all.length, chunksDone: done },
    totals: paid.length === 0 ? {} : { net: paid.reduce((sum, id) => sum + amountOf(id), 0n) },
    keysEscaped: true,
    failureCode: undefined,
  }
}

function failureOf(itemId: string): BatchFailure {
  return { itemId, code: 'NO_ACCOUNT', message: `${itemId} 계좌 없음` }
}

test.each(PAGE_SIZES)('at most %i chunks that may be claimed are the first, by number', async (limit) => {
  await together(payrolls, async (payroll) => {
    const found = await chunks.claimable({ companyId: payroll.companyId, runId: RUN }, limit)
    const numbers = chunksOf(payroll).map((_, n) => n + 1)
    expectSame(
      found.map(({ number }) => number),
      numbers.slice(0, limit),
    )
  })
})

test.each(PAGE_SIZES)('at most %i runs are listed, the oldest first', async (limit) => {
  await database.pool.query('UPDATE kerp.batch_run SET opened_at = $1', [new Date(0)])
  const expected = [...payrolls].sort((a, b) => byBytes(a.companyId, b.companyId)).slice(0, limit)
  expect(await chunks.running(['payroll', 'other'], limit)).toEqual(
    expected.map((payroll) => runOf(payroll, 0, 'running')),
  )
  expect(await chunks.running(['other'], limit)).toEqual([])
})

test('each chunk is claimed once, in order, and the run counts what it came to', async () => {
  await together(payrolls, async (payroll) => {
    const ref = { companyId: payroll.companyId, runId: RUN }
    const expected = chunksOf(payroll)
    for (const [index, itemIds] of expected.entries()) {
      const chunk = await chunks.claim(ref, { leaseMs: 60_000 })
      expect(chunk).toEqual({
        ...ref,
        number: index + 1,
        fence: '1',
        attempt: 1,
        itemIds,
      } satisfies BatchChunk)
      if (chunk === undefined) return
      const paid = itemIds.filter((id) => !payroll.failing.has(id))
      const done = paid.map((itemId) => ({ itemId, result: 0, totals: { net: amountOf(itemId) } }))
      const failed = itemIds.filter((id) => payroll.failing.has(id)).map(failureOf)
      expect(await chunks.commit(chunk, { done, failed }, () => Promise.resolve())).toBe('committed')
      if (index % 10 === 0 || index === expected.length - 1) {
        expect(await chunks.read(ref)).toEqual(runOf(payroll, index + 1, 'running'))
      }
    }
    expect(await chunks.claim(ref, { leaseMs: 60_000 })).toBeUndefined()
    expect(await chunks.claimable(ref, 10)).toEqual([])
    const ended = await chunks.finish(ref, () => Promise.resolve())
    expect(ended).toEqual(runOf(payroll, expected.length, 'done'))
  })
}, 120_000)

test.each(PAGE_SIZES)('failures in pages of %i: each once, in the order of bytes', async (limit) => {
  await together(payrolls, async ({ companyId, failing }) => {
    const found = await allPages<BatchFailure>(limit, (last) => {
      const after = last === undefined ? {} : { after: last.itemId }
      return chunks.failures({ companyId, runId: RUN }, { ...after, limit })
    })
    expectSame(found, [...failing].sort(byBytes).map(failureOf))
  })
})
