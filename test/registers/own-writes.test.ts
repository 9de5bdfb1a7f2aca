/** What a process remembers of its own commits, and for how long. */

import { manualClock } from '@kerp/core/testing'
import { expect, test } from 'vitest'
import { OwnWrites } from '../../packages/registers/src/own-writes.js'

const ROWS_MAX = 10_000
const KEEP_MS = 1_000

function image(version: number, fields = '7|0'): string {
  return `${String(version).padStart(16, '0')}|${fields}`
}

function open() {
  const clock = manualClock()
  return { clock, writes: new OwnWrites(clock, KEEP_MS) }
}

test('a cached state that is older lacks the own write, and one that is as new does not', () => {
  const { clock, writes } = open()
  expect(writes.isEmpty).toBe(true)
  expect(writes.add('e1', [{ key: 'a', image: image(3) }])).toBeUndefined()
  expect(writes.isEmpty).toBe(false)
  const write = { epoch: 'e1', image: image(3), writtenMs: clock.monotonicMs() }
  expect(writes.missingIn('a', 'e1', 2)).toEqual(write)
  expect(writes.missingIn('a', 'e1', 3)).toBeUndefined()
  expect(writes.missingIn('b', 'e1', 2)).toBeUndefined()
})

test('a state of another history of the database lacks the write, whose image is not answered in it', () => {
  const { clock, writes } = open()
  writes.add('e1', [{ key: 'a', image: image(3) }])
  const write = { epoch: 'e1', image: undefined, writtenMs: clock.monotonicMs() }
  expect(writes.missingIn('a', 'e2', 9)).toEqual(write)
})

test('the newer image of a history stays, in whatever order they come', () => {
  const { writes } = open()
  writes.add('e1', [{ key: 'a', image: image(5) }])
  writes.add('e1', [{ key: 'a', image: image(4) }])
  expect(writes.missingIn('a', 'e1', 4)?.image).toBe(image(5))
  writes.add('e1', [{ key: 'a', image: image(6) }])
  expect(writes.missingIn('a', 'e1', 5)?.image).toBe(image(6))
})

test('an image of a new history replaces one of the old, whatever its version', () => {
  const { writes } = open()
  writes.add('e1', [{ key: 'a', image: image(5) }])
  writes.add('e2', [{ key: 'a', image: image(2) }])
  expect(writes.missingIn('a', 'e2', 1)?.image).toBe(image(2))
})

test('a voided row is lacking in every state, also when an image of it comes late', () => {
  const { clock, writes } = open()
  expect(writes.addVoid('a')).toBeUndefined()
  const voided = { epoch: '', image: undefined, writtenMs: clock.monotonicMs() }
  expect(writes.missingIn('a', 'e1', 99)).toEqual(voided)
  writes.add('e1', [{ key: 'a', image: image(3) }])
  expect(writes.missingIn('a', 'e1', 99)?.image).toBeUndefined()
  expect(writes.missingIn('a', 'e1', 99)?.epoch).toBe('e1')
})

test('a write is kept to the end of its time and not longer', async () => {
  const { clock, writes } = open()
  await clock.advance(5 * KEEP_MS)
  writes.add('e1', [{ key: 'a', image: image(3) }])
  await clock.advance(KEEP_MS)
  expect(writes.add('e1', [{ key: 'b', image: image(1) }])).toBeUndefined()
  expect(writes.missingIn('a', 'e1', 2)?.image).toBe(image(3))
  await clock.advance(1)
  expect(writes.missingIn('a', 'e1', 2)).toBeUndefined()
  await clock.advance(KEEP_MS)
  expect(writes.missingIn('b', 'e1', 0)).toBeUndefined()
  expect(writes.isEmpty).toBe(true)
})

test('what is over makes room without anything being forgotten that was still needed', async () => {
  const { clock, writes } = open()
  writes.add('e1', [{ key: 'a', image: image(3) }])
  await clock.advance(KEEP_MS + 1)
  expect(writes.add('e1', [])).toBeUndefined()
  expect(writes.isEmpty).toBe(true)
})

test('of more rows than are kept, the one written longest ago goes, and its time is told', async () => {
  const { clock, writes } = open()
  writes.add('e1', [{ key: 'first', image: image(1) }])
  const firstMs = clock.monotonicMs()
  await clock.advance(1)
  const entries = Array.from({ length: ROWS_MAX - 1 }, (_, index) => ({ key: `k${index}`, image: image(1) }))
  expect(writes.add('e1', entries)).toBeUndefined()
  expect(writes.missingIn('first', 'e1', 0)?.image).toBe(image(1))
  await clock.advance(1)
  expect(writes.addVoid('last')).toBe(firstMs)
  expect(writes.missingIn('first', 'e1', 0)).toBeUndefined()
  expect(writes.missingIn('k0', 'e1', 0)?.image).toBe(image(1))
})

test('a row that is written again counts as the newest', async () => {
  const { clock, writes } = open()
  writes.add('e1', [{ key: 'a', image: image(1) }])
  await clock.advance(1)
  const nextMs = clock.monotonicMs()
  const entries = Array.from({ length: ROWS_MAX - 1 }, (_, index) => ({ key: `k${index}`, image: image(1) }))
  writes.add('e1', entries)
  await clock.advance(1)
  writes.add('e1', [{ key: 'a', image: image(2) }])
  expect(writes.addVoid('last')).toBe(nextMs)
  expect(writes.missingIn('a', 'e1', 1)?.image).toBe(image(2))
})
