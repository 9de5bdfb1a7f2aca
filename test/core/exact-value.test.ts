import { inspect } from 'node:util'
import { exactJson, exactValue } from '@kerp/core'
import { expect, expectTypeOf, test } from 'vitest'

const BIG = 2n ** 64n
const line = { account: '1101', debit: BIG, credit: 0n, parts: [1n, -2n], at: new Date(0), note: undefined }

test('an exact value is sent as JSON with its amounts as decimal text', () => {
  expect(JSON.stringify(exactValue(line))).toBe(
    '{"account":"1101","debit":"18446744073709551616","credit":"0","parts":["1","-2"],"at":"1970-01-01T00:00:00.000Z"}',
  )
  expect(JSON.stringify({ lines: [exactValue({ debit: 1n })] })).toBe('{"lines":[{"debit":"1"}]}')
})

test('an exact value within another is sent as the other is', () => {
  const statement = exactValue({ lines: [exactValue({ debit: BIG })], total: exactValue({ debit: -BIG }) })
  const sent = { lines: [{ debit: String(BIG) }], total: { debit: String(-BIG) } }
  expect(statement.toJSON()).toEqual(sent)
  expect(JSON.parse(JSON.stringify(statement))).toEqual(sent)
})

test('an exact value is compared, spread, cloned and printed as its plain fields', () => {
  const value = exactValue(line)
  expect(value).toEqual(line)
  expect({ ...value }).toStrictEqual(line)
  expect(structuredClone(value)).toStrictEqual(line)
  expect(Object.keys(value)).toEqual(Object.keys(line))
  expect(inspect(value)).toContain('debit: 18446744073709551616n')
})

test('making an exact value leaves the fields that it was given as they are', () => {
  const fields = Object.freeze({ debit: 1n })
  const value = exactValue(fields)
  expect(value).not.toBe(fields)
  expect('toJSON' in fields).toBe(false)
})

test('a spread copy has no JSON form of its own, and exactJson gives it one', () => {
  const copy = { ...exactValue({ debit: BIG }), currency: 'KRW' }
  expect(() => JSON.stringify(copy)).toThrow(TypeError)
  expect(exactJson(copy)).toEqual({ debit: String(BIG), currency: 'KRW' })
})

test.each([
  ['a bigint', -BIG, '-18446744073709551616'],
  ['a moment', new Date(1), '1970-01-01T00:00:00.001Z'],
  ['a text', '1n', '1n'],
  ['a number', 1.5, 1.5],
  ['a truth value', false, false],
  ['null', null, null],
  ['undefined', undefined, undefined],
  ['a list of lists', [[1n], []], [['1'], []]],
])('exactJson of %s', (_, value, json) => {
  expect(exactJson(value)).toEqual(json)
})

test('the type of the JSON form has text where amounts and moments were', () => {
  const value = exactValue({ debit: 1n, at: new Date(0), lines: [{ count: 2 }] })
  expectTypeOf(value.toJSON()).toEqualTypeOf<{
    readonly debit: string
    readonly at: string
    readonly lines: readonly { readonly count: number }[]
  }>()
})
