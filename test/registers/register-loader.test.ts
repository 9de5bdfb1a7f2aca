/** Loads on behalf of all readers: how many statements at once, and what they carry. */

import type { LoadedRegisters, RegisterRef } from '@kerp/core'
import { manualClock, seededRandom } from '@kerp/core/testing'
import { expect, test } from 'vitest'
import { RegisterLoader, type RegisterLoaderOptions } from '../../packages/registers/src/register-loader.js'

interface Statement {
  readonly companyId: string
  readonly accounts: readonly string[]
  answer(): void
}

function openLoader(options: Partial<RegisterLoaderOptions> = {}) {
  const statements: Statement[] = []
  let state = 0
  const load = (companyId: string, refs: readonly RegisterRef[]): Promise<LoadedRegisters> => {
    state += 1
    const version = state
    return new Promise((resolve) => {
      const images = refs.map((ref) => ({ ref, version, fields: ['0', '0'] as const }))
      const answer = (): void => resolve({ epoch: 'e', asOfMs: 0, images })
      statements.push({ companyId, accounts: refs.map(({ parts }) => parts[0]), answer })
    })
  }
  const clock = manualClock()
  const loader = new RegisterLoader({
    source: { load },
    clock,
    random: seededRandom(1),
    backoffMs: 200,
    observer: undefined,
    loadsMax: 2,
    rowsPerLoadMax: 4,
    waitingRowsMax: 10,
    loadDeadlineMs: 1_000,
    ...options,
  })
  const read = (companyId: string, ...accounts: readonly string[]) =>
    loader.load(
      companyId,
      accounts.map((account) => ({
        key: `${companyId}:${account}`,
        ref: { companyId, family: 'balance', parts: [account, '2026'] },
      })),
    )
  return { statements, read, clock }
}

test('at most so many statements run at once, and what waits goes together', async () => {
  const { statements, read } = openLoader()
  const reads = [read('c', 'a'), read('c', 'b'), read('c', 'd'), read('c', 'e')]
  expect(statements.map(({ accounts }) => accounts)).toEqual([['a'], ['b']])
  statements[0]?.answer()
  await reads[0]
  expect(statements.map(({ accounts }) => accounts)).toEqual([['a'], ['b'], ['d', 'e']])
})

test('a reader never shares a statement that ran before it came', async () => {
  const { statements, read } = openLoader()
  const [first, second] = [read('c', 'a'), read('c', 'a')]
  expect(statements).toHaveLength(1)
  statements[0]?.answer()
  expect((await first)[0]?.image.version).toBe(1)
  statements[1]?.answer()
  expect((await second)[0]?.image.version).toBe(2)
})

test('a thousand readers of one row, while it is being loaded, make one more statement', async () => {
  const { statements, read } = openLoader()
  const reads = Array.from({ length: 1_000 }, () => read('c', 'a'))
  statements[0]?.answer()
  await reads[0]
  expect(statements).toHaveLength(2)
  statements[1]?.answer()
  await Promise.all(reads)
  expect(statements).toHaveLength(2)
})

test('a row that must wait for its statement does not hold up a row that need not', async () => {
  const { statements, read } = openLoader()
  const first = read('c', 'slow')
  const both = read('c', 'slow', 'quick')
  expect(statements.map(({ accounts }) => accounts)).toEqual([['slow'], ['quick']])
  statements[0]?.answer()
  await first
  expect(statements.map(({ accounts }) => accounts)).toEqual([['slow'], ['quick'], ['slow']])
  for (const statement of statements) statement.answer()
  expect((await both).map(({ image }) => image.version)).toEqual([3, 2])
})

test('companies never share a statement, and a statement carries so many rows at most', () => {
  const { statements, read } = openLoader({ loadsMax: 100 })
  void read('c', '1', '2', '3', '4', '5')
  void read('d', '1')
  expect(statements.map(({ companyId, accounts }) => [companyId, accounts.length])).toEqual([
    ['c', 4],
    ['c', 1],
    ['d', 1],
  ])
})

test('more rows than may wait are refused by name, and the others are answered', async () => {
  const { statements, read } = openLoader()
  const reads = [read('c', 'a'), read('c', 'b')]
  const waiting = read('c', ...Array.from({ length: 10 }, (_, index) => String(index)))
  await expect(read('c', 'x')).rejects.toMatchObject({ code: 'OVERLOADED', max: 10, retryable: true })
  for (let index = 0; index < 5; index += 1) {
    statements[index]?.answer()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all([...reads, waiting])
})

test('a statement that hangs ends by its deadline and makes room', async () => {
  const { statements, read, clock } = openLoader({ loadsMax: 1 })
  const hanging = read('c', 'a')
  const next = read('c', 'b')
  const refused = expect(hanging).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  await clock.advance(1_000)
  await refused
  statements[1]?.answer()
  expect(await next).toHaveLength(1)
})

test('rows whose load failed are not loaded again before the back-off is over; those beside them are', async () => {
  const { statements, read, clock } = openLoader({ loadsMax: 1 })
  const hanging = expect(read('c', 'a')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  // Of the next statement `a` is left out, which failed while it waited.
  const waiting = expect(read('c', 'a')).rejects.toMatchObject({ code: 'LOAD_BACKOFF' })
  const beside = read('c', 'b')
  await clock.advance(1_000)
  await Promise.all([hanging, waiting])
  expect(statements.map(({ accounts }) => accounts)).toEqual([['a'], ['b']])
  statements[1]?.answer()
  await beside
  const refused = { code: 'LOAD_BACKOFF', loaderCode: 'DEADLINE_EXCEEDED', retryable: true }
  await expect(read('c', 'a', 'b')).rejects.toMatchObject(refused)
  await clock.advance(200)
  const later = read('c', 'a')
  expect(statements.map(({ accounts }) => accounts)).toEqual([['a'], ['b'], ['a']])
  statements[2]?.answer()
  await later
})

test('a row that failed while it waited is refused as such, however long the rows beside it take', async () => {
  const { statements, read, clock } = openLoader()
  const hanging = expect(read('c', 'a')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  const quick = read('c', 'b')
  const both = expect(read('c', 'a', 'b')).rejects.toMatchObject({ code: 'LOAD_BACKOFF', retryable: true })
  statements[1]?.answer()
  await quick
  await clock.advance(1_000)
  await hanging
  expect(statements.map(({ accounts }) => accounts)).toEqual([['a'], ['b'], ['b']])
  // The back-off of `a` is over before `b` is there.
  await clock.advance(500)
  statements[2]?.answer()
  await both
})
