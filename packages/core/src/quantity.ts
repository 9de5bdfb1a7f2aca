/** Exact quantities of goods: a `bigint` of thousandths inside, a decimal string in shortest form outside. */

import { formatDecimal, parseDecimal } from './amount.js'

/** Digits after the decimal point of a quantity. */
export const QUANTITY_EXPONENT = 3

const QUANTITY_DIGITS_MAX = 18

/**
 * Reads a quantity such as `'12.5'` into thousandths.
 *
 * @throws {InvalidAmountError} `INVALID_AMOUNT` for anything but a plain decimal string with at most three
 * digits after the point and 18 digits in all.
 */
export function parseQuantity(text: unknown, field = 'quantity'): bigint {
  return parseDecimal(text, QUANTITY_EXPONENT, field, QUANTITY_DIGITS_MAX)
}

/**
 * Writes thousandths in shortest form.
 *
 * @example
 * formatQuantity(12500n) // '12.5'
 */
export function formatQuantity(thousandths: bigint): string {
  return formatDecimal(thousandths, QUANTITY_EXPONENT).replace(/\.?0{1,3}$/, '')
}
