import {
  currencyExponent,
  formatAmount,
  formatQuantity,
  InvalidAmountError,
  InvalidInputError,
  parseAmount,
  parseMinorUnits,
  parseQuantity,
} from '@kerp/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const LARGEST = 10n ** 38n - 1n
const currencies = fc.constantFrom('KRW', 'JPY', 'USD', 'GBP', 'EUR', 'KWD', 0, 1, 5, 8)
const amounts = fc.oneof(fc.bigInt({ min: -LARGEST, max: LARGEST }), fc.bigInt({ min: -2000n, max: 2000n }))

/** Values that are no amount in any currency. */
const hostile: readonly unknown[] = [
  0,
  1,
  10.5,
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  1e21,
  10n,
  null,
  undefined,
  true,
  [],
  ['1'],
  {},
  { toString: () => '1' },
  '',
  ' ',
  '1 ',
  ' 1',
  '1\n',
  '\n1',
  '1\0',
  '1e3',
  '1E3',
  '1e21',
  '1,000',
  '1.000,00',
  '1_000',
  "1'000",
  '+1',
  '--1',
  '-',
  '−1',
  '1-',
  '(1)',
  '01',
  '-01',
  '00',
  '00.5',
  '.5',
  '-.5',
  '1.',
  '.',
  '1..2',
  '1.2.3',
  '0x10',
  '0b1',
  '1n',
  'NaN',
  'Infinity',
  '-Infinity',
  '₩1',
  '$1',
  '1원',
  '١',
  '１',
  '１２３',
  '१',
  '1\u200b',
  '\ufeff1',
  '1٫5',
  '9'.repeat(10_000),
  `0.${'0'.repeat(10_000)}`,
]

