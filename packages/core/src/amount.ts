/**
 * Exact money: a `bigint` of minor units inside the process, a decimal string everywhere else.
 *
 * An amount never passes through a JavaScript number. A fraction that is finer than the currency is refused,
 * not rounded; whoever needs rounding names the mode.
 */

import { describeAmount, InvalidInputError } from './errors.js'

/** Digits after the decimal point of each currency's minor unit. Hosts with other currencies pass an exponent. */
export const CURRENCY_EXPONENTS: Readonly<Record<string, number>> = Object.freeze({
  KRW: 0,
  JPY: 0,
  USD: 2,
  GBP: 2,
  EUR: 2,
  KWD: 3,
})

/** The most digits of an amount in minor units. */
export const AMOUNT_DIGITS_MAX = 38

const TEXT_LENGTH_MAX = AMOUNT_DIGITS_MAX + 2
const EXPONENT_MAX = 8
const DECIMAL = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/
const INTEGER = /^-?(?:0|[1-9]\d*)$/

/** An amount was not a plain decimal string of its currency. Code `INVALID_AMOUNT`, not retryable. */
export class InvalidAmountError extends InvalidInputError {
  static override readonly errorName = 'InvalidAmountError'

  constructor(field: string, expected: string, got: unknown) {
    super(field, expected, got, 'INVALID_AMOUNT', describeAmount)
  }
}

/**
 * Digits after the decimal point of a currency.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` for a currency that is not in `CURRENCY_EXPONENTS`.
 */
export function currencyExponent(currency: string): number {
  const exponent = Object.hasOwn(CURRENCY_EXPONENTS, currency) ? CURRENCY_EXPONENTS[currency] : undefined
  if (exponent === undefined) {
    throw new InvalidInputError('currency', `one of ${Object.keys(CURRENCY_EXPONENTS).join(', ')}`, currency)
  }
  return exponent
}

/**
 * Reads an amount in major units, such as `'1250000.50'`, into minor units.
 *
 * `currency` is a code of `CURRENCY_EXPONENTS`, or the exponent itself. `field` names the value in the error.
 *
 * @throws {InvalidAmountError} `INVALID_AMOUNT` for anything but a plain decimal string: numbers, `NaN`,
 * `'1e21'`, `'1,000'`, signs other than `-`, leading zeros, a fraction finer than the currency, more than
 * 38 digits.
 * @example
 * parseAmount('1250000.50', 'USD') // 125000050n
 */
export function parseAmount(text: unknown, currency: string | number, field = 'amount'): bigint {
  return parseDecimal(text, exponentOf(currency), field, AMOUNT_DIGITS_MAX)
}

/**
 * Writes minor units as major units, with exactly the currency's digits.
 *
 * @example
 * formatAmount(1000n, 'USD') // '10.00'
 */
export function formatAmount(minorUnits: bigint, currency: string | number): string {
  return formatDecimal(minorUnits, exponentOf(currency))
}

/**
 * Reads a whole number of minor units as the registers, the database and the wire carry it.
 *
 * @throws {InvalidAmountError} `INVALID_AMOUNT` for anything but a plain whole number as a string.
 */
export function parseMinorUnits(text: unknown, field = 'amount'): bigint {
  if (typeof text !== 'string' || text.length > 2 * TEXT_LENGTH_MAX || !INTEGER.test(text)) {
    throw new InvalidAmountError(field, 'a whole number of minor units as a string', text)
  }
  return BigInt(text)
}

/** Reads a decimal string of at most `exponent` fraction digits and `digitsMax` digits, scaled to a whole number. */
export function parseDecimal(text: unknown, exponent: number, field: string, digitsMax: number): bigint {
  const expected =
    exponent === 0
      ? 'a whole number as a string'
      : `a decimal string with at most ${exponent} digits after the point`
  if (typeof text !== 'string' || text.length > TEXT_LENGTH_MAX || !DECIMAL.test(text)) {
    throw new InvalidAmountError(field, expected, text)
  }
  const point = text.indexOf('.')
  const whole = point < 0 ? text : text.slice(0, point)
  const fraction = point < 0 ? '' : text.slice(point + 1)
  if (fraction.length > exponent) throw new InvalidAmountError(field, expected, text)
  const digits = `${whole}${fraction.padEnd(exponent, '0')}`
  const value = BigInt(digits)
  if (digits.replace(/^-?0*/, '').length > digitsMax) {
    throw new InvalidAmountError(field, `at most ${digitsMax} digits long`, text)
  }
  return value
}

/** Writes a whole number as a decimal with exactly `exponent` fraction digits. */
export function formatDecimal(value: bigint, exponent: number): string {
  if (exponent === 0) return value.toString()
  const sign = value < 0n ? '-' : ''
  const digits = (value < 0n ? -value : value).toString().padStart(exponent + 1, '0')
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`
}

function exponentOf(currency: string | number): number {
  if (typeof currency === 'string') return currencyExponent(currency)
  if (Number.isInteger(currency) && currency >= 0 && currency <= EXPONENT_MAX) return currency
  throw new InvalidInputError(
    'currency',
    `a currency code or an exponent from 0 to ${EXPONENT_MAX}`,
    currency,
  )
}
