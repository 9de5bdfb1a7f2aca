/** Positions are sets of transactions: `covers` must be exactly the subset relation, checked against a plain model. */

import { Outbox } from '@kerp/postgres'
import fc from 'fast-check'
import { expect, test } from 'vitest'

const outbox = new Outbox({ pool: { connect: () => Promise.reject(new TypeError('no database is needed')) } })

interface Position {
  readonly text: string
  /** Which of the transactions 1 to 30 it covers; beyond, none. */
  readonly covered: ReadonlySet<number>
}

const position: fc.Arbitrary<Position> = fc
  .record({
    xmax: fc.integer({ min: 1, max: 25 }),
    open: fc.uniqueArray(fc.integer({ min: 1, max: 24 }), { maxLength: 24 }),
  })
  .map(({ xmax, open }) => {
    const listed = open.filter((xid) => xid < xmax).sort((a, b) => a - b)
    const xmin = listed[0] ?? xmax
    const covered = new Set<number>()
    for (let xid = 1; xid < xmax; xid += 1) if (!listed.includes(xid)) covered.add(xid)
    return { text: `${xmin}:${xmax}:${listed.join(',')}`, covered }
  })

function isSubset(part: ReadonlySet<number>, whole: ReadonlySet<number>): boolean {
  return [...part].every((xid) => whole.has(xid))
}

test('a position covers another exactly when every transaction of that one is in it', () => {
  fc.assert(
    fc.property(position, position, (later, earlier) => {
      expect(outbox.covers(later.text, earlier.text)).toBe(isSubset(earlier.covered, later.covered))
    }),
    { numRuns: 20_000 },
  )
})

test('between two pages a reader has what it started from, and may have all of its target', () => {
  expect(outbox.covers('10:10:>20:20:#5', '10:10:')).toBe(true)
  expect(outbox.covers('10:10:>20:20:#5', '15:15:')).toBe(false)
  expect(outbox.covers('15:15:', '10:10:>20:20:#5')).toBe(false)
  expect(outbox.covers('20:20:', '10:10:>20:20:#5')).toBe(true)
  expect(outbox.covers('10:10:>20:20:#5', '10:10:>20:20:#5')).toBe(true)
})

test('transactions beyond 2^53 are told apart', () => {
  const [a, b] = ['9007199254740992:9007199254740992:', '9007199254740993:9007199254740993:']
  expect(outbox.covers(b, a)).toBe(true)
  expect(outbox.covers(a, b)).toBe(false)
})

test('a text that is no position is refused, not misread', () => {
  expect(() => outbox.covers('1:1:', 'garbage')).toThrow('must be a position')
})
