import {
  KerpError,
  loggingObserver,
  type Observer,
  Repeater,
  setDefaultLogger,
  tellFailure,
} from '@kerp/core'
import { manualClock, recordingObserver } from '@kerp/core/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

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

describe('a part that has background work', () => {
  const lines: string[] = []
  beforeEach(() => {
    lines.length = 0
    setDefaultLogger({ warn: (line) => lines.push(line) })
  })
  afterEach(() => setDefaultLogger(false))

  async function failOnce(observer?: Observer): Promise<void> {
    const pass = vi.fn(() => Promise.reject(new KerpError('gone', { code: 'CLOSED', retryable: false })))
    const repeater = new Repeater({ source: 'sweep', everyMs: 1_000, clock: manualClock(), pass, observer })
    repeater.start()
    await vi.waitFor(() => expect(pass).toHaveBeenCalled())
    await repeater.close()
  }

  test('writes its failures to the default logger when it has no observer', async () => {
    await failOnce()
    expect(lines).toEqual(['K-ERP sweep: CLOSED: gone'])
  })

  test('writes nothing when it has an observer, whatever that one hears', async () => {
    const observer = recordingObserver()
    await failOnce(observer)
    await failOnce({})
    expect(lines).toEqual([])
    expect(observer.of('backgroundError')).toEqual([{ source: 'sweep', code: 'CLOSED', message: 'gone' }])
  })

  test('goes on when the logger throws', async () => {
    setDefaultLogger({
      warn: () => {
        throw new Error('logger')
      },
    })
    await failOnce()
    expect(lines).toEqual([])
  })
})
