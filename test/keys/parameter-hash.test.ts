import { createKeys, hashParameters, InvalidKeyError } from '@kerp/keys'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const moment = new Date('2026-11-01T00:00:00Z')

/** Values that look alike and mean different things. */
const lookAlikes: readonly unknown[] = [
  1,
  '1',
  1n,
  true,
  'true',
  false,
  'false',
  null,
  'null',
  '',
  0,
  'n1',
  'b1',
  moment,
  moment.getTime(),
  BigInt(moment.getTime()),
  moment.toISOString(),
  [],
  {},
  [1],
  [[1]],
  ['1'],
  [1, 2],
  [2, 1],
  [12],
  ['1,2'],
  ['1', '2'],
  [null],
  { 0: 1 },
  { a: 1 },
  { a: '1' },
  { b: 1 },
  { a: { b: 1 } },
  { 'a.b': 1 },
  { a: null },
  { a: [] },
  { a: {} },
  '[1]',
  '{"a":1}',
]

const anyParameter = fc.letrec((tie) => ({
  scalar: fc.oneof(
    fc.string({ unit: 'binary' }).map((text) => text.normalize('NFC')),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.bigInt(),
    fc.boolean(),
    fc.constant(null),
    fc.date({ noInvalidDate: true }),
  ),
  value: fc.oneof(
    { maxDepth: 4 },
    tie('scalar'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().map((name) => name.normalize('NFC')),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value

describe('the hash of parameters', () => {
  it('does not depend on the order in which the entries were written', () => {
    const one = { from: '2026-01', to: '2026-12', filter: { accounts: ['1101', '1102'], closed: false } }
    const other = { filter: { closed: false, accounts: ['1101', '1102'] }, to: '2026-12', from: '2026-01' }
    expect(hashParameters(one)).toBe(hashParameters(other))
  })

  it('differs for values that look alike and have another type, order or nesting', () => {
    const hashes = new Set(lookAlikes.map((value) => hashParameters({ value })))
    expect(hashes.size).toBe(lookAlikes.length)
  })

  it('takes an entry that is undefined for a missing one, and null for a value', () => {
    expect(hashParameters({ a: 1, b: undefined })).toBe(hashParameters({ a: 1 }))
    expect(hashParameters({ a: 1, b: null })).not.toBe(hashParameters({ a: 1 }))
  })

  it('takes composed and decomposed text, and both zeros, for the same', () => {
    expect(hashParameters({ ['é']: '한' })).toBe(hashParameters({ ['e\u0301']: '한'.normalize('NFD') }))
    expect(hashParameters({ a: -0 })).toBe(hashParameters({ a: 0 }))
  })

  it('is the same in every version of the library, for reports that outlive a deployment', () => {
    const parameters = {
      year: 2026,
      sections: ['손익계산서'],
      total: 10n,
      at: moment,
      draft: false,
      note: null,
    }
    expect(hashParameters(parameters)).toMatchInlineSnapshot(`"vbl2ia2TnCE8iYMSyuXLv9dtvbPWB2S-_wzMzas708M"`)
  })

  it('is equal exactly for equal parameters', () => {
    fc.assert(
      fc.property(anyParameter, anyParameter, (one, other) => {
        expect(hashParameters({ one }) === hashParameters({ one: other })).toBe(
          meaning(one) === meaning(other),
        )
        expect(hashParameters({ one })).toBe(hashParameters({ one: reversed(one) }))
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['NaN', { a: Number.NaN }],
    ['infinity', { a: Number.POSITIVE_INFINITY }],
    ['an invalid date', { a: new Date(Number.NaN) }],
    ['a function', { a: () => 1 }],
    ['a symbol', { a: Symbol('a') }],
    ['a Map', { a: new Map() }],
    ['a class instance', { a: new URL('https://example.org') }],
    ['a hole in a list', { a: [undefined] }],
    ['keys that NFC makes equal', { ['é']: 1, ['e\u0301']: 2 }],
    ['a number instead of parameters', 7],
    ['nothing', undefined],
  ])('is refused for %s', (_what, parameters) => {
    expect(() => hashParameters(parameters as never)).toThrow(InvalidKeyError)
  })

  it('is refused for a circle, for more than 16 levels and for more than 65,536 characters', () => {
    const circle: { self?: unknown } = {}
    circle.self = circle
    expect(() => hashParameters(circle)).toThrow(/at most 16 levels/)
    expect(hashParameters(nested(16))).toHaveLength(43)
    expect(() => hashParameters(nested(17))).toThrow(/at most 16 levels/)
    expect(hashParameters({ a: 'x'.repeat(65_000) })).toHaveLength(43)
    expect(() => hashParameters({ a: 'x'.repeat(66_000) })).toThrow(/at most 65536 characters/)
    expect(() => hashParameters({ a: Array.from({ length: 40_000 }, () => 1) })).toThrow(/at most 65536/)
  })

  it('names the field that it refuses, and hides a name that could be mistaken for something else', () => {
    expect(() => hashParameters({ filter: { accounts: ['1101', Number.NaN] } })).toThrow(
      '`parameters.filter.accounts[1]` must be made of strings',
    )
    expect(() => hashParameters({ 'x\n`': Number.NaN })).toThrow('`parameters[…]` must be')
  })

  it('keeps reports of other parameters, types and companies apart', () => {
    const keys = createKeys()
    const names = [
      keys.report({ companyId: 'c1', type: 'sales', parameters: { year: 2026 } }),
      keys.report({ companyId: 'c1', type: 'sales', parameters: { year: '2026' } }),
      keys.report({ companyId: 'c1', type: 'cash', parameters: { year: 2026 } }),
      keys.report({ companyId: 'c2', type: 'sales', parameters: { year: 2026 } }),
    ]
    expect(new Set(names).size).toBe(4)
  })
})

function nested(levels: number): object {
  let value: object = {}
  for (let level = 0; level < levels; level += 1) value = { value }
  return value
}

/** An independent canonical form: JSON of tagged pairs with sorted entries. */
function meaning(value: unknown): string {
  if (value instanceof Date) return JSON.stringify(['date', value.getTime()])
  if (Array.isArray(value)) return JSON.stringify(['list', value.map(meaning)])
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([name, entry]) => [name, meaning(entry)])
    return JSON.stringify(['object', entries.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))])
  }
  return JSON.stringify([typeof value, String(value)])
}

/** The same value with the entries of every object written in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, entry]) => [name, reversed(entry)]),
  )
}
