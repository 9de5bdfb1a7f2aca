/** What a hub keeps of a company's latest events, and what it drops. */

import { expect, test } from 'vitest'
import { LiveRing } from '../../packages/live/src/ring.js'
import type { EncodedEvent } from '../../packages/live/src/topics.js'

/** Longer than the gap that is closed at the front. */
const MANY = 3_000

function event(name: string, bytes = 10): EncodedEvent {
  return { id: name, bytes } as unknown as EncodedEvent
}

function ringOf(names: readonly string[], bounds: { eventsMax?: number; bytesMax?: number } = {}, start = 0) {
  const ring = new LiveRing({ eventsMax: 3, bytesMax: 1_000, ...bounds }, start)
  for (const name of names) ring.append(event(name))
  return ring
}

/** The events of a ring by position, from its start to its head. */
function contentOf(ring: LiveRing): readonly (string | undefined)[] {
  const positions = Array.from({ length: ring.head - ring.start }, (_, index) => ring.start + 1 + index)
  return positions.map((position) => (ring.at(position) as unknown as { id: string } | undefined)?.id)
}

test('a ring begins empty where it is told to', () => {
  const ring = ringOf([], {}, 7)
  expect([ring.start, ring.head]).toEqual([7, 7])
  expect([ring.at(7), ring.at(8)]).toEqual([undefined, undefined])
})

test('positions count on, and nothing is found at the start or behind the head', () => {
  const ring = ringOf(['a', 'b'], {}, 7)
  expect([ring.start, ring.head]).toEqual([7, 9])
  expect(contentOf(ring)).toEqual(['a', 'b'])
  expect([ring.at(7), ring.at(6), ring.at(10)]).toEqual([undefined, undefined, undefined])
})

test('the oldest events go when there are too many, and the others keep their positions', () => {
  const ring = ringOf(['a', 'b', 'c', 'd', 'e'])
  expect([ring.start, ring.head]).toEqual([2, 5])
  expect(contentOf(ring)).toEqual(['c', 'd', 'e'])
  expect(ring.at(2)).toBeUndefined()
})

test('the oldest events go when they are too long together, but never the newest', () => {
  const ring = ringOf(['a', 'b'], { bytesMax: 20 })
  expect(contentOf(ring)).toEqual(['a', 'b'])
  ring.append(event('c', 11))
  expect(contentOf(ring)).toEqual(['c'])
  ring.append(event('d', 99))
  expect(contentOf(ring)).toEqual(['d'])
  ring.append(event('e', 5))
  ring.append(event('f', 15))
  expect(contentOf(ring)).toEqual(['e', 'f'])
})

test('older events are put before the start when all of them have room', () => {
  const ring = ringOf(['c', 'd'], {}, 2)
  expect(ring.prepend([event('b')])).toBe(true)
  expect([ring.start, ring.head]).toEqual([1, 4])
  expect(contentOf(ring)).toEqual(['b', 'c', 'd'])
  expect(ring.prepend([event('a')])).toBe(false)
  expect(contentOf(ring)).toEqual(['b', 'c', 'd'])
})

test('older events fill the bytes to the last one, and count from then on', () => {
  const ring = ringOf(['c'], { bytesMax: 30, eventsMax: 9 }, 2)
  expect(ring.prepend([event('a', 10), event('b', 11)])).toBe(false)
  expect(ring.prepend([event('a', 10), event('b', 10)])).toBe(true)
  ring.append(event('d', 1))
  expect(contentOf(ring)).toEqual(['b', 'c', 'd'])
})

test('older events are put before what is left after the oldest went', () => {
  const ring = ringOf(['a', 'b', 'c', 'd', 'e'], { bytesMax: 30 })
  ring.append(event('f', 20))
  expect(contentOf(ring)).toEqual(['e', 'f'])
  expect(ring.prepend([event('d', 0)])).toBe(true)
  expect([ring.start, ring.head]).toEqual([3, 6])
  expect(contentOf(ring)).toEqual(['d', 'e', 'f'])
  ring.append(event('g', 0))
  expect(contentOf(ring)).toEqual(['e', 'f', 'g'])
})

test('a ring that has seen thousands of events holds the last ones at their positions', () => {
  const ring = ringOf([])
  for (let position = 1; position <= MANY; position += 1) {
    ring.append(event(`e${position}`))
    expect(contentOf(ring).at(0)).toBe(`e${Math.max(1, position - 2)}`)
  }
  expect(contentOf(ring)).toEqual([`e${MANY - 2}`, `e${MANY - 1}`, `e${MANY}`])
})
