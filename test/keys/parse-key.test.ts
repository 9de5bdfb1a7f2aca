import { createKeys, InvalidKeyError, parseKey } from '@kerp/keys'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

describe('parseKey', () => {
  it('tells the type and the hash of a report, whose parameters cannot be told', () => {
    const key = createKeys({ namespace: 'n' }).report({
      companyId: 'c1',
      type: '월별',
      parameters: { a: 1n },
    })
    const { hash, ...facts } = parseKey(key) as { hash: string }
    expect(facts).toStrictEqual({ namespace: 'n', family: 'report', companyId: 'c1', type: '월별' })
    expect(hash).toHaveLength(43)
  })

  it.each([
    ['nothing', ''],
    ['no hash tag', 'balance:c1:1101:2026'],
    ['an unknown family', 'voucher:{c1}:1101:2026'],
    ['a missing part', 'balance:{c1}:1101'],
    ['a part too many', 'balance:{c1}:1101:2026:x'],
    ['an empty part', 'balance:{c1}::2026'],
    ['no fiscal year', 'balance:{c1}:1101:20x6'],
    ['a zero before the year', 'balance:{c1}:1101:02026'],
    ['a raw character', 'dashboard:{c1}:a b'],
    ['a raw bracket', 'dashboard:{c1}:[a]'],
    ['encoding that was not needed', 'dashboard:{c1}:%61'],
    ['encoding in small letters', 'dashboard:{c1}:%3a'],
    ['broken encoding', 'dashboard:{c1}:%3'],
    ['bytes that are not UTF-8', 'dashboard:{c1}:%FF'],
    ['an overlong byte sequence', 'dashboard:{c1}:%C0%AF'],
    ['an encoded surrogate', 'dashboard:{c1}:%ED%A0%80'],
    ['decomposed Hangul', `dashboard:{c1}:${encodeURIComponent('한'.normalize('NFD'))}`],
    ['an encoded tenant id', 'watermark:{%63}'],
    ['a tenant id with a dot', 'watermark:{a.b}'],
    ['a watermark with parts', 'watermark:{c1}:x'],
    ['a session with parts', 'session:{s}:x'],
    ['an unknown channel', 'channel:{c1}:other'],
    ['an unknown stream', 'stream:{c1}:registers'],
    ['two namespaces', 'a:b:watermark:{c1}'],
    ['a second hash tag', 'watermark:{c1}{c2}'],
    ['a report without a hash', 'report:{c1}:sales:abc'],
    ['a line feed at the end', 'watermark:{c1}\n'],
    ['a part of 129 bytes', `dashboard:{c1}:${'x'.repeat(129)}`],
    ['10 kB', `dashboard:{c1}:${'x'.repeat(10_000)}`],
    ['a number', 7],
    ['null', null],
  ])('refuses %s', (_what, key) => {
    expect(() => parseKey(key)).toThrow(InvalidKeyError)
  })

  it('never throws anything but INVALID_KEY, whatever the text', () => {
    const pieces = fc.constantFrom('balance', ':', '{', '}', 'c1', '%', '%41', '한', '2026', 'session', '\0')
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((found) => found.join('')),
    )
    fc.assert(
      fc.property(text, (key) => {
        try {
          parseKey(key)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidKeyError)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})
