import { setDefaultLogger } from '@kerp/core'
import { manualClock, recordingObserver } from '@kerp/core/testing'
import { Retention } from '@kerp/postgres'
import { expect, test } from 'vitest'

const WEEK_MS = 604_800_000

interface Call {
  readonly of: 'outbox' | 'events'
  readonly olderThanMs: number | undefined
}

function parts(calls: Call[], fails = false) {
  return {
    outbox: {
      trim: ({ olderThanMs }: { readonly olderThanMs: number }) => {
        calls.push({ of: 'outbox', olderThanMs })
        return fails
          ? Promise.reject(new Error('gone'))
          : Promise.resolve({ deleted: 0, trimmedTo: undefined })
      },
    },
    eventLog: {
      trim: ({ olderThanMs }: { readonly olderThanMs?: number } = {}) => {
        calls.push({ of: 'events', olderThanMs })
        return Promise.resolve({ deleted: 0, heldBack: 0, lost: 0 })
      },
    },
  }
}

/** Lets everything that is ready run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('what is older than a week is deleted at the start and every hour, until it is closed', async () => {
  const calls: Call[] = []
  const clock = manualClock()
  const retention = new Retention({ ...parts(calls), clock })
  retention.start()
  retention.start()
  await settle()
  expect(calls).toEqual([
    { of: 'outbox', olderThanMs: WEEK_MS },
    { of: 'events', olderThanMs: WEEK_MS },
  ])
  await clock.advance(3_599_999)
  await settle()
  expect(calls).toHaveLength(2)
  await clock.advance(1)
  await settle()
  expect(calls).toHaveLength(4)
  await retention.close()
  await clock.advance(7_200_000)
  await settle()
  expect(calls).toHaveLength(4)
})

test('a pass that fails is observed and done again', async () => {
  const calls: Call[] = []
  const observer = recordingObserver()
  const clock = manualClock()
  const retention = new Retention({ ...parts(calls, true), clock, observer, everyMs: 1_000 })
  retention.start()
  await settle()
  expect(observer.of('backgroundError')).toMatchObject([{ source: 'Retention', code: 'UNEXPECTED' }])
  await clock.advance(1_000)
  await settle()
  expect(calls.filter(({ of }) => of === 'outbox')).toHaveLength(2)
  await retention.close()
})

test('a pass that fails is written to the default logger when nobody observes it', async () => {
  const lines: string[] = []
  setDefaultLogger({ warn: (line) => lines.push(line) })
  const retention = new Retention({ ...parts([], true), clock: manualClock() })
  retention.start()
  await settle()
  await retention.close()
  setDefaultLogger(false)
  expect(lines).toEqual(['K-ERP Retention: UNEXPECTED: gone'])
})

test('a horizon that is none is refused', () => {
  expect(() => new Retention({ ...parts([]), olderThanMs: Number.NaN })).toThrow(/olderThanMs/)
})
