import { divideRounded, InvalidInputError, type Rounding, roundToUnit } from '@kerp/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const modes: readonly Rounding[] = ['down', 'up', 'floor', 'ceiling', 'halfUp', 'halfDown', 'halfEven']

describe('rounding', () => {
  it('follows its name at, below and above the half, on both sides of zero', () => {
    const table: Record<Rounding, readonly bigint[]> = {
      // of  -2.6, -2.5, -2.4, -1.5, -0.5, 0.5, 1.5, 2.4, 2.5, 2.6, 3.0
      down: [-2n, -2n, -2n, -1n, 0n, 0n, 1n, 2n, 2n, 2n, 3n],
      up: [-3n, -3n, -3n, -2n, -1n, 1n, 2n, 3n, 3n, 3n, 3n],
      floor: [-3n, -3n, -3n, -2n, -1n, 0n, 1n, 2n, 2n, 2n, 3n],
      ceiling: [-2n, -2n, -2n, -1n, 0n, 1n, 2n, 3n, 3n, 3n, 3n],
      halfUp: [-3n, -3n, -2n, -2n, -1n, 1n, 2n, 2n, 3n, 3n, 3n],
      halfDown: [-3n, -2n, -2n, -1n, 0n, 0n, 1n, 2n, 2n, 3n, 3n],
      halfEven: [-3n, -2n, -2n, -2n, 0n, 0n, 2n, 2n, 2n, 3n, 3n],
    }
    const tenths = [-26n, -25n, -24n, -15n, -5n, 5n, 15n, 24n, 25n, 26n, 30n]
    for (const mode of modes) {
      expect(tenths.map((value) => divideRounded(value, 10n, mode))).toStrictEqual(table[mode])
      expect(tenths.map((value) => divideRounded(-value, -10n, mode))).toStrictEqual(table[mode])
    }
  })

  it('agrees with exact fractions on the number line, for numbers of any size', () => {
    const size = fc.oneof(
      fc.bigInt({ min: -60n, max: 60n }),
      fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
    )
    fc.assert(
      fc.property(size, size, fc.constantFrom(...modes), (numerator, denominator, mode) => {
        fc.pre(denominator !== 0n)
        expect(divideRounded(numerator, denominator, mode)).toBe(model(numerator, denominator, mode))
      }),
      { numRuns: 20_000 },
    )
  })

  it('cuts pay below ten won', () => {
    expect(roundToUnit(123_456n, 10n, 'down')).toBe(123_450n)
    expect(roundToUnit(-123_456n, 10n, 'down')).toBe(-123_450n)
    expect(roundToUnit(123_455n, 10n, 'halfUp')).toBe(123_460n)
    expect(roundToUnit(123_455n, 1n, 'up')).toBe(123_455n)
  })

  it('refuses to divide by zero, and a unit that is not positive', () => {
    expect(() => divideRounded(1n, 0n, 'down')).toThrow(InvalidInputError)
    expect(() => roundToUnit(1n, 0n, 'down')).toThrow(InvalidInputError)
    expect(() => roundToUnit(1n, -10n, 'floor')).toThrow(InvalidInputError)
  })
})

/** Picks between the two whole numbers around the fraction by comparing distances, all in exact integers. */
function model(numerator: bigint, denominator: bigint, mode: Rounding): bigint {
  const sign = denominator < 0n ? -1n : 1n
  const top = numerator * sign
  const bottom = denominator * sign
  const below = (top - (((top % bottom) + bottom) % bottom)) / bottom
  const toBelow = top - below * bottom
  if (toBelow === 0n) return below
  const above = below + 1n
  const toAbove = bottom - toBelow
  const [nearZero, farFromZero] = top > 0n ? [below, above] : [above, below]
  if (mode === 'floor') return below
  if (mode === 'ceiling') return above
  if (mode === 'down') return nearZero
  if (mode === 'up') return farFromZero
  if (toBelow !== toAbove) return toBelow < toAbove ? below : above
  if (mode === 'halfUp') return farFromZero
  if (mode === 'halfDown') return nearZero
  return below % 2n === 0n ? below : above
}
