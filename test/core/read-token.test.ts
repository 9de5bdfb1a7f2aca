import {
  InvalidInputError,
  parseReadToken,
  readTokenOf,
  registerName,
  type RegisterFamily,
  type RegisterImage,
} from '@kerp/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const images = fc.array(
  fc.record({
    ref: fc.record({
      companyId: text,
      family: fc.constantFrom<RegisterFamily>('balance', 'inventory'),
      parts: fc.tuple(text, text),
    }),
    version: fc.maxSafeNat(),
    fields: fc.constant(['0', '0'] as const),
  }),
)

function image(account: string, version: number): RegisterImage {
  return {
    ref: { companyId: 'c1', family: 'balance', parts: [account, '2026'] },
    version,
    fields: ['1', '0'],
  }
}

describe('a read token', () => {
  it('brings back the epoch and the largest version of every row', () => {
    fc.assert(
      fc.property(text, images, (epoch, committed) => {
        const facts = parseReadToken(readTokenOf({ epoch, images: committed }))
        const versions = new Map<string, number>()
        for (const { ref, version } of committed) {
          const name = JSON.stringify([ref.companyId, ref.family, ref.parts[0], ref.parts[1]])
          versions.set(name, Math.max(version, versions.get(name) ?? 0))
        }
        expect(facts).toStrictEqual({ epoch, versions, unnamed: undefined })
      }),
    )
  })

  it('may leave the epoch open', () => {
    const token = readTokenOf({ epoch: undefined, images: [image('1101', 7), image('1101', 6)] })
    expect(parseReadToken(token).epoch).toBeUndefined()
    expect([...parseReadToken(token).versions]).toStrictEqual([[registerName(image('1101', 7).ref), 7]])
  })

  it('may say that rows without a version in it were written, too', () => {
    const unnamed = { companyId: 'c1', family: 'balance' } as const
    const facts = parseReadToken(readTokenOf({ epoch: 'e', images: [image('1101', 7)], unnamed }))
    expect(facts).toStrictEqual({
      epoch: 'e',
      versions: new Map([[registerName(image('1101', 7).ref), 7]]),
      unnamed,
    })
    for (const wrong of ['c1', [1, 'balance'], ['c1', 'balances'], null]) {
      const token = Buffer.from(JSON.stringify(['t1', 'e', [], wrong])).toString('base64url')
      expect(() => parseReadToken(token)).toThrow(InvalidInputError)
    }
  })

  it('is text that goes through a URL and a header unchanged', () => {
    const token = readTokenOf({ epoch: '한.1', images: [image('현금 :{}*', 1)] })
    expect(token).toMatch(/^[\w-]+$/)
  })

  it('of two thousand rows with long names can be read back', () => {
    const rows = Array.from({ length: 2_000 }, (_, index) => image(`${index}`.padEnd(42, '한'), index))
    expect(parseReadToken(readTokenOf({ epoch: 'e', images: rows })).versions.size).toBe(2_000)
  })

  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const name = registerName(image('1101', 1).ref)

  it.each([
    ['nothing', ''],
    ['a number', 7],
    ['null', null],
    ['words', 'hello'],
    ['a token with padding', `${encode(['t1', 'e', []])}==`],
    ['a token with a space', `${encode(['t1', 'e', []])} `],
    ['another format', encode(['t2', 'e', []])],
    ['an object', encode({ 0: 't1', 1: 'e', 2: [] })],
    ['an epoch that is no text', encode(['t1', 7, []])],
    ['no rows', encode(['t1', 'e'])],
    ['rows that are no list', encode(['t1', 'e', { length: 1 }])],
    ['a row that is no list', encode(['t1', 'e', [name]])],
    ['a name that is no text', encode(['t1', 'e', [[7, 1]]])],
    ['a version as text', encode(['t1', 'e', [[name, '1']]])],
    ['a negative version', encode(['t1', 'e', [[name, -1]]])],
    ['a fractional version', encode(['t1', 'e', [[name, 1.5]]])],
    [
      'a version beyond 2^53',
      Buffer.from(`["t1","e",[[${JSON.stringify(name)},9007199254740993]]]`).toString('base64url'),
    ],
    [
      'a row twice',
      encode([
        't1',
        'e',
        [
          [name, 2],
          [name, 1],
        ],
      ]),
    ],
    ['more than a mebibyte', 'A'.repeat(1_048_577)],
  ])('is refused when it is %s', (_what, token) => {
    expect(() => parseReadToken(token)).toThrow(InvalidInputError)
  })

  it('is never anything but read or refused, whatever a client makes of it', () => {
    const token = readTokenOf({ epoch: 'e', images: [image('1101', 7)] })
    const mutations = fc.tuple(
      fc.nat(token.length - 1),
      fc.constantFrom('A', 'B', 'z', '0', '-', '_', '=', '%', '\0', '한'),
    )
    fc.assert(
      fc.property(fc.array(mutations, { minLength: 1, maxLength: 4 }), (changes) => {
        const letters = Array.from(token)
        for (const [at, letter] of changes) letters[at] = letter
        try {
          parseReadToken(letters.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInputError)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('the name of a register', () => {
  it('differs for any two rows', () => {
    fc.assert(
      fc.property(images, (some) => {
        const names = new Set(some.map(({ ref }) => registerName(ref)))
        const rows = new Set(some.map(({ ref }) => JSON.stringify(ref)))
        expect(names.size).toBe(rows.size)
      }),
    )
  })
})