describe('an amount', () => {
  it('is read into minor units of its currency', () => {
    expect(parseAmount('1250000.50', 'USD')).toBe(125_000_050n)
    expect(parseAmount('1250000', 'USD')).toBe(125_000_000n)
    expect(parseAmount('0.1', 'USD')).toBe(10n)
    expect(parseAmount('-0.01', 'GBP')).toBe(-1n)
    expect(parseAmount('1000', 'KRW')).toBe(1000n)
    expect(parseAmount('1.005', 'KWD')).toBe(1005n)
    expect(parseAmount('0.00000001', 8)).toBe(1n)
    expect(parseAmount('-0', 'KRW')).toBe(0n)
  })

  it('is written with exactly the digits of its currency', () => {
    expect(formatAmount(1000n, 'USD')).toBe('10.00')
    expect(formatAmount(1000n, 'KRW')).toBe('1000')
    expect(formatAmount(5n, 'USD')).toBe('0.05')
    expect(formatAmount(-5n, 'KWD')).toBe('-0.005')
    expect(formatAmount(0n, 'EUR')).toBe('0.00')
  })

  it('comes back unchanged from text, up to 38 digits', () => {
    fc.assert(
      fc.property(amounts, currencies, (minorUnits, currency) => {
        const text = formatAmount(minorUnits, currency)
        expect(parseAmount(text, currency)).toBe(minorUnits)
        expect(formatAmount(parseAmount(text, currency), currency)).toBe(text)
        expect(parseMinorUnits(minorUnits.toString())).toBe(minorUnits)
      }),
      { numRuns: 5_000 },
    )
    expect(parseAmount(formatAmount(LARGEST, 'USD'), 'USD')).toBe(LARGEST)
    expect(parseAmount(formatAmount(-LARGEST, 'KWD'), 'KWD')).toBe(-LARGEST)
    expect(parseAmount(formatAmount(2n ** 53n + 1n, 'USD'), 'USD')).toBe(9_007_199_254_740_993n)
  })

  it('is refused when it has 39 digits', () => {
    expect(() => parseAmount((LARGEST + 1n).toString(), 'KRW')).toThrow(InvalidAmountError)
    expect(() => parseAmount(formatAmount(LARGEST + 1n, 'USD'), 'USD')).toThrow(InvalidAmountError)
    expect(() => parseAmount('9'.repeat(37), 'USD')).toThrow(/at most 38 digits/)
  })

  it('is refused, not rounded, when it is finer than its currency', () => {
    expect(() => parseAmount('0.5', 'KRW')).toThrow('`amount` must be a whole number as a string')
    expect(() => parseAmount('0.001', 'USD', 'lines[0].debit')).toThrow(
      '`lines[0].debit` must be a decimal string with at most 2 digits after the point, got "#.###" (string).',
    )
    expect(() => parseAmount('1.000', 'USD')).toThrow(InvalidAmountError)
    expect(() => parseAmount('1.0', 'KRW')).toThrow(InvalidAmountError)
  })

  it.each(hostile.map((value) => [value]))('is never read from %o', (value) => {
    for (const currency of ['KRW', 'USD', 'KWD', 8]) {
      expect(() => parseAmount(value, currency)).toThrow(
        expect.objectContaining({ code: 'INVALID_AMOUNT', field: 'amount', retryable: false }),
      )
    }
    expect(() => parseMinorUnits(value)).toThrow(InvalidAmountError)
    expect(() => parseQuantity(value)).toThrow(InvalidAmountError)
  })

  it('is read from a text exactly when the text is a plain decimal', () => {
    const characters = fc.constantFrom('0', '1', '9', '-', '.', '+', ',', 'e', ' ')
    const texts = fc.array(characters, { maxLength: 8 }).map((found) => found.join(''))
    fc.assert(
      fc.property(texts, (text) => {
        const plain = /^-?(0|[1-9][0-9]*)(\.[0-9]{1,2})?$/.test(text)
        if (!plain) expect(() => parseAmount(text, 'USD')).toThrow(InvalidAmountError)
        else expect(Number(parseAmount(text, 'USD'))).toBe(Math.round(Number(text) * 100) + 0)
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('minor units', () => {
  it('may be totals longer than one amount', () => {
    expect(parseMinorUnits('9'.repeat(60))).toBe(10n ** 60n - 1n)
    expect(() => parseMinorUnits('9'.repeat(100))).toThrow(InvalidAmountError)
    expect(() => parseMinorUnits('1.5', 'debit')).toThrow('`debit` must be a whole number of minor units')
  })
})

describe('a currency', () => {
  it.each(['XXX', 'usd', '', 'constructor', '__proto__', 'toString'])(
    'is refused when it is %j',
    (currency) => {
      expect(() => currencyExponent(currency)).toThrow(InvalidInputError)
      expect(() => parseAmount('1', currency)).toThrow(/one of KRW, JPY, USD, GBP, EUR, KWD/)
      expect(() => formatAmount(1n, currency)).toThrow(InvalidInputError)
    },
  )

  it.each([-1, 9, 1.5, Number.NaN])('is refused when its exponent is %s', (exponent) => {
    expect(() => parseAmount('1', exponent)).toThrow(InvalidInputError)
  })
})

describe('a quantity', () => {
  it('is read into thousandths and written in shortest form', () => {
    for (const [text, thousandths] of [
      ['12.5', 12_500n],
      ['0.001', 1n],
      ['-3', -3000n],
      ['1000', 1_000_000n],
      ['0', 0n],
      ['100.01', 100_010n],
    ] as const) {
      expect(parseQuantity(text)).toBe(thousandths)
      expect(formatQuantity(thousandths)).toBe(text)
    }
    expect(parseQuantity('1.500')).toBe(1500n)
  })

  it('comes back unchanged from text, up to 18 digits', () => {
    const limit = 10n ** 18n - 1n
    fc.assert(
      fc.property(fc.bigInt({ min: -limit, max: limit }), (thousandths) => {
        expect(parseQuantity(formatQuantity(thousandths))).toBe(thousandths)
        expect(formatQuantity(thousandths)).not.toMatch(/\.\d*0$|\.$/)
      }),
    )
    expect(() => parseQuantity('1000000000000000')).toThrow(/at most 18 digits/)
  })

  it('is refused when it is finer than a thousandth', () => {
    expect(() => parseQuantity('0.0001', 'lines[0].quantity')).toThrow(
      '`lines[0].quantity` must be a decimal string with at most 3 digits after the point',
    )
  })
})
