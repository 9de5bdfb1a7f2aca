/** The queue that lets works share transactions: who goes with whom, who waits for whom, and that all are answered. */

import { KerpError } from '@kerp/core'
import { manualClock, seededRandom } from '@kerp/core/testing'
import { expect, test } from 'vitest'
import type { BatchWork } from '../../packages/postgres/src/batch-callers.js'
import { type BatchBounds, type BatchKind, BatchQueue } from '../../packages/postgres/src/batch-queue.js'
import type { BatchEnd, BatchFailure } from '../../packages/postgres/src/batch-run.js'

interface Batch {
  readonly names: readonly string[]
  end(end: BatchEnd<string>): Promise<void>
}

const BOUNDS: BatchBounds = {
  queueMax: 100,
  batchMax: 10,
  batchRowsMax: 100,
  batchesInFlightMax: 2,
  deadlineMs: 1_000,
  lockTimeoutMs: 100,
  outageMs: 200,
}

class Told extends KerpError {
  static override readonly errorName = 'Told'
}

function told(code: string): KerpError {
  return new Told(code, { code, retryable: false })
}

function world(bounds: Partial<BatchBounds> = {}) {
  const clock = manualClock()
  const batches: Batch[] = []
  const settled: string[] = []
  let free: ReadonlySet<string> = new Set()
  const kind: BatchKind<BatchWork, string, { readonly text: string }> = {
    owner: 'Test',
    operation: 'testing',
    unknown: () => told('UNKNOWN'),
    typed: () => told('TYPED'),
    rejected: (_work, sqlState) => told(sqlState),
    run: (works) =>
      new Promise((resolve) => {
        const end = async (how: BatchEnd<string>): Promise<void> => {
          resolve(how)
          await clock.advance(0)
        }
        batches.push({ names: works.map(({ name }) => name), end })
      }),
    free: (works) => Promise.resolve(new Set(works.filter(({ name }) => free.has(name)))),
    answer: (result, { name }, place) => ({ text: `${result} ${name} ${place}` }),
    queued: () => undefined,
    began: () => undefined,
    ended: (result) => void settled.push(result),
    settled: ({ name }, answer) =>
      void settled.push(`${name} ${answer instanceof Error ? answer.code : 'ok'}`),
  }
  const queue = new BatchQueue(kind, { ...BOUNDS, ...bounds }, clock, seededRandom(1))
  const add = (name: string, facts: Partial<BatchWork> = {}): Promise<string> =>
    queue.add({ name, hash: name, size: 1, rows: [name], ...facts }).then(
      ({ text }) => text,
      (error: unknown) => (error instanceof KerpError ? error.code : String(error)),
    )
  const setFree = (...names: string[]): void => void (free = new Set(names))
  return { clock, queue, batches, settled, add, setFree }
}

const DONE: BatchEnd<string> = { kind: 'committed', result: 'done' }

function failed(failure: BatchFailure['failure'], stage: BatchFailure['stage'] = 'writing'): BatchFailure {
  return {
    kind: 'failed',
    failure,
    stage,
    error: Object.assign(new Error('refused'), { code: '23514', severity: 'ERROR' }),
  }
}

test('works that arrive together share one transaction, and each hears its own answer', async () => {
  const { clock, batches, add } = world()
  const answers = Promise.all(['a', 'b', 'c'].map((name) => add(name)))
  await clock.advance(0)
  expect(batches.map(({ names }) => names)).toEqual([['a', 'b', 'c']])
  await batches[0]?.end(DONE)
  expect(await answers).toEqual(['done a 0', 'done b 0', 'done c 0'])
})

test('a work on a row that a transaction is at waits for it here, and shares the next one with others', async () => {
  const { clock, batches, add } = world()
  void add('a1', { rows: ['A'] })
  await clock.advance(0)
  const later = Promise.all([
    add('a2', { rows: ['A'] }),
    add('b1', { rows: ['B'] }),
    add('a3', { rows: ['A'] }),
  ])
  await clock.advance(0)
  expect(batches.map(({ names }) => names)).toEqual([['a1'], ['b1']])
  await batches[1]?.end(DONE)
  expect(batches).toHaveLength(2)
  await batches[0]?.end(DONE)
  expect(batches[2]?.names).toEqual(['a2', 'a3'])
  await batches[2]?.end(DONE)
  expect(await later).toEqual(['done a2 0', 'done b1 0', 'done a3 0'])
})

