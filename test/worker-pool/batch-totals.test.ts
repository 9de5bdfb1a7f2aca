import type { BatchLedger, BatchOutcomes, BatchRun } from '@kerp/core'
import { type BatchDefinition, defineBatch } from '@kerp/worker-pool'
import { describe, expect, it } from 'vitest'

type Pay = BatchDefinition<null, bigint, bigint, null>

function payBatch(totals: Pay['totals']) {
  return defineBatch<null, bigint, bigint, null>({
    name: 'pay',
    companyId: () => 'c1',
    key: () => ['2026-06'],
    readParams: () => null,
    ids: () => Promise.resolve([]),
    load: (_params, ids) => Promise.resolve(ids.map(BigInt)),
    run: (amount) => amount,
    effects: () => Promise.resolve(),
    ...(totals && { totals }),
  })
}

/** What a chunk of these amounts would be committed with. */
async function outcomesOf(
  totals: Pay['totals'],
  itemIds: readonly string[],
): Promise<BatchOutcomes<unknown> | undefined> {
  const batch = payBatch(totals)
  const opening = batch.opening(null)
  const run: BatchRun = {
    ...opening,
    ...{
      state: 'running',
      isPlanned: true,
      cursor: undefined,
      failureCode: undefined,
      totals: {},
      keysEscaped: true,
    },
    ...{ items: itemIds.length, itemsDone: 0, itemsFailed: 0, chunks: 1, chunksDone: 0 },
  }
  const chunk = { ...opening, number: 1, fence: '1', attempt: 1, itemIds }
  const result = await batch.work(run, chunk, new AbortController().signal)
  let given: BatchOutcomes<unknown> | undefined
  const commit: BatchLedger<null>['commit'] = (_chunk, outcomes) => {
    given = outcomes
    return Promise.resolve('committed')
  }
  await result.commit({ commit } as BatchLedger<null>)
  return given
}

describe('The totals of a batch', () => {
  it('are counted for each item, by name', async () => {
    const outcomes = await outcomesOf({ gross: (amount) => amount, cut: (amount) => amount / 10n }, [
      '70',
      '80',
    ])
    expect(outcomes?.done.map(({ totals }) => totals)).toEqual([
      { gross: 70n, cut: 7n },
      { gross: 80n, cut: 8n },
    ])
  })

  it('that are no whole amounts fail their item by name, and no other', async () => {
    const gross = (amount: bigint): bigint => (amount === 80n ? (80.5 as unknown as bigint) : amount)
    const outcomes = await outcomesOf({ gross }, ['70', '80'])
    expect(outcomes?.done).toHaveLength(1)
    expect(outcomes?.failed).toMatchObject([{ itemId: '80', code: 'INVALID_INPUT' }])
    expect(outcomes?.failed[0]?.message).toContain('totals.gross')
  })

  it.each([
    ['a name that is none', { 'gross pay': () => 1n }],
    ['no function', { gross: 1n }],
    ['too many', Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`t${n}`, () => 1n]))],
    ['no object', 'gross'],
  ])('are refused where the batch is defined: %s', (_what, totals) => {
    expect(() => payBatch(totals as unknown as Pay['totals'])).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }) as Error,
    )
  })
})
