import { type Clock, joinNames, systemRandom, timeOrderedIds } from '@kerp/core'
import { manualClock, seededRandom, sequentialIds } from '@kerp/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const LAYOUT = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('time-ordered ids', () => {
  it('are UUIDs of version 7 that begin with the milliseconds', () => {
    const id = timeOrderedIds(manualClock(1_767_225_600_000), seededRandom(1)).next()
    expect(id).toMatch(LAYOUT)
    expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(1_767_225_600_000)
    expect(timeOrderedIds().next()).toMatch(LAYOUT)
  })

  it('sort in the order in which they were made, whatever the clock does', () => {
    const jumps = fc.array(fc.integer({ min: -5_000, max: 5_000 }), { minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(jumps, fc.integer(), (moves, seed) => {
        let nowMs = 1_767_225_600_000
        const clock: Clock = { ...manualClock(), nowMs: () => nowMs }
        const ids = timeOrderedIds(clock, seededRandom(seed))
        const made: string[] = []
        for (const move of moves) {
          nowMs += move
          made.push(ids.next(), ids.next())
        }
        expect([...made].sort()).toStrictEqual(made)
        expect(new Set(made).size).toBe(made.length)
      }),
    )
  })

  it('keep order and layout beyond 4,096 ids of one millisecond, with a clock that gives fractions', () => {
    const ids = timeOrderedIds(manualClock(1_767_225_600_000.75), seededRandom(3))
    const made = Array.from({ length: 10_000 }, () => ids.next())
    expect([...made].sort()).toStrictEqual(made)
    expect(new Set(made).size).toBe(10_000)
    expect(made.every((id) => LAYOUT.test(id))).toBe(true)
  })
})

describe('chance', () => {
  it('is hexadecimal of the length that was asked for, and never the same', () => {
    expect(systemRandom.hex(8)).toMatch(/^[0-9a-f]{16}$/)
    expect(new Set(Array.from({ length: 1_000 }, () => systemRandom.hex(8))).size).toBe(1_000)
    const fraction = systemRandom.fraction()
    expect(fraction >= 0 && fraction < 1).toBe(true)
  })

  it('repeats for the same seed and differs for another', () => {
    const draw = (seed: number) => {
      const random = seededRandom(seed)
      return [random.fraction(), random.hex(4), random.fraction()]
    }
    expect(draw(1)).toStrictEqual(draw(1))
    expect(draw(1)).not.toStrictEqual(draw(2))
    expect(seededRandom(5).hex(16)).toMatch(/^[0-9a-f]{32}$/)
    const random = seededRandom(9)
    const mean =
      Array.from({ length: 10_000 }, () => random.fraction()).reduce((sum, value) => sum + value) / 10_000
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02)
  })
})

describe('sequential ids', () => {
  it('count up behind their prefix', () => {
    const ids = sequentialIds('voucher')
    expect([ids.next(), ids.next()]).toStrictEqual(['voucher-1', 'voucher-2'])
    expect(sequentialIds().next()).toBe('id-1')
  })
})

describe('joined names', () => {
  it('are the names themselves where nothing in them is special', () => {
    expect(joinNames(['payroll', 'c1', '2026-06'])).toBe('payroll/c1/2026-06')
    expect(joinNames(['a/b', '50%', '급여 6'])).toBe('a%2Fb/50%25/급여 6')
    expect(joinNames(['a b', 'c/d'], ' ')).toBe('a%20b c/d')
  })

  it('of two different lists are never the same', () => {
    const name = fc.string({ unit: fc.constantFrom('/', '%', '2', 'F', 'a', ' '), maxLength: 6 })
    const names = fc.array(name, { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(names, names, fc.constantFrom('/' as const, ' ' as const), (one, other, separator) => {
        const isSame = joinNames(one, separator) === joinNames(other, separator)
        expect(isSame).toBe(JSON.stringify(one) === JSON.stringify(other))
      }),
      { numRuns: 5_000 },
    )
  })
})