test('a work never overtakes one that came before it on the same row', async () => {
  const { clock, batches, add } = world()
  void add('a1', { rows: ['A'] })
  await clock.advance(0)
  void add('ab', { rows: ['A', 'B'] })
  void add('b', { rows: ['B'] })
  void add('c', { rows: ['C'] })
  await clock.advance(0)
  expect(batches.map(({ names }) => names)).toEqual([['a1'], ['c']])
  await batches[0]?.end(DONE)
  expect(batches[2]?.names).toEqual(['ab', 'b'])
})

test('callers of the same work share it, and another work of the same name waits until it has ended', async () => {
  const { clock, batches, add } = world()
  const answers = Promise.all([add('a'), add('a'), add('a', { hash: 'other', rows: ['elsewhere'] })])
  await clock.advance(0)
  expect(batches.map(({ names }) => names)).toEqual([['a']])
  await batches[0]?.end(DONE)
  await batches[1]?.end({ kind: 'committed', result: 'second' })
  expect(await answers).toEqual(['done a 0', 'done a 1', 'second a 0'])
})

test('a batch is no larger than it may be, in works and in rows', async () => {
  const { clock, batches, add } = world({ batchMax: 3, batchRowsMax: 5, batchesInFlightMax: 9 })
  for (let n = 0; n < 7; n += 1) void add(`w${n}`)
  for (const name of ['x', 'y']) void add(name, { size: 4 })
  void add('alone', { isAlone: true })
  await clock.advance(0)
  expect(batches.map(({ names }) => names)).toEqual([
    ['w0', 'w1', 'w2'],
    ['w3', 'w4', 'w5'],
    ['w6', 'x'],
    ['y'],
    ['alone'],
  ])
})

test('a refusal is found by halves, and only its caller hears of it', async () => {
  const { clock, batches, add } = world({ batchesInFlightMax: 1 })
  const answers = Promise.all(['a', 'poison', 'c', 'd'].map((name) => add(name)))
  await clock.advance(0)
  for (let turn = 0; turn < 10; turn += 1) {
    const batch = batches[turn]
    if (batch === undefined) break
    await batch.end(batch.names.includes('poison') ? failed('rejected') : DONE)
  }
  expect(await answers).toEqual(['done a 0', '23514', 'done c 0', 'done d 0'])
})

test('works on rows that somebody else holds wait apart from the others', async () => {
  const { clock, batches, add, setFree } = world({ batchesInFlightMax: 1 })
  setFree('b')
  const answers = Promise.all(['held', 'b'].map((name) => add(name)))
  await clock.advance(0)
  await batches[0]?.end(failed('locked', 'locking'))
  expect(batches[1]?.names).toEqual(['b'])
  await batches[1]?.end(DONE)
  await clock.advance(300)
  expect(batches[2]?.names).toEqual(['held'])
  await batches[2]?.end(DONE)
  expect(await answers).toEqual(['done held 0', 'done b 0'])
})

test('after a COMMIT that was not answered a caller hears "unknown" at the deadline, and never "not done"', async () => {
  const { clock, batches, add } = world()
  const answer = add('a')
  await clock.advance(0)
  await batches[0]?.end({ kind: 'unknown', error: new Error('lost') })
  for (let ended = 1, turn = 0; turn < 200; turn += 1) {
    await clock.advance(20)
    for (; ended < batches.length; ended += 1) await batches[ended]?.end(failed('lost'))
  }
  expect(await answer).toBe('UNKNOWN')
})

test('works that wait longer than their time are refused, although no transaction ever ends', async () => {
  const { clock, add } = world({ batchesInFlightMax: 1 })
  void add('first')
  await clock.advance(0)
  const waiting = add('second')
  await clock.advance(1_000)
  expect(await waiting).toBe('DATABASE_UNAVAILABLE')
})

test('a queue that is full refuses more; a closed one answers all and takes none', async () => {
  const { clock, queue, batches, add } = world({ queueMax: 2 })
  const answers = [add('a'), add('b'), add('c')]
  await clock.advance(0)
  const closing = queue.close()
  expect(await add('late')).toBe('CLOSED')
  await batches[0]?.end(DONE)
  await closing
  expect(await Promise.all(answers)).toEqual(['done a 0', 'done b 0', 'OVERLOADED'])
  expect(queue.size).toBe(0)
})
