import { InvalidOptionError, oneOfOption, textOption, wholeNumberOption } from '@kerp/core'
import { describe, expect, it } from 'vitest'

const bounds = { min: 100, max: 5_000, fallback: 1_000 }
const modes = ['fast', 'safe'] as const
const rule = { pattern: /^[a-z]+$/, words: 'small letters', fallback: 'kerp' }

describe('an option', () => {
  it('keeps its value, or has its fallback when it was left out', () => {
    expect(wholeNumberOption('Locks', 'ttlMs', 100, bounds)).toBe(100)
    expect(wholeNumberOption('Locks', 'ttlMs', 5_000, bounds)).toBe(5_000)
    expect(wholeNumberOption('Locks', 'ttlMs', undefined, bounds)).toBe(1_000)
    expect(oneOfOption('Locks', 'mode', 'safe', modes, 'fast')).toBe('safe')
    expect(oneOfOption('Locks', 'mode', undefined, modes, 'fast')).toBe('fast')
    expect(textOption('Locks', 'schema', 'erp', rule)).toBe('erp')
    expect(textOption('Locks', 'schema', undefined, rule)).toBe('kerp')
  })

  it.each([99, 5_001, -5, 100.5, Number.NaN, Number.POSITIVE_INFINITY, '1000', 1_000n, null, [1_000]])(
    'that must be a whole number is refused when it is %o',
    (value) => {
      expect(() => wholeNumberOption('Locks', 'ttlMs', value, bounds)).toThrow(InvalidOptionError)
    },
  )

  it('says in one form who expected what and what came', () => {
    const message = (run: () => unknown): string => {
      try {
        run()
      } catch (error) {
        if (error instanceof InvalidOptionError) return `${error.code} ${error.message}`
      }
      return 'accepted'
    }
    expect(message(() => wholeNumberOption('Locks', 'ttlMs', -5, { min: 100, fallback: 1 }))).toBe(
      'INVALID_OPTION Locks option `ttlMs` must be a whole number from 100 up, got -5 (number).',
    )
    expect(message(() => wholeNumberOption('Locks', 'ttlMs', '7', bounds))).toBe(
      'INVALID_OPTION Locks option `ttlMs` must be a whole number from 100 to 5000, got "7" (string).',
    )
    expect(message(() => oneOfOption('Locks', 'mode', 'slow', modes, 'fast'))).toBe(
      'INVALID_OPTION Locks option `mode` must be one of fast, safe, got "slow" (string).',
    )
    expect(message(() => textOption('Ledger', 'schema', 'a b', rule))).toBe(
      'INVALID_OPTION Ledger option `schema` must be small letters, got "a b" (string).',
    )
    expect(message(() => textOption('Ledger', 'schema', 7, rule))).toBe(
      'INVALID_OPTION Ledger option `schema` must be small letters, got 7 (number).',
    )
  })
})
