/** What HTTP answers to each error of docs/errors.md, and to those of others. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InsufficientStockError, InvalidInputError, KerpError } from '@kerp/core'
import { errorAnswer } from '@kerp/realtime'
import { describe, expect, test } from 'vitest'
import { quotedIn, tableRowsOf } from '../tidy/markdown.js'

const ERRORS = 'docs/errors.md'
const text = readFileSync(join(import.meta.dirname, '..', '..', ERRORS), 'utf8')
const rows = tableRowsOf(new Map([[ERRORS, text]]), ERRORS).map(({ cells }) => cells)

/** The codes that the table of statuses names, by status. */
const statuses = new Map(
  rows
    .filter(([status = '']) => /^\d{3}$/.test(status))
    .flatMap(([status, , codes = '']) =>
      quotedIn(codes)
        .filter((code) => /^[A-Z_]+$/.test(code) && code !== 'INTERNAL')
        .map((code) => [code, Number(status)] as const),
    ),
)

/** Every code that a class has, with what its row says. */
const errors = rows.flatMap(([code = '', className = '', retryable = '', meaning = '']) =>
  quotedIn(className).map((name) => ({
    code: quotedIn(code)[0] ?? '',
    isRetryable: retryable === 'yes',
    isInput: /^Invalid(?:Input|Amount)Error$/.test(name) || meaning.includes('Also an `InvalidInputError`'),
  })),
)

function errorOf({ code, isRetryable, isInput }: (typeof errors)[number]): KerpError {
  if (isInput) return new InvalidInputError('amount', 'another', 'canary-1f0c', code)
  return new KerpError('canary-1f0c', { code, retryable: isRetryable, cause: new Error('canary-cause') })
}

describe('over HTTP', () => {
  test('every error of docs/errors.md has the status that stands there', () => {
    expect(errors.length).toBeGreaterThan(60)
    const wanted = errors.map(({ code, isRetryable }) => [
      code,
      statuses.get(code) ?? (isRetryable ? 503 : 500),
    ])
    expect(errors.map((error) => [error.code, errorAnswer(errorOf(error))?.status])).toEqual(wanted)
    expect([...statuses.keys()].filter((named) => !errors.some(({ code }) => code === named))).toEqual([])
  })

  test('an error shows code, message and retryable, and never its cause', () => {
    for (const error of errors.map(errorOf)) {
      const answer = errorAnswer(error)
      const { code, message, retryable } = error
      if (answer?.status !== 500) expect(answer?.body).toEqual({ error: { code, message, retryable } })
      expect(JSON.stringify(answer)).not.toContain('canary-cause')
    }
  })

  test('what only an operator can repair says nothing of the inside', () => {
    const message = 'The server failed; what went wrong is in its log.'
    const body = { error: { code: 'INTERNAL', message, retryable: false } }
    for (const code of ['REDIS_REFUSED', 'DATABASE_UNSUITABLE', 'INVALID_OPTION', 'LOCK_LOST', 'OF_A_HOST']) {
      const error = new KerpError('canary-1f0c', { code, retryable: false })
      expect(errorAnswer(error)).toEqual({ status: 500, body })
    }
  })

  test('too little stock says what is there, in decimal strings', () => {
    const row = {
      item: 'A',
      warehouse: 'W1',
      requested: 3_000n,
      available: 500n,
      onHand: 2_500n,
      reserved: 2_000n,
    }
    const { status, body } = errorAnswer(new InsufficientStockError('c1', [row])) ?? {}
    expect([status, body?.error]).toEqual([
      409,
      {
        code: 'INSUFFICIENT_STOCK',
        message: '3 of "A" in "W1" asked for, 0.5 available (2.5 on hand, 2 reserved).',
        retryable: false,
        shortages: [
          { item: 'A', warehouse: 'W1', requested: '3', quantity: '2.5', reserved: '2', available: '0.5' },
        ],
      },
    ])
  })

  test('errors of others have no answer', () => {
    for (const error of [
      new TypeError('of a host'),
      { code: 'CLOSED', retryable: true },
      'CLOSED',
      undefined,
    ])
      expect(errorAnswer(error)).toBeUndefined()
  })
})
