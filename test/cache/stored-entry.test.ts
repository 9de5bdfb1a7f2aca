/** What a stored entry is, and that nothing else is taken for one. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatEntry, joinGenerations, parseEntry } from '../../packages/cache/src/stored-entry.js'

const generation = fc.stringMatching(/^[\da-f]{16}$/)
const entry = fc.record({
  token: fc.stringMatching(/^[\da-f]{16}:\d{1,6}$/),
  loadMs: fc.nat(1_000_000),
  payload: fc.option(fc.oneof(fc.string({ unit: 'grapheme' }), fc.json()), { nil: undefined }),
  generations: fc.oneof(
    fc.constant('-'),
    fc.array(generation, { minLength: 1, maxLength: 5 }).map((found) => found.join(',')),
  ),
})
const key = fc.stringMatching(/^report:\{c\d{1,3}\}:[a-z]{1,8}$/)

test('an entry is read back into exactly what was stored, under its own key only', () => {
  fc.assert(
    fc.property(key, key, entry, (own, other, stored) => {
      const text = formatEntry(own, stored)
      expect(parseEntry(own, text)).toEqual(stored)
      if (other !== own) expect(parseEntry(other, text)).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})

test('with any one byte changed, any bytes cut or added, it is no entry', () => {
  const damage = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), mask: fc.constant(0) }),
    fc.record({ kind: fc.constant('add' as const), at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }),
  )
  fc.assert(
    fc.property(key, entry, damage, (own, stored, { kind, at, mask }) => {
      const bytes = Buffer.from(formatEntry(own, stored))
      const place = at % bytes.length
      if (kind === 'flip') bytes[place] = (bytes[place] ?? 0) ^ mask
      const damaged =
        kind === 'cut'
          ? bytes.subarray(0, place)
          : kind === 'add'
            ? Buffer.concat([bytes.subarray(0, place), Buffer.from([mask]), bytes.subarray(place)])
            : bytes
      const read = parseEntry(own, damaged.toString())
      // Adding a digit in front of a count, for one, must not pass either; the text itself, put back, must.
      if (damaged.toString() === formatEntry(own, stored)) expect(read).toEqual(stored)
      else expect(read).toBeUndefined()
    }),
    { numRuns: 1_500 },
  )
})

test('whatever else lies under a key is no entry, and never an error', () => {
  fc.assert(
    fc.property(key, fc.string({ unit: 'binary' }), (own, text) => {
      expect(parseEntry(own, text)).toBeUndefined()
      expect(parseEntry(own, `c1|a:1|5|V|00000000|-|${text}`)).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})

test('generations of which one is missing or malformed are those of no entry', () => {
  expect(joinGenerations([])).toBe('-')
  expect(joinGenerations(['0123456789abcdef', 'fedcba9876543210'])).toBe('0123456789abcdef,fedcba9876543210')
  for (const wrong of [undefined, '', 'x', '0123456789abcde', '0123456789ABCDEF']) {
    expect(joinGenerations(['0123456789abcdef', wrong])).toBeUndefined()
  }
})
