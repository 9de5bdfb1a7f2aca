import { KerpError, loggingObserver, tellFailure } from '@kerp/core'
import { manualClock } from '@kerp/core/testing'
import { expect, test } from 'vitest'

const down = (message: string): KerpError =>
  new KerpError(message, { code: 'DATABASE_UNAVAILABLE', retryable: true })

test('a failure of background work is written in one line with its source, code and message', () => {
  const lines: string[] = []
  const observer = loggingObserver({ warn: (line) => lines.push(line) }, manualClock())
  tellFailure(observer, 'OutboxRelay', down('the database\nis down'))
  tellFailure(observer, 'Retention', new RangeError('not ours'))
  tellFailure(observer, 'Retention', 'x'.repeat(5_000))
  expect(lines).toEqual([
    'K-ERP OutboxRelay: DATABASE_UNAVAILABLE: the database is down',
    'K-ERP Retention: UNEXPECTED: not ours',
  ])
})

test('the same failure is written once a minute, with how many came in between', async () => {
  const lines: string[] = []
  const clock = manualClock()
  const observer = loggingObserver({ warn: (line) => lines.push(line) }, clock)
  for (let failure = 0; failure < 100; failure += 1) tellFailure(observer, 'OutboxRelay', down('down'))
  await clock.advance(60_000)
  tellFailure(observer, 'OutboxRelay', down('still down'))
  expect(lines).toEqual([
    'K-ERP OutboxRelay: DATABASE_UNAVAILABLE: down',
    'K-ERP OutboxRelay: DATABASE_UNAVAILABLE: still down (99 more since the last line)',
  ])
})

test('however many kinds of failures there are, few of them are told apart', () => {
  let lines = 0
  const observer = loggingObserver({ warn: () => (lines += 1) }, manualClock())
  for (let index = 0; index < 10_000; index += 1) tellFailure(observer, `part ${index}`, down('down'))
  expect(lines).toBe(257)
})
