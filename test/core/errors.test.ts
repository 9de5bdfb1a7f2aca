import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import type * as core from '@kerp/core'
import {
  ClosedError,
  DeadlineExceededError,
  describeValue,
  InvalidAmountError,
  InvalidInputError,
  InvalidOptionError,
  KerpError,
  OverloadedError,
} from '@kerp/core'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

/** What the other copy is asked for. */
type CoreErrors = Pick<typeof core, 'ClosedError' | 'InvalidInputError' | 'KerpError' | 'OverloadedError'>

class OutOfPaperError extends KerpError {
  static override readonly errorName = 'OutOfPaperError'

  constructor(cause?: unknown) {
    super('The printer is out of paper.', { code: 'OUT_OF_PAPER', retryable: true, cause })
  }
}

describe('an error', () => {
  it('says by code and retryable what to do, and keeps its cause', () => {
    const cause = new Error('socket closed')
    const error = new OutOfPaperError(cause)
    expect(error).toMatchObject({ name: 'OutOfPaperError', code: 'OUT_OF_PAPER', retryable: true, cause })
    expect(error.message).toBe('The printer is out of paper.')
    expect(new OutOfPaperError()).not.toHaveProperty('cause')
  })

  it('shows a client its facts, and neither cause nor stack', () => {
    const sent = JSON.stringify(new OutOfPaperError(new Error('password=secret')))
    expect(JSON.parse(sent)).toStrictEqual({
      name: 'OutOfPaperError',
      code: 'OUT_OF_PAPER',
      message: 'The printer is out of paper.',
      retryable: true,
    })
  })

  it('is an instance of its class and of every class above, and of no other', () => {
    const error = new InvalidAmountError('amount', 'a decimal string', 7)
    expect(error).toBeInstanceOf(InvalidAmountError)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error).toBeInstanceOf(KerpError)
    expect(error).toBeInstanceOf(Error)
    expect(error).not.toBeInstanceOf(OutOfPaperError)
    expect(new InvalidInputError('a', 'b', 'c')).not.toBeInstanceOf(InvalidAmountError)
    for (const value of [null, undefined, 'KerpError', 7, {}, new Error('x'), () => 1]) {
      expect(value).not.toBeInstanceOf(KerpError)
    }
  })

  it('of a subclass without a name of its own is told from its siblings', () => {
    class Left extends OutOfPaperError {}
    class Right extends OutOfPaperError {}
    expect(new Left()).toBeInstanceOf(Left)
    expect(new Left()).toBeInstanceOf(OutOfPaperError)
    expect(new Left()).not.toBeInstanceOf(Right)
    expect(new Left().name).toBe('OutOfPaperError')
  })

  it('is recognised by another copy of the package, as when one side imports ESM and the other CJS', () => {
    const copy = commonJsCopy()
    const theirs = new copy.InvalidInputError('field', 'a text', 7)
    expect(theirs).toBeInstanceOf(InvalidInputError)
    expect(theirs).toBeInstanceOf(KerpError)
    expect(theirs).not.toBeInstanceOf(OverloadedError)
    expect(new InvalidAmountError('a', 'b', 'c')).toBeInstanceOf(copy.InvalidInputError)
    expect(new ClosedError('Ledger')).toBeInstanceOf(copy.ClosedError)
    expect(new ClosedError('Ledger')).not.toBeInstanceOf(copy.InvalidInputError)
    expect(copy.KerpError).not.toBe(KerpError)
  })
})

describe('the messages', () => {
  it('say what was expected and what came', () => {
    expect(new InvalidOptionError('Locks', 'ttlMs', 'a whole number from 100 up', -5).message).toBe(
      'Locks option `ttlMs` must be a whole number from 100 up, got -5 (number).',
    )
    expect(new InvalidInputError('lines[2].debit', 'a decimal string', 10).message).toBe(
      '`lines[2].debit` must be a decimal string, got 10 (number).',
    )
    expect(new ClosedError('Ledger').message).toBe('Ledger is closed.')
    expect(new OverloadedError('Ledger', 'queueMax', 5)).toMatchObject({
      message: 'Ledger is full: queueMax is 5.',
      code: 'OVERLOADED',
      retryable: true,
    })
    expect(new DeadlineExceededError('posting', 250, 'unknown')).toMatchObject({
      message: 'posting did not finish within 250 ms; its outcome is unknown.',
      outcome: 'unknown',
      retryable: true,
    })
  })

  it.each([
    [null, 'null'],
    [undefined, 'undefined'],
    ['a', '"a" (string)'],
    [7, '7 (number)'],
    [Number.NaN, 'NaN (number)'],
    [7n, '7 (bigint)'],
    [true, 'true (boolean)'],
    [[1, 2], 'a list of 2'],
    [{ secret: 1 }, 'an object'],
    [() => 1, 'a function'],
    [Symbol('s'), 'a symbol'],
  ])('describe %o by value and type', (value, text) => {
    expect(describeValue(value)).toBe(text)
  })

  it.each([
    ['10 kB of text', 'x'.repeat(10_000)],
    ['a text of quotes', '"'.repeat(10_000)],
    ['a text of NULs', '\0'.repeat(10_000)],
    ['a bigint of 10,000 digits', 10n ** 10_000n],
  ])('stay short for %s', (_what, value) => {
    expect(describeValue(value).length).toBeLessThan(500)
  })

  it('carry no control, line or direction character of a hostile value into a log', () => {
    const hostile = 'a\r\n\0\u001b[31m\u007f\u009b31m\u0085\u2028\u2029\u202e\u2066\ud800'
    const shown = describeValue(hostile)
    expect(shown).toMatch(/^[\x20-\x7e]*$/)
    expect(shown).toBe(
      '"a\\r\\n\\u0000\\u001b[31m\\u007f\\u009b31m\\u0085\\u2028\\u2029\\u202e\\u2066\\ud800" (string)',
    )
    expect(describeValue('계정 é')).toBe('"계정 é" (string)')
  })
})

/** The same source compiled to CommonJS and run on its own, as a second copy in one process. */
function commonJsCopy(): CoreErrors {
  const path = new URL('../../packages/core/src/errors.ts', import.meta.url)
  const { outputText } = ts.transpileModule(readFileSync(path, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  })
  const module = { exports: {} }
  const run = runInThisContext(`(function (exports) {${outputText}\n})`) as (exports: object) => void
  run(module.exports)
  return module.exports as ReturnType<typeof commonJsCopy>
}
