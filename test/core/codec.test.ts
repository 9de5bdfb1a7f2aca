import { closeOnce, InvalidInputError, jsonCodec } from '@kerp/core'
import { describe, expect, it } from 'vitest'

interface Figure {
  readonly name: string
  readonly amount: bigint
}

function checkFigure(parsed: unknown): Figure {
  if (typeof parsed !== 'object' || parsed === null)
    throw new InvalidInputError('figure', 'an object', parsed)
  const { name, amount } = parsed as Record<string, unknown>
  if (typeof name !== 'string' || typeof amount !== 'string')
    throw new InvalidInputError('figure', 'whole', parsed)
  return { name, amount: BigInt(amount) }
}

const codec = jsonCodec({ version: 2, check: checkFigure, bytesMax: 200 })
const anything = jsonCodec<unknown>({ version: 1, check: (parsed) => parsed })

describe('a JSON codec', () => {
  it('brings amounts beyond 2^53 back to the last digit', () => {
    const figure = { name: '현금', amount: 9_007_199_254_740_993n }
    const text = codec.encode(figure)
    expect(text).toBe('2|{"name":"현금","amount":"9007199254740993"}')
    expect(codec.decode(text)).toStrictEqual(figure)
  })

  it.each([
    ['another version', '1|{"name":"a","amount":"1"}'],
    ['a longer version', '22|{"name":"a","amount":"1"}'],
    ['no version', '{"name":"a","amount":"1"}'],
    ['nothing', ''],
    ['broken JSON', '2|{"name":'],
    ['another shape', '2|{"name":7}'],
    ['null', '2|null'],
  ])('refuses %s', (_what, text) => {
    expect(() => codec.decode(text)).toThrow(InvalidInputError)
  })

  it.each([
    '1|{"__proto__":{"admin":true}}',
    '1|{"a":[{"__proto__":1}]}',
    '1|{"constructor":{"prototype":{"admin":true}}}',
    '1|{"\\u005f_proto__":{"admin":true}}',
  ])('refuses to be poisoned by %s', (text) => {
    expect(() => anything.decode(text)).toThrow(/without the keys __proto__ and constructor/)
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
  })

  it('refuses to write more bytes than its bound', () => {
    const empty = codec.encode({ name: '', amount: 1n }).length
    expect(Buffer.byteLength(codec.encode({ name: 'x'.repeat(200 - empty), amount: 1n }))).toBe(200)
    expect(() => codec.encode({ name: 'x'.repeat(201 - empty), amount: 1n })).toThrow(/at most 200 bytes/)
    expect(() => codec.encode({ name: '한'.repeat(60), amount: 1n })).toThrow(InvalidInputError)
    expect(() => anything.encode('x'.repeat(262_144))).toThrow(/at most 262144 bytes/)
  })

  it.each([
    ['a circle', circle()],
    ['undefined', undefined],
    ['a function', () => 1],
    ['a key that it would not read back', { constructor: 1 }],
    ['a key that poisons', JSON.parse('{"a":{"__proto__":1}}') as unknown],
  ])('refuses to write %s', (_what, value) => {
    expect(() => anything.encode(value)).toThrow(InvalidInputError)
  })
})

describe('closeOnce', () => {
  it('does the work once, and every call ends with it', async () => {
    let finish: () => void = () => undefined
    let started = 0
    const close = closeOnce(() => {
      started += 1
      return new Promise((resolve) => (finish = resolve))
    })
    const calls = [close(), close()]
    finish()
    await Promise.all([...calls, close()])
    expect(started).toBe(1)
  })
})

function circle(): unknown {
  const value: Record<string, unknown> = {}
  value['self'] = value
  return value
}
