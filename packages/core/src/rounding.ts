/** Named rounding of exact integers, for those who divide amounts: taxes, rates, payroll. */

import { InvalidInputError } from './errors.js'

/**
 * How a quotient that is not whole becomes whole. `down` cuts towards zero, `up` goes away from zero, `floor`
 * and `ceiling` go down and up the number line, the `half` modes go to the nearest and differ at exactly half.
 */
export type Rounding = 'down' | 'up' | 'floor' | 'ceiling' | 'halfUp' | 'halfDown' | 'halfEven'

/**
 * Divides exactly and rounds once, by name.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` when the denominator is zero.
 * @example
 * divideRounded(125n, 10n, 'halfUp') // 13n
 */
export function divideRounded(numerator: bigint, denominator: bigint, rounding: Rounding): bigint {
  if (denominator === 0n) throw new InvalidInputError('denominator', 'other than zero', denominator)
  const negative = numerator < 0n !== denominator < 0n
  const top = numerator < 0n ? -numerator : numerator
  const bottom = denominator < 0n ? -denominator : denominator
  const quotient = top / bottom
  const twiceRest = (top % bottom) * 2n
  const away = twiceRest !== 0n && goesAwayFromZero(rounding, negative, twiceRest, bottom, quotient)
  const size = away ? quotient + 1n : quotient
  return negative ? -size : size
}

/**
 * Rounds to a multiple of `unit`, for example payroll's cut below 10 won: `roundToUnit(x, 10n, 'down')`.
 *
 * @throws {InvalidInputError} `INVALID_INPUT` when the unit is not positive.
 */
export function roundToUnit(value: bigint, unit: bigint, rounding: Rounding): bigint {
  if (unit <= 0n) throw new InvalidInputError('unit', 'greater than zero', unit)
  return divideRounded(value, unit, rounding) * unit
}

function goesAwayFromZero(
  rounding: Rounding,
  negative: boolean,
  twiceRest: bigint,
  bottom: bigint,
  quotient: bigint,
): boolean {
  switch (rounding) {
    case 'down':
      return false
    case 'up':
      return true
    case 'floor':
      return negative
    case 'ceiling':
      return !negative
    case 'halfUp':
      return twiceRest >= bottom
    case 'halfDown':
      return twiceRest > bottom
    case 'halfEven':
      return twiceRest > bottom || (twiceRest === bottom && quotient % 2n === 1n)
  }
}
